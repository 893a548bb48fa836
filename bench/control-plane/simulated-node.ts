/**
 * One process of a node, put together as cluster/node.ts does it: the real control plane, the real keeper of buckets and what is known of owners, on
 * an engine that only takes time, with a store and other nodes at the far end of a network.
 */

import { BucketKeeper } from '../../cluster/bucket-keeper.ts';
import { BucketOwners } from '../../cluster/bucket-owners.ts';
import { ControlPlane } from '../../cluster/control/control-plane.ts';
import { distantStore } from '../../cluster/control/testing/distant-store.ts';
import type { NodeSight } from '../../cluster/control/testing/oracle.ts';
import { ProcessTime } from '../../cluster/control/testing/virtual-time.ts';
import type { ClusterNode } from '../../cluster/control/membership.ts';
import { audienceOf, concernedBy } from '../../cluster/map-news.ts';
import { TroupeError } from '../../runtime/codec/errors.ts';
import { SimulatedEngine } from './simulated-engine.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const LOOK_EVERY_MS = 100;
const START_RETRY_MS = 500;

export class SimulatedNode {
  readonly id: string;
  readonly ordinal: number;
  readonly engine: SimulatedEngine;
  readonly keeper: BucketKeeper;
  readonly plane: ControlPlane;
  isUp = true;
  term: number | null = null;
  /** Since when its own connection to the store has not failed. */
  wellSinceMs: number;
  private readonly cluster: SimulatedCluster;
  private readonly time: ProcessTime;
  private readonly owners: BucketOwners;
  private isDraining = false;

  constructor(cluster: SimulatedCluster, id: string, ordinal: number) {
    const { network, settings, record, meter, random } = cluster;
    this.cluster = cluster;
    this.id = id;
    this.ordinal = ordinal;
    this.time = new ProcessTime(network.time);
    this.wellSinceMs = network.time.nowMs;
    this.owners = new BucketOwners(settings.bucketBits, this.time);
    this.engine = new SimulatedEngine({
      costs: settings.costs, random, time: this.time, record, meter, ordinal,
      isStoreAway: () => network.isDown,
      onTaken: (index, before) => cluster.process(before)?.engine.taken(index),
      onFenced: (index) => this.keeper.fenced(index),
    });
    this.keeper = new BucketKeeper({
      owners: this.owners, engine: this.engine, pauseMaxMs: settings.pauseMaxMs, clock: this.time, scheduler: this.time, log: silent,
      accept: async (opened) => {
        const outcomes = await this.plane.accept(opened);
        this.tellMapChanged(this.mapVersion + 1, []);
        return outcomes;
      },
      handOver: (number, indexes) => this.handOver(number, indexes),
      refreshed: () => this.plane.refreshed(),
      vacate: async (indexes) => void (await this.plane.release(indexes)),
    });
    this.plane = this.controlPlane();
  }

  get number(): number {
    return this.owners.self;
  }

  get mapVersion(): number {
    return this.owners.map.version;
  }

  sight(): NodeSight {
    return { id: this.id, number: this.number, map: this.owners.map, isInOffice: this.term !== null };
  }

  /** Resolves when it would say that it is ready: it has joined, and every bucket has an owner; or after ten seconds. */
  async start(): Promise<void> {
    for (;;) {
      try {
        await this.plane.start();
        break;
      } catch {
        await this.time.sleep(START_RETRY_MS);
      }
    }
    while (this.mapVersion === 0) await this.time.sleep(LOOK_EVERY_MS);
    const untilMs = this.time.monotonic() + 10_000;
    while (this.time.monotonic() < untilMs && !this.cluster.isEveryBucketOwned(this.owners.map)) await this.time.sleep(LOOK_EVERY_MS);
  }

  /** As a node does that is told to end: hands over what it has, within its time, and leaves. */
  async end(): Promise<void> {
    this.isDraining = true;
    const untilMs = this.time.monotonic() + this.cluster.settings.drainTimeMaxMs;
    while (this.time.monotonic() < untilMs && this.engine.ownedIndexes().length > 0) {
      if (this.plane.state === null || !this.plane.state.nodes.some(({ id, alive, draining }) => id !== this.id && alive && !draining)) break;
      this.plane.lookSoon();
      await this.time.sleep(LOOK_EVERY_MS);
    }
    this.keeper.isStopping = true;
    await this.keeper.idle();
    const owned = this.engine.ownedIndexes();
    if (owned.length > 0) await this.engine.release(owned);
    await this.plane.stop();
    this.kill();
  }

  kill(): void {
    this.isUp = false;
    this.time.end();
    this.cluster.record.ended(this.ordinal);
  }

  hearOfMap(version: number): void {
    if (this.isUp && version > this.mapVersion) this.plane.lookSoon();
  }

  private controlPlane(): ControlPlane {
    const { cluster, id, ordinal, time } = this;
    const { settings, network, near } = cluster;
    const dead = new Set<number>();
    return new ControlPlane({
      store: distantStore(near, network, time, () => (this.wellSinceMs = network.time.nowMs)),
      config: { id: 'c-1', bucketBits: settings.bucketBits },
      id, incarnation: `${ordinal.toString(16).padStart(16, '0')}`,
      info: () => cluster.infoOf(id, this.isDraining),
      clock: time, timers: time, timing: settings.timing, log: silent,
      events: {
        onMap: (map, self) => {
          this.owners.update(map, self.number);
          cluster.learned(this, map.version);
          this.keeper.sync();
        },
        onNodes: (nodes: readonly ClusterNode[]) => {
          for (const node of nodes) {
            if (node.alive) dead.delete(node.number);
            else if (!dead.has(node.number)) cluster.declaredDead(node);
            if (!node.alive) dead.add(node.number);
          }
        },
        onPublished: (version, changes, before) => this.tellMapChanged(version, concernedBy(before, changes)),
        onLead: (term) => {
          this.term = term;
          if (term !== null) cluster.oracle.checkLead(term, `${id} ${ordinal}`);
        },
        onForeign: () => cluster.oracle.complain(`${id} was told that the store is another cluster's`),
        onReplaced: () => cluster.oracle.complain(`${id} was told that it was replaced, and was not`),
      },
    });
  }

  /** TAKE, there and back. */
  private async handOver(number: number, indexes: readonly number[]): Promise<void> {
    await this.time.sleep(this.cluster.random.below(3));
    const other = this.cluster.living(number);
    if (other === undefined) throw new TroupeError('UNREACHABLE', `node ${number} is not known`);
    other.keeper.take(indexes);
    await this.time.sleep(this.cluster.random.below(3));
  }

  /** MAP_CHANGED */
  private tellMapChanged(version: number, concerned: Iterable<number>): void {
    if (this.plane.state !== null) this.cluster.tellMapChanged(audienceOf(this.plane.state, concerned), version);
  }
}
