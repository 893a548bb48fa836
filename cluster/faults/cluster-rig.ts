/**
 * A whole cluster of real processes: nodes, a redis-server, and a TCP proxy in front of each node's cluster port and between each node and Redis.
 * Everything can be killed, suspended, cut off and started again, each by its pid or its proxy, and stays at its ports.
 *
 *          ┌── toStore ──► redis-server
 *   node ──┤
 *          └── fromPeers of another node ──► that node        (a node advertises the port of its proxy)
 */

import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { BENCH_BEHAVIORS, NodeProcess } from '../../runtime/faults/node-process.ts';
import { freePort } from '../../runtime/testing/ports.ts';
import { isPortOf } from '../../runtime/testing/port-owner.ts';
import { startRedis } from '../../runtime/testing/redis-server.ts';
import type { RedisOptions, RedisServer } from '../../runtime/testing/redis-server.ts';
import { RespClient } from '../../runtime/testing/resp.ts';
import { startProxy } from '../../runtime/testing/tcp-proxy.ts';
import type { From, TcpProxy } from '../../runtime/testing/tcp-proxy.ts';
import { BucketMap, NO_NODE } from '../bucket-map.ts';
import { controlKeys, RedisControlStore } from '../control/redis-store.ts';

export interface RigOptions {
  /** Where the nodes' logs go; it exists. */
  readonly directory: string;
  readonly nodes: number;
  readonly redis?: RedisOptions;
  /** For every node. */
  readonly startArgs?: readonly string[];
}

export const BUCKET_BITS = 8;
const NAMESPACE = 'main';
const WHOLE_MAX_MS = 60_000;
const POLL_MS = 50;
const LOOK_MAX_MS = 1_000;
/** Less than a node is given for its end. */
const DRAIN_MAX_MS = 8_000;
/** Log line of a bucket whose former owner was refused by the store when it appended or read. */
const FENCED_LINE = /another node has taken the bucket [^\n]*"kind":"fenced"/g;

/** One node of the rig, at its ports, whatever process runs there. */
export class RigNode {
  readonly name: string;
  readonly port: number;
  readonly toStore: TcpProxy;
  readonly fromPeers: TcpProxy;
  readonly log: string;
  process: NodeProcess | null = null;
  isSuspended = false;
  /** It was started, and nobody has ended it since. */
  private isWanted = false;
  private readonly options: { readonly adminPort: number; readonly clusterPort: number; readonly directory: string; readonly startArgs: readonly string[] };

  static async make(name: string, redisPort: number, { directory, startArgs = [] }: RigOptions): Promise<RigNode> {
    const [port, adminPort, clusterPort] = [await freePort(), await freePort(), await freePort()];
    return new RigNode(name, port, await startProxy(redisPort), await startProxy(clusterPort), { adminPort, clusterPort, directory, startArgs });
  }

  private constructor(name: string, port: number, toStore: TcpProxy, fromPeers: TcpProxy, options: RigNode['options']) {
    this.name = name;
    this.port = port;
    this.toStore = toStore;
    this.fromPeers = fromPeers;
    this.options = options;
    this.log = join(options.directory, `${name}.log`);
  }

  get isRunning(): boolean {
    return this.process !== null && !this.process.ended;
  }

  /** Tells the connections to this node that the process of `other` has dialled, whichever process that is when it is asked. */
  isDialledBy(other: RigNode): From {
    return (port) => other.process !== null && isPortOf(other.process.pid, port, this.fromPeers.port);
  }

  start(): void {
    if (this.isRunning) return;
    const { adminPort, clusterPort, directory, startArgs } = this.options;
    this.isSuspended = false;
    this.isWanted = true;
    this.process = new NodeProcess({
      data: directory, port: this.port, adminPort, log: this.log,
      startArgs: [
        '--node', this.name, '--redis', `redis://127.0.0.1:${this.toStore.port}`, '--namespace', NAMESPACE,
        // The proof reads the log as it was appended: nothing may be moved out of it.
        '--hot-log-max-mib', '65536',
        '--cluster-port', String(clusterPort), '--cluster-advertise', `127.0.0.1:${this.fromPeers.port}`,
        '--drain-time-max-ms', String(DRAIN_MAX_MS), ...startArgs,
      ],
    });
  }

  /** SIGKILL. @throws Error when a sandbox outlives its node */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    this.isSuspended = this.isWanted = false;
    const orphans = await this.process!.kill();
    if (orphans.length > 0) throw new Error(`sandboxes outlived ${this.name}: ${orphans.join(', ')}`);
  }

  suspend(): void {
    if (!this.isRunning) return;
    process.kill(this.process!.pid, 'SIGSTOP');
    this.isSuspended = true;
  }

  resume(): void {
    if (this.isRunning) process.kill(this.process!.pid, 'SIGCONT');
    this.isSuspended = false;
  }

  /** An end in order. @throws Error when it takes too long, or is none */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    this.isWanted = false;
    const how = await this.process!.stop();
    if (how === 'killed') throw new Error(`${this.name} did not end in time`);
    if (this.process!.exitCode !== 0) throw new Error(`${this.name} was to end in order, and ended with ${this.process!.exitCode}:\n${this.process!.lastOutput}`);
  }

  /** @throws Error when it has ended by itself */
  mustRun(): void {
    if (this.isWanted && !this.isRunning) throw new Error(`${this.name} has ended by itself, with ${this.process!.exitCode}:\n${this.process!.lastOutput}`);
  }

  async close(): Promise<void> {
    if (this.isRunning) await this.process!.kill();
    await Promise.all([this.toStore.close(), this.fromPeers.close()]);
  }

  /** How many lines that match it has logged, in all its lives. */
  countInLog(pattern: RegExp): number {
    return existsSync(this.log) ? (readFileSync(this.log, 'utf8').match(pattern) ?? []).length : 0;
  }
}

