/**
 * Deployment: a bundle is checked where it can harm nobody, made durable, loaded, and then put in service between two turns by a
 * control record in every bucket. Until that record has its position, nothing has changed.
 */

import { TroupeError } from '../codec/errors.ts';
import { hashToHex } from '../codec/hash64.ts';
import { KIND_CONTROL, writeActivation } from '../codec/record.ts';
import { limits } from '../limits.ts';
import type { SandboxPool } from '../sandbox/sandbox.ts';
import type { Bucket } from './bucket.ts';
import type { Bundles, BundleStore, LoadedBundleEntry } from './bundles.ts';
import type { Deployed, ServedBehavior } from './engine.ts';
import type { CommitGroup, OutputGate } from './output-gate.ts';
import type { Clock, Log } from './seams.ts';
import type { TurnLoop } from './turn-loop.ts';
import type { Turns } from './turns.ts';

/** What a bundle's content says, as far as the engine asks; runtime/bundle does the work. */
export interface BundleChecks {
  hash(content: Buffer): string;
  /** @throws TroupeError STATE_INCOMPATIBLE */
  compatible(before: Buffer, after: Buffer, types: readonly string[]): void;
}

export interface DeploymentParts {
  readonly bundles: Bundles;
  readonly store: BundleStore;
  readonly checks: BundleChecks;
  readonly pool: SandboxPool;
  readonly buckets: readonly Bucket[];
  readonly loop: TurnLoop;
  readonly gate: OutputGate;
  readonly turns: Turns;
  readonly clock: Clock;
  readonly log: Log;
  /** What is in service is kept outside the logs, too: a node may own no bucket, and buckets that it takes over may lag behind. */
  readonly isListed: boolean;
  /** Other types are in service, or others of their bundles. */
  readonly changed: () => void;
}

/** A bundle that was checked and is durable. */
export interface PreparedBundle {
  readonly bundle: string;
  readonly types: readonly string[];
  /** False when it is the one in service for all its types, in every bucket of this node. */
  readonly changed: boolean;
}

export class Deployments {
  private readonly parts: DeploymentParts;
  private last: Promise<unknown> = Promise.resolve();

  constructor(parts: DeploymentParts) {
    this.parts = parts;
  }

  /** One deployment after the other. */
  deploy(content: Buffer): Promise<Deployed> {
    const next = this.last.then(() => this.run(content));
    this.last = next.catch(() => undefined);
    return next;
  }

  behaviors(): ServedBehavior[] {
    const { bundles, buckets } = this.parts;
    const list = [...bundles.served.values()].map((version) => ({
      type: version.type,
      bundle: version.bundle.hash,
      foldHash: hashToHex(version.foldHash),
      commands: version.commands,
      events: version.events,
      quarantined: buckets.map((bucket) => bucket.typeQuarantines.get(version.key)).find((reason) => reason !== undefined) ?? null,
    }));
    return list.sort((a, b) => (a.type < b.type ? -1 : 1));
  }

  /**
   * Puts in service what the logs say was in service. A crash in the middle of an activation may have left buckets that lack
   * the newest one; they get it now.
   */
  async restore(): Promise<void> {
    const { bundles, buckets } = this.parts;
    const newest = new Map<string, { bundle: string; sinceMs: number }>();
    for (const bucket of buckets) {
      for (const [type, served] of bucket.served) {
        const known = newest.get(type);
        if (known === undefined || served.sinceMs > known.sinceMs) newest.set(type, { bundle: served.bundle, sinceMs: served.sinceMs });
      }
    }
    const lagging = new Map<string, string[]>();
    for (const [type, { bundle }] of newest) {
      const entry = await bundles.load(bundle);
      bundles.served.set(type, entry.types.get(type)!);
      if (buckets.some((bucket) => bucket.served.get(type)?.bundle !== bundle)) {
        lagging.set(bundle, [...(lagging.get(bundle) ?? []), type]);
      }
    }
    for (const [bundle, types] of lagging) {
      const behind = buckets.filter((bucket) => types.some((type) => bucket.served.get(type)?.bundle !== bundle));
      this.parts.log.warn({ bundle, types, buckets: behind.length }, 'completing an interrupted activation');
      await this.activate(bundles.loaded(bundle)!, types, behind);
    }
  }

