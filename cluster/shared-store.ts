/**
 * What all nodes of a cluster must find: the bundles, and the list of what was put in service, in order. Both in the store that the
 * cluster has anyway; nothing of either is ever changed or removed.
 *
 * A bundle is durable as the store is. What is listed is in service in every bucket that is opened afterwards; a node that was away reads the list when it
 * comes back.
 */

import { bundleHash } from '../runtime/bundle/bundle.ts';
import { TroupeError } from '../runtime/codec/errors.ts';

/** A plain command on the server that has `key`. */
export type StoreCall = (key: string, command: string, args: readonly (string | Buffer)[]) => Promise<unknown>;

/** One deployment. */
export interface ListedBundle {
  /** SHA-256, hex. */
  readonly bundle: string;
  readonly types: readonly string[];
}

export class SharedBundles {
  private readonly call: StoreCall;
  private readonly namespace: string;
  private readonly known = new Map<string, Buffer>();

  constructor(call: StoreCall, namespace: string) {
    this.call = call;
    this.namespace = namespace;
  }

  async put(content: Buffer): Promise<string> {
    const hash = bundleHash(content);
    const key = this.keyOf(hash);
    await this.call(key, 'SETNX', [key, content]);
    await this.get(hash);
    return hash;
  }

  /** @throws TroupeError BUNDLE_MISSING, JOURNAL_DAMAGED */
  async get(hash: string): Promise<Buffer> {
    const known = this.known.get(hash);
    if (known !== undefined) return Buffer.from(known);
    const key = this.keyOf(hash);
    const content = (await this.call(key, 'GET', [key])) as Buffer | null;
    if (content === null) throw new TroupeError('BUNDLE_MISSING', `bundle ${hash} is not in the store`);
    if (bundleHash(content) !== hash) throw new TroupeError('JOURNAL_DAMAGED', `${key} does not hold the bundle that it is named after`, { location: key });
    this.known.set(hash, content);
    return Buffer.from(content);
  }

  private keyOf(hash: string): string {
    return `{${this.namespace}:bundle:${hash.slice(0, 2)}}:${hash}`;
  }
}

export class ServiceList {
  private readonly call: StoreCall;
  private readonly key: string;

  constructor(call: StoreCall, namespace: string) {
    this.call = call;
    this.key = `{${namespace}}:service`;
  }

  /** Adds the entry behind `length` others; false when somebody else was there first. */
  async add(length: number, entry: ListedBundle): Promise<boolean> {
    return (await this.call(this.key, 'HSETNX', [this.key, String(length), JSON.stringify(entry)])) === 1;
  }

  async length(): Promise<number> {
    return (await this.call(this.key, 'HLEN', [this.key])) as number;
  }

  /** Entries in `[from, to)`. */
  async read(from: number, to: number): Promise<ListedBundle[]> {
    if (to <= from) return [];
    const fields = Array.from({ length: to - from }, (_, i) => String(from + i));
    const entries = (await this.call(this.key, 'HMGET', [this.key, ...fields])) as (Buffer | null)[];
    return entries.map((entry, i) => {
      if (entry === null) throw new TroupeError('JOURNAL_DAMAGED', `entry ${from + i} of ${this.key} is missing`, { location: this.key });
      return JSON.parse(entry.toString()) as ListedBundle;
    });
  }
}