export class ClusterRig {
  readonly redis: RedisServer;
  readonly nodes: RigNode[] = [];
  private readonly options: RigOptions;

  private constructor(redis: RedisServer, options: RigOptions) {
    this.redis = redis;
    this.options = options;
  }

  /** Resolves when every node is ready, the bench behaviours are in service, and the buckets are where they shall be. */
  static async start(options: RigOptions): Promise<ClusterRig> {
    const rig = new ClusterRig(await startRedis(options.redis), options);
    try {
      for (let i = 0; i < options.nodes; i++) await rig.add();
      for (const node of rig.nodes) node.start();
      await rig.ready();
      await rig.nodes[0]!.process!.deploy(BENCH_BEHAVIORS);
      await rig.whole();
      return rig;
    } catch (error) {
      await rig.close();
      throw error;
    }
  }

  /** One more node, which is not started yet. */
  async add(): Promise<RigNode> {
    const node = await RigNode.make(`n${this.nodes.length}`, this.redis.port, this.options);
    this.nodes.push(node);
    return node;
  }

  get running(): RigNode[] {
    return this.nodes.filter(({ isRunning, isSuspended }) => isRunning && !isSuspended);
  }

  /** Stale appends and reads that the store has refused, so far: one a bucket that a node did not know it had lost. */
  get fenced(): number {
    return this.nodes.reduce((sum, node) => sum + node.countInLog(FENCED_LINE), 0);
  }

  async ready(): Promise<void> {
    await Promise.all(this.nodes.filter(({ isRunning }) => isRunning).map(({ process: node }) => node!.ready()));
  }

  /** The node in office; null when it is none of those that run, or Redis cannot tell. */
  async scheduler(): Promise<RigNode | null> {
    const looked = await Promise.race([this.look().catch(() => null), sleep(LOOK_MAX_MS, null)]);
    if (looked === null) return null;
    const { lead, numbers } = looked;
    return this.running.find(({ name }) => numbers.get(name) === lead) ?? null;
  }

  /** Buckets that the map gives to a node, by index. */
  async bucketsOf(node: RigNode): Promise<number[]> {
    const { map, numbers } = await this.look();
    return Array.from({ length: map.size }, (_, index) => index).filter((index) => map.ownerOf(index) === numbers.get(node.name));
  }

  /** Of every bucket the number of its owner, by index. */
  async owners(): Promise<number[]> {
    const { map } = await this.look();
    return Array.from({ length: map.size }, (_, index) => map.ownerOf(index));
  }

  /**
   * Resolves with the time it took until all running nodes are ready, every bucket is held by one of them, none is moving, and each has its share.
   * @throws Error with what is missing, after a minute
   */
  async whole(): Promise<number> {
    const since = performance.now();
    await this.ready();
    for (;;) {
      for (const node of this.nodes) node.mustRun();
      const missing = await this.notWhole().catch((error: unknown) => `the map cannot be read: ${String(error)}`);
      if (missing === null) return performance.now() - since;
      if (performance.now() - since > WHOLE_MAX_MS) throw new Error(`the cluster is not whole after ${WHOLE_MAX_MS} ms: ${missing}`);
      await sleep(POLL_MS);
    }
  }

  /** What an operator asks of the cluster, as `ControlStore` has it. */
  async operate<T>(ask: (store: RedisControlStore) => Promise<T>): Promise<T> {
    const client = await RespClient.open(this.redis.port, { bytes: true });
    try {
      const store = new RedisControlStore(
        {
          call: (name, keys, args) => client.command('FCALL', name, keys.length, ...keys, ...args),
          load: (library) => client.command('FUNCTION', 'LOAD', 'REPLACE', library),
        },
        NAMESPACE,
      );
      await store.found({ id: 'the one that is there', bucketBits: BUCKET_BITS });
      return await ask(store);
    } finally {
      client.close();
    }
  }

  /** `keepsStore`: a copy of what Redis has on disk stays beside the nodes' logs. */
  async close(keepsStore = false): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
    if (keepsStore) {
      await this.redis.kill();
      cpSync(this.redis.directory, join(this.options.directory, 'redis'), { recursive: true });
    }
    await this.redis.remove();
  }

  private async notWhole(): Promise<string | null> {
    const { map, numbers } = await this.look();
    const counts = new Map(this.nodes.flatMap((node) => (node.isRunning ? [[numbers.get(node.name) ?? NO_NODE, 0] as [number, number]] : [])));
    let restless = 0;
    for (let index = 0; index < map.size; index++) {
      const owner = map.ownerOf(index);
      if (map.phaseOf(index) !== 'held' || !counts.has(owner)) restless++;
      else counts.set(owner, counts.get(owner)! + 1);
    }
    if (restless > 0) return `${restless} buckets have no settled owner`;
    const held = [...counts.values()];
    return Math.max(...held) - Math.min(...held) > 1 ? `the nodes have ${held.join(', ')} buckets` : null;
  }

  /** The control plane as it stands in the store. */
  private async look(): Promise<{ map: BucketMap; lead: number; numbers: Map<string, number> }> {
    const [cluster, nodes, , , , , , map] = controlKeys(NAMESPACE);
    const names = (await this.redis.command('HGETALL', nodes!)) as string[];
    const numbers = new Map<string, number>();
    for (let i = 0; i < names.length; i += 2) numbers.set(names[i]!, Number(names[i + 1]));
    const lead = Number(await this.redis.command('HGET', cluster!, 'lead'));
    const bytes = (await this.redis.commandBytes('GET', map!)) as Buffer;
    return { map: BucketMap.fromBytes(1, BUCKET_BITS, bytes), lead, numbers };
  }
}