  /**
   * Puts in service what a bucket lacks that was just opened again: the record of an activation may have been lost with the
   * append that stopped it. No batch is in the sandbox, so the records stand in front of the next decision (E4).
   */
  complete(bucket: Bucket): void {
    const { bundles, gate, clock } = this.parts;
    const lacking = new Map<LoadedBundleEntry, string[]>();
    for (const { type, bundle } of bundles.served.values()) {
      if (bucket.served.get(type)?.bundle !== bundle.hash) lacking.set(bundle, [...(lacking.get(bundle) ?? []), type]);
    }
    const group = gate.take();
    for (const [bundle, types] of lacking) this.record(bucket, bundle, types, Math.max(bucket.nowMs + 1, clock.now()), group);
    gate.commit(group);
  }

  private async run(content: Buffer): Promise<Deployed> {
    const prepared = await this.prepare(content);
    if (prepared.changed) await this.putInService(prepared.bundle, prepared.types);
    return prepared;
  }

  /** Checks a bundle where it can harm nobody, and makes it durable. Nothing is in service yet. @throws TroupeError as `Engine.deploy` */
  async prepare(content: Buffer): Promise<PreparedBundle> {
    const { bundles, store, checks, pool } = this.parts;
    if (content.length > limits.bundleBytesMax) {
      throw new TroupeError('BUNDLE_TOO_LARGE', `the bundle has ${content.length} bytes, the limit is ${limits.bundleBytesMax}`);
    }
    const hash = checks.hash(content);
    const loaded = await pool.check(content);
    const types = loaded.types.map((type) => type.type).sort();
    if (types.length === 0) throw new TroupeError('BUNDLE_INVALID', 'the bundle defines no actor type');
    const settled = !this.owned.some((bucket) => bucket.stopped);
    if (settled && types.every((type) => bundles.served.get(type)?.bundle.hash === hash)) return { bundle: hash, types, changed: false };
    // A type that carries its states over itself may change their shape as it likes.
    await this.checkCompatible(content, loaded.types.filter((type) => !type.migrates).map((type) => type.type));
    await store.put(content);
    await bundles.load(hash);
    return { bundle: hash, types, changed: true };
  }

  /** Puts types of a bundle of the store in service in every bucket of this node, between two turns. */
  async putInService(hash: string, types: readonly string[]): Promise<void> {
    const entry = await this.parts.bundles.load(hash);
    await this.activate(entry, types, this.owned);
    this.parts.log.info({ bundle: hash, types }, 'types are in service');
  }

  private get owned(): Bucket[] {
    return this.parts.buckets.filter((bucket) => bucket.owned);
  }

  private async checkCompatible(content: Buffer, types: readonly string[]): Promise<void> {
    const { bundles, store, checks } = this.parts;
    const byBundle = new Map<string, string[]>();
    for (const type of types) {
      const before = bundles.served.get(type)?.bundle.hash;
      if (before !== undefined) byBundle.set(before, [...(byBundle.get(before) ?? []), type]);
    }
    for (const [before, affected] of byBundle) checks.compatible(await store.get(before), content, affected);
  }

  /**
   * E4: control records in `buckets`, while no batch is in the sandbox. A bucket that is stopped or being handed over gets its own when it is
   * opened again; at least one must take it now, so that a restart knows, unless what is in service is listed elsewhere.
   */
  private async activate(entry: LoadedBundleEntry, types: readonly string[], buckets: readonly Bucket[]): Promise<void> {
    const { loop, gate, bundles, clock } = this.parts;
    loop.hold();
    try {
      await loop.drain();
      const serving = buckets.filter((bucket) => !bucket.isHeld);
      if (serving.length === 0 && !this.parts.isListed) throw new TroupeError('NOT_READY', 'every bucket is being opened again');
      const group = gate.take();
      const now = buckets.reduce((newest, bucket) => Math.max(newest, bucket.nowMs + 1), clock.now());
      for (const bucket of serving) this.record(bucket, entry, types, now, group);
      const durable = new Promise<boolean>((resolve) => group.released.push(resolve));
      gate.commit(group);
      for (const type of types) bundles.served.set(type, entry.types.get(type)!);
      this.parts.changed();
      // A bucket that another node has taken meanwhile gets its record there.
      if (!(await durable) && !this.parts.isListed) throw new TroupeError('UNKNOWN_OUTCOME', 'the activation may not be durable in every bucket');
    } finally {
      loop.resume();
    }
  }

  private record(bucket: Bucket, entry: LoadedBundleEntry, names: readonly string[], now: number, group: CommitGroup): void {
    const types = names.map((type) => ({ type, foldHash: entry.types.get(type)!.foldHash }));
    this.parts.turns.control(bucket, KIND_CONTROL, now, group, (wire) => {
      writeActivation(wire, entry.hashBytes, types);
    });
    bucket.activate({ bundle: entry.hashBytes, types }, now);
  }
}
