/**
 * A cluster of many nodes in one thread, on virtual time: starts, ends and kills processes, carries what they say to each other and to the store, and
 * knows when all is at rest. What happens depends on the settings and the seed alone.
 */

import { createHash } from 'node:crypto';

import { ENTRY_BYTES, NO_NODE } from '../../cluster/bucket-map.ts';
import type { BucketMap } from '../../cluster/bucket-map.ts';
import type { Beat, BeatAnswer, ControlStore, NodeInfo, PublishAnswer } from '../../cluster/control/control-store.ts';
import { MemoryControl, MemoryControlStore } from '../../cluster/control/memory-store.ts';
import type { ClusterNode } from '../../cluster/control/membership.ts';
import type { ControlTiming } from '../../cluster/control/timing.ts';
import type { Network } from '../../cluster/control/testing/distant-store.ts';
import { Oracle } from '../../cluster/control/testing/oracle.ts';
import { VirtualTime } from '../../cluster/control/testing/virtual-time.ts';
import { Random } from '../../runtime/actor/testing/random-actor.ts';
import { ServiceRecord } from './service-record.ts';
import type { Costs } from './simulated-engine.ts';
import { SimulatedNode } from './simulated-node.ts';
import { ChangeWeights, StoreMeter } from './store-meter.ts';

export interface ClusterSettings {
  readonly seed: number;
  readonly bucketBits: number;
  readonly timing: ControlTiming;
  readonly costs: Costs;
  readonly pauseMaxMs: number;
  readonly drainTimeMaxMs: number;
  /** In place of the model, to see what the oracle says when one of its checks is missing. */
  readonly store?: (control: MemoryControl) => ControlStore;
}

/** Nothing of the map or of who serves may change for so long: longer than it takes to find out that a node is dead. */
const CALM_MS = 4_000;
const STEP_MS = 250;

export class SimulatedCluster {
  readonly settings: ClusterSettings;
  readonly random: Random;
  readonly network: Network;
  readonly near: ControlStore;
  readonly oracle: Oracle;
  readonly record: ServiceRecord;
  readonly meter: StoreMeter;
  /** By id; one that has ended is not in it. */
  readonly nodes = new Map<string, SimulatedNode>();
  /** Buckets on their way from one node to another, by the map. */
  moving = 0;
  movingPeak = 0;
  mapVersions = 0;
  private readonly time = new VirtualTime();
  private readonly control = new MemoryControl();
  /** Those that run, by their ordinals. */
  private readonly processes = new Map<number, SimulatedNode>();
  private started = 0;
  /** Of processes that have ended. */
  private readonly ended = { handOffs: 0, aborted: 0 };
  private readonly isMoving: Uint8Array;
  private readonly changes = new ChangeWeights();
  private readonly digest = createHash('sha256');
  private readonly infos = new Map<string, NodeInfo>();
  private recordBytes: number | null = null;
  private readonly owned = new WeakMap<BucketMap, boolean>();
  private readonly byNumber = new Map<number, SimulatedNode>();
  private lastLearnedMs = 0;

  constructor(settings: ClusterSettings) {
    this.settings = settings;
    this.random = new Random(settings.seed);
    this.near = settings.store?.(this.control) ?? new MemoryControlStore(this.control);
    this.oracle = new Oracle(this.control, this.time);
    this.oracle.onMap = (map, changed) => this.mapChanged(map, changed);
    const now = (): number => this.time.nowMs;
    this.record = new ServiceRecord(2 ** settings.bucketBits, now);
    this.meter = new StoreMeter(now);
    this.isMoving = new Uint8Array(2 ** settings.bucketBits);
    this.network = {
      time: this.time, random: this.random, isDown: false, lossOneIn: Infinity, callTimeMaxMs: settings.timing.callTimeMaxMs,
      observe: (name, args, work) => this.observe(name, args, work),
    };
  }

  get nowMs(): number {
    return this.time.nowMs;
  }

  /** Null before the first node has founded it. */
  get map(): BucketMap | null {
    return this.control.cluster?.map ?? null;
  }

  pass(durationMs: number): Promise<void> {
    return this.time.pass(durationMs);
  }

