/**
 * Actors that have a state and are not in memory: given an increment each, snapshots taken, pushed into the tier that is asked for, and the nodes
 * ended in order and started again.
 *
 * S1  Every actor has a snapshot. The nodes that fill them hold sixteen actors in memory, so that each is passivated, which takes one, as soon as some
 *     others come; behind the actors that are measured come others, so that the last of them are pushed out, too.
 * S2  *Hot* is what the nodes wrote last: log files that are still open, or Redis. *Cold* is what was sealed: behind the actors come so many
 *     others that everything that is still hot is theirs, which is looked at.
 * S3  After the start nobody is in memory: see `activated`, which counts from there.
 *
 * The page cache of the machine stays as it is: a disk that has to move is not measured.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { actorAddress, DOCUMENT_TYPE } from '../driver/format.ts';
import type { Expected } from '../driver/load.ts';
import { RemoteDriver } from '../driver/remote.ts';
import { plainLoad } from '../harness/load-spec.ts';
import type { LoadSpec } from '../harness/load-spec.ts';
import { fill } from '../harness/loaded-run.ts';
import type { RunSettings } from '../harness/loaded-run.ts';
import { bucketOf } from '../../runtime/faults/messages/log-record.ts';
import { BENCH_BEHAVIORS } from '../../runtime/faults/node-process.ts';
import { createColdTier } from '../../runtime/journal/cold/cold-tier.ts';
import { inspectStore } from '../../runtime/journal/redis/inspection.ts';
import type { Servers } from '../subject/servers.ts';

export const tiers = ['hot', 'cold'] as const;
export type Tier = (typeof tiers)[number];

export interface SleepingOptions {
  readonly actors: number;
  /** Others beside them, to wake the code of the nodes with. */
  readonly warmUpActors: number;
  readonly tier: Tier;
  readonly takesSnapshots: boolean;
}

export const WARM_UP_PREFIX = 'warm-';
const BALLAST_PREFIX = 'ballast-';
/** The least that a node takes. */
const RESIDENT_MAX = 16;
/** A record holds the value twice, in the command and in the event. */
const BALLAST = {
  /** More than the six files that may wait to be sealed. */
  files: { actors: 2_560, valueBytes: 2_048 },
  /** Every bucket keeps 64 KiB hot at least, and gets more than that even when it gets the fewest of them. */
  store: { actors: 5_120, valueBytes: 8_192 },
} as const;
const COLD_MAX_MS = 60_000;
const POLL_MS = 1_000;
/** The least that can be set. */
const SEAL_AT_BYTES = 2 ** 20;
const HOT_LOG_MIB = 1;
const BUCKET_BITS = 8;

export class SleepingActors {
  /** What every actor holds. */
  expected: Expected | null = null;
  snapshots = 0;
  private readonly servers: Servers;
  private readonly directory: string;
  private readonly options: SleepingOptions;
  private readonly settings: RunSettings;
  private activatedBefore = 0;

  constructor(servers: Servers, directory: string, options: SleepingOptions, settings: RunSettings) {
    this.servers = servers;
    this.directory = directory;
    this.options = options;
    this.settings = settings;
  }

  /** Resolves when they sleep, on nodes that run. `nodeArgs`: of those nodes. */
  async prepare(nodeArgs: readonly string[] = []): Promise<void> {
    const { servers, options, settings: { signal } } = this;
    await servers.start(signal, this.fillArgs());
    await servers.deploy(BENCH_BEHAVIORS);
    const driver = new RemoteDriver();
    try {
      this.expected = await this.give(driver, '', { actors: options.actors });
      await this.give(driver, WARM_UP_PREFIX, { actors: options.warmUpActors });
      if (options.tier === 'cold') {
        const { actors, valueBytes } = servers.redis === null ? BALLAST.files : BALLAST.store;
        await this.give(driver, BALLAST_PREFIX, { actors, type: DOCUMENT_TYPE, shape: { valueBytes, fanOut: 0 } });
        await this.untilCold();
      }
    } finally {
      await driver.stop();
    }
    this.snapshots = await servers.metric('troupe_engine_snapshots_total');
    if (options.takesSnapshots && this.snapshots < options.actors) throw new Error(`${options.actors} actors were to have a snapshot, and ${this.snapshots} were taken`);
    await servers.end();
    await servers.start(signal, this.tierArgs(), nodeArgs);
    this.activatedBefore = await this.activations();
  }

  /** Actors that were brought into memory since the start, or since `forget`. */
  async activated(): Promise<number> {
    return (await this.activations()) - this.activatedBefore;
  }

  async forget(): Promise<void> {
    this.activatedBefore = await this.activations();
  }

  private activations(): Promise<number> {
    return this.servers.metric('troupe_engine_activations_total');
  }

  private async give(driver: RemoteDriver, prefix: string, load: Partial<LoadSpec>): Promise<Expected> {
    const spec: LoadSpec = { ...plainLoad, direct: false, connections: 1, loop: { kind: 'sweep', inFlight: 1 }, ...load };
    return fill(driver, await this.servers.subject(), spec, { ...this.settings, prefix });
  }

  /** S2 */
  private async untilCold(): Promise<void> {
    const until = performance.now() + COLD_MAX_MS;
    for (;;) {
      const why = await (this.servers.redis === null ? this.hotFiles() : this.hotBuckets(this.servers.redis.port));
      if (why === null) return;
      if (performance.now() > until) throw new Error(`after ${COLD_MAX_MS} ms the actors are not cold: ${why}`);
      await sleep(POLL_MS, undefined, { signal: this.settings.signal });
    }
  }

  /** Files are of all buckets together, in the order of time. */
  private async hotFiles(): Promise<string | null> {
    const { actors, valueBytes } = BALLAST.files;
    const behind = actors * valueBytes * 2;
    const hot = await this.servers.metric('troupe_journal_hot_bytes');
    return hot < behind ? null : `${hot} bytes are hot, and ${behind} were written behind them`;
  }

  /** Each bucket has a log of its own, of which the newest records stay hot. */
  private async hotBuckets(port: number): Promise<string | null> {
    const behind = new Array<number>(2 ** BUCKET_BITS).fill(0);
    for (let i = 0; i < BALLAST.store.actors; i++) behind[bucketOf(actorAddress({ type: DOCUMENT_TYPE, prefix: BALLAST_PREFIX }, i), BUCKET_BITS)]!++;
    const inspection = await inspectStore({
      store: { addresses: [{ host: '127.0.0.1', port }] }, namespace: 'main', tier: createColdTier({ directory: this.coldFolder }), onWarning: () => undefined,
    });
    try {
      const { buckets } = await inspection.stat();
      const hot = buckets.filter(({ bucket, hotRecords }) => (hotRecords ?? 0) > behind[bucket.index]!);
      return hot.length === 0 ? null : `${hot.length} buckets have more records hot than were written behind them`;
    } finally {
      await inspection.close();
    }
  }

  private get coldFolder(): string {
    return join(this.directory, 'cold');
  }

  private fillArgs(): string[] {
    const { takesSnapshots } = this.options;
    return [...(takesSnapshots ? ['--activations-max', String(RESIDENT_MAX)] : []), ...this.tierArgs()];
  }

  private tierArgs(): string[] {
    if (this.options.tier === 'hot') return [];
    if (this.servers.kind === 'embedded') return ['--segment-file-bytes', String(SEAL_AT_BYTES)];
    mkdirSync(this.coldFolder, { recursive: true });
    return ['--cold', this.coldFolder, '--hot-log-max-mib', String(HOT_LOG_MIB)];
  }
}
