/**
 * Deploying to a cluster. The node that is asked checks the bundle and makes it durable, adds it to the list of what is in
 * service, and then asks every node to follow the list. A node that is away follows when it comes back; a bucket that is opened
 * gets what it lacks before its first decision.
 *
 * D1  The list has one order, and every node puts its entries in service in that order.
 * D2  A deployment is answered when every node that was alive then has put it in service in all of its buckets.
 * D3  A list that went back is made whole by whoever knows more: what was in service goes on deciding.
 */

import { TroupeError } from '../runtime/codec/errors.ts';
import type { Deployed } from '../runtime/actor/engine.ts';
import type { ListedBundle, ServiceList } from './shared-store.ts';

export interface ClusterDeploymentsParts {
  readonly list: ServiceList;
  readonly engine: {
    prepare(content: Buffer): Promise<{ readonly bundle: string; readonly types: readonly string[]; readonly changed: boolean }>;
    putInService(bundle: string, types: readonly string[]): Promise<void>;
  };
  /** Makes a bundle that is in service here durable in the store once more. */
  keepAgain(bundle: string): Promise<void>;
  /** What an error, one of the store's too, is to whoever deploys. */
  errorOf(error: unknown): unknown;
  /** Asks every other living node to follow the list up to `length`. @throws TroupeError when one of them did not */
  tellOthers(length: number): Promise<void>;
}

export class ClusterDeployments {
  private readonly parts: ClusterDeploymentsParts;
  /** Entries of the list that are in service here. */
  private followed = 0;
  /** What they say. */
  private readonly entries: ListedBundle[] = [];
  private last: Promise<unknown> = Promise.resolve();

  constructor(parts: ClusterDeploymentsParts) {
    this.parts = parts;
  }

  /** One after the other. @throws TroupeError also when the store is away, what was to be deployed or not then */
  deploy(content: Buffer): Promise<Deployed> {
    const deployed = this.inTurn(async () => {
      const { engine, list, tellOthers } = this.parts;
      for (;;) {
        let length = await list.length();
        if (length < this.followed) length = await this.restore(length);
        await this.followTo(length);
        const { bundle, types, changed } = await engine.prepare(content);
        if (!changed) {
          await tellOthers(this.followed);
          return { bundle, types, changed };
        }
        const at = this.followed;
        // Another node has deployed meanwhile: what was checked was checked against something else.
        if (!(await list.add(at, { bundle, types }))) continue;
        await this.followTo(at + 1);
        await tellOthers(at + 1);
        return { bundle, types, changed };
      }
    });
    return deployed.catch((error: unknown) => {
      throw this.parts.errorOf(error);
    });
  }

  /** Puts in service what is listed and is not yet. `atLeast` is known to be there. */
  follow(atLeast = 0): Promise<void> {
    return this.inTurn(async () => {
      let length = await this.parts.list.length();
      if (length < this.followed) length = await this.restore(length);
      if (length < atLeast) throw new TroupeError('ROLLED_BACK', `the list of what is in service has ${length} entries, and had ${atLeast}`);
      await this.followTo(length);
    });
  }

  private async followTo(length: number): Promise<void> {
    const entries = await this.parts.list.read(this.followed, length);
    for (const { bundle, types } of newestOnly(entries)) await this.parts.engine.putInService(bundle, types);
    this.entries.push(...entries);
    this.followed = Math.max(this.followed, length);
  }

  /** D3 */
  private async restore(length: number): Promise<number> {
    for (let i = length; i < this.followed; i++) {
      await this.parts.keepAgain(this.entries[i]!.bundle);
      await this.parts.list.add(i, this.entries[i]!);
    }
    return this.parts.list.length();
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work);
    this.last = turn.catch(() => undefined);
    return turn;
  }
}

/** Without the types that a later entry replaces: nobody has to load what is not in service any more. */
function newestOnly(entries: readonly ListedBundle[]): ListedBundle[] {
  const seen = new Set<string>();
  const kept: ListedBundle[] = [];
  for (const { bundle, types } of [...entries].reverse()) {
    const left = types.filter((type) => !seen.has(type));
    for (const type of types) seen.add(type);
    if (left.length > 0) kept.unshift({ bundle, types: left });
  }
  return kept;
}