  later(delayMs: number, task: () => void): void {
    this.time.later(delayMs, task);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.time.later(delayMs, resolve));
  }

  /** Resolves when the node is ready. */
  start(id: string): Promise<void> {
    const node = new SimulatedNode(this, id, this.started++);
    this.processes.set(node.ordinal, node);
    this.nodes.set(id, node);
    this.note('start', node.ordinal);
    return node.start();
  }

  kill(id: string): void {
    const node = this.nodes.get(id)!;
    this.note('kill', node.ordinal);
    node.kill();
    this.forget(node);
  }

  /** Resolves when the node has handed over what it had, and has left. */
  async end(id: string): Promise<void> {
    const node = this.nodes.get(id)!;
    this.note('end', node.ordinal);
    await node.end();
    this.forget(node);
    this.note('ended', node.ordinal);
  }

  process(ordinal: number): SimulatedNode | undefined {
    return this.processes.get(ordinal);
  }

  living(number: number): SimulatedNode | undefined {
    const node = this.byNumber.get(number);
    return node?.isUp === true ? node : undefined;
  }

  schedulerId(): string | null {
    return this.living(this.control.cluster?.lead.node ?? NO_NODE)?.id ?? null;
  }

  /** As long as a node says the same it is the same object, as an adapter that keeps what it has decoded would have it. */
  infoOf(id: string, draining: boolean): NodeInfo {
    const key = `${id} ${draining}`;
    let info = this.infos.get(key);
    if (info === undefined) {
      const host = `${id}.cluster.internal`;
      info = { addresses: { transport: `${host}:7072`, gateway: `${host}:7070`, admin: `${host}:7071`, client: `ws://${host}:7070` }, version: '1.0.0', draining, weight: 1, load: 0 };
      this.infos.set(key, info);
    }
    return info;
  }

  /** A message to each of these. */
  tellMapChanged(numbers: ReadonlySet<number>, version: number): void {
    this.time.later(this.random.below(3), () => {
      for (const number of numbers) this.living(number)?.hearOfMap(version);
    });
  }

  /** Looked for once for all nodes that know this map. */
  isEveryBucketOwned(map: BucketMap): boolean {
    let isSo = this.owned.get(map);
    if (isSo === undefined) {
      isSo = true;
      for (let index = 0; isSo && index < map.size; index++) isSo = map.ownerOf(index) !== NO_NODE && map.epochOf(index) !== 0;
      this.owned.set(map, isSo);
    }
    return isSo;
  }

  learned(node: SimulatedNode, version: number): void {
    this.byNumber.set(node.number, node);
    if (version === this.map?.version) this.lastLearnedMs = this.time.nowMs;
  }

  /** O5 */
  declaredDead({ id, number }: ClusterNode): void {
    const node = this.nodes.get(id);
    if (node !== undefined && node.number === number && node.isUp) this.oracle.checkDeclaredDead(id, node.wellSinceMs);
  }

  /** From here on, figures are of the next scenario. */
  begin(): void {
    this.record.begin();
    this.meter.begin();
    this.movingPeak = this.moving;
    this.mapVersions = 0;
  }

  /** Lets time pass until nothing changes any more; answers when the last change was. Complains when there is no rest in time. */
  async untilRest(timeMaxMs: number): Promise<number> {
    const untilMs = this.time.nowMs + timeMaxMs;
    while (this.time.nowMs < untilMs) {
      await this.time.pass(STEP_MS);
      const changedMs = Math.max(this.record.lastChangeMs, this.lastLearnedMs);
      if (this.time.nowMs - changedMs >= CALM_MS && this.isAtRest()) return changedMs;
    }
    this.oracle.complain(`no rest within ${timeMaxMs / 1_000} s: ${this.record.unserved} buckets are not served, ${this.moving} on their way`);
    return this.time.nowMs;
  }

  checkRest(): void {
    this.oracle.checkRest([...this.nodes.values()].map((node) => node.sight()));
    const { map } = this;
    for (const node of this.nodes.values()) {
      for (const index of node.engine.ownedIndexes()) {
        if (map!.ownerOf(index) !== node.number || this.record.serverOf(index) !== node.ordinal) this.oracle.complain(`O6 ${node.id} has bucket ${index}, which is another's`);
      }
    }
  }

  /** Of all processes that ever ran. */
  handOffStat(): { readonly handOffs: number; readonly aborted: number } {
    return [...this.processes.values()].reduce((sum, { keeper: { stat } }) => ({ handOffs: sum.handOffs + stat.handOffs, aborted: sum.aborted + stat.aborted }), this.ended);
  }

  /** Of all that has happened so far. */
  trace(): string {
    return this.digest.copy().digest('hex').slice(0, 16);
  }

  private forget({ id, ordinal, number, keeper: { stat } }: SimulatedNode): void {
    this.nodes.delete(id);
    this.processes.delete(ordinal);
    this.byNumber.delete(number);
    this.ended.handOffs += stat.handOffs;
    this.ended.aborted += stat.aborted;
  }

  private isAtRest(): boolean {
    if (this.record.unserved > 0 || this.moving > 0) return false;
    for (const node of this.nodes.values()) if (node.mapVersion !== this.map!.version) return false;
    return true;
  }

  private async observe(name: keyof ControlStore, args: readonly unknown[], work: () => Promise<unknown>): Promise<unknown> {
    const answer = await this.oracle.observe(name, args, work);
    if (name === 'beat') this.countBeat((args[0] as Beat).knownMapVersion, answer as BeatAnswer);
    else if (name === 'publish' && (answer as PublishAnswer).kind !== 'published') this.meter.count('publish refused', 1, 0);
    else this.meter.count(name, 1, 0);
    return answer;
  }

  private countBeat(known: number, answer: BeatAnswer): void {
    if (answer.kind !== 'ok') return;
    const nodeBytes = answer.nodes.length * this.nodeRecordBytes();
    const changes = answer.map === null ? 0 : this.changes.bytesSince(known, answer.map);
    if (answer.map === null) this.meter.count('beat', 1, 0, nodeBytes);
    else if (changes === null) this.meter.count('beat with map', 1, answer.map.size * ENTRY_BYTES, nodeBytes);
    else this.meter.count('beat with changes', 1, changes, nodeBytes);
  }

  /** About, of one node in the answer to a beat: its names and numbers, and its info as JSON. */
  private nodeRecordBytes(): number {
    this.recordBytes ??= 60 + JSON.stringify(this.infoOf('n-0000', false)).length;
    return this.recordBytes;
  }

  private mapChanged(map: BucketMap, changed: readonly number[]): void {
    this.changes.note(map.version, changed.length);
    this.mapVersions++;
    this.record.lastChangeMs = this.time.nowMs;
    for (const index of changed) {
      const isMoving = map.nextOf(index) === NO_NODE ? 0 : 1;
      this.moving += isMoving - this.isMoving[index]!;
      this.isMoving[index] = isMoving;
    }
    this.movingPeak = Math.max(this.movingPeak, this.moving);
    this.note('map', map.version, ...changed.flatMap((index) => [index, map.ownerOf(index), map.nextOf(index), map.epochOf(index)]));
  }

  private note(what: string, ...values: readonly number[]): void {
    this.digest.update(`${this.time.nowMs} ${what} ${values.join()}\n`);
  }
}
