/**
 * Nodes of a run that are ended and started again on the same data: one by itself, or some on one Redis. For workloads that need more of their
 * servers than an address; `embedded.ts` and `cluster.ts` start those that only run.
 *
 * Folders, ports and the Redis are kept from one start to the next, so that whoever was connected finds the same place again.
 */

import { join } from 'node:path';

import { local } from '../driver/endpoint.ts';
import { NodeProcess, freePort } from '../../runtime/faults/node-process.ts';
import { startRedis } from '../../runtime/testing/redis-server.ts';
import type { RedisServer } from '../../runtime/testing/redis-server.ts';
import { rolesOf } from './embedded.ts';
import type { SubjectOptions } from './start.ts';
import type { RunningProcess, Subject } from './subject.ts';

export const serverKinds = ['embedded', 'redis', 'cluster'] as const;
export type ServerKind = (typeof serverKinds)[number];

interface Place {
  readonly data: string;
  readonly log: string;
  readonly port: number;
  readonly adminPort: number;
  /** Further arguments that every start of this node has. */
  readonly args: readonly string[];
}

export class Servers {
  readonly kind: ServerKind;
  readonly redis: RedisServer | null;
  /** Empty between `end` and the next `start`. */
  nodes: NodeProcess[] = [];
  private readonly places: readonly Place[];
  private readonly options: SubjectOptions;

  /** Nothing runs yet but the Redis. */
  static async open(kind: ServerKind, directory: string, options: SubjectOptions): Promise<Servers> {
    const redis = kind === 'embedded' ? null : await startRedis({ appendonly: true, appendfsync: options.redisFsync });
    const places: Place[] = [];
    for (let i = 1; i <= (kind === 'cluster' ? options.nodes : 1); i++) {
      places.push({
        data: join(directory, `data-${i}`), log: join(directory, `node-${i}.log`), port: await freePort(), adminPort: await freePort(),
        args: redis === null ? [] : ['--redis', redis.url, '--node', `n${i}`, '--cluster-port', String(await freePort())],
      });
    }
    return new Servers(kind, redis, places, options);
  }

  private constructor(kind: ServerKind, redis: RedisServer | null, places: readonly Place[], options: SubjectOptions) {
    this.kind = kind;
    this.redis = redis;
    this.places = places;
    this.options = options;
  }

  /** Of the only node by itself, where its journal lies. */
  get data(): string {
    return this.places[0]!.data;
  }

  get ports(): readonly number[] {
    return this.places.map(({ port }) => port);
  }

  /** Resolves when all nodes are ready. The arguments go in front of those that were given on the command line, which win. */
  async start(startArgs: readonly string[] = [], nodeArgs: readonly string[] = []): Promise<void> {
    for (const { args, ...place } of this.places) {
      const node = new NodeProcess({ ...place, nodeArgs: [...nodeArgs, ...this.options.nodeArgs], startArgs: [...args, ...startArgs, ...this.options.startArgs] });
      this.nodes.push(node);
      await node.ready();
    }
  }

  /** An end in order; the data stay. */
  async end(): Promise<void> {
    for (const node of this.nodes.splice(0).toReversed()) {
      if ((await node.stop()) === 'killed') throw new Error(`a node did not end in time; its last output:\n${node.lastOutput}`);
    }
  }

  /** For good, whatever state it is in. */
  async close(): Promise<void> {
    for (const node of this.nodes.splice(0).toReversed()) await node.stop();
    await this.redis?.remove();
  }

  /** The servers that run now, as the harness knows subjects. */
  async subject(): Promise<Subject> {
    const durability = await this.nodes[0]!.durability();
    return {
      name: this.kind, durability, endpoints: this.ports.map(local), keepsState: true,
      processes: () => this.processes(), stop: () => this.close(),
    };
  }

  processes(): RunningProcess[] {
    const numbered = this.nodes.length > 1;
    return [
      ...(this.redis === null ? [] : [{ role: 'redis', pid: this.redis.pid }]),
      ...this.nodes.flatMap(({ pid }, i) => rolesOf(pid).map((one) => (numbered ? { ...one, role: `${one.role} ${i + 1}` } : one))),
    ];
  }

  /** A number that every node exports, summed over them; 0 where none does. */
  async metric(name: string): Promise<number> {
    const pattern = new RegExp(`^${name} (\\S+)$`, 'm');
    const texts = await Promise.all(this.nodes.map((node) => node.metrics()));
    return texts.reduce((sum, text) => sum + Number(pattern.exec(text)?.[1] ?? 0), 0);
  }

  /** How far the logs have come; the same text twice means that they have not grown. */
  async positions(): Promise<string> {
    return (await Promise.all(this.nodes.map((node) => node.logPositions()))).join('\n');
  }

  /** Records in all logs. */
  async records(): Promise<number> {
    return [...(await this.positions()).matchAll(/ (\d+)$/gm)].reduce((sum, [, position]) => sum + Number(position), 0);
  }
}

/** What servers themselves have used, without the driver and the store: nodes, and the sandboxes that decide for them. */
export function isServerRole(role: string): boolean {
  return !role.startsWith('driver') && role !== 'redis';
}
