/**
 * Nodes of a run that are ended and started again on the same data: one by itself, or some on one Redis. For workloads that need more of their
 * servers than an address; `embedded.ts` and `cluster.ts` start those that only run.
 *
 * Folders, ports and the Redis are kept from one start to the next.
 */

import { join } from 'node:path';

import { freePort } from '../../runtime/testing/ports.ts';
import { startRedis } from '../../runtime/testing/redis-server.ts';
import type { RedisServer } from '../../runtime/testing/redis-server.ts';
import { rolesOf } from './embedded.ts';
import { SubjectNode } from './node.ts';
import { settled } from './settled.ts';
import type { SubjectOptions } from './start.ts';
import type { RunningProcess, Subject } from './subject.ts';

export const serverKinds = ['embedded', 'redis', 'cluster'] as const;
export type ServerKind = (typeof serverKinds)[number];

interface Place {
  readonly name: string;
  readonly data: string;
  readonly log: string;
  /** Arguments that every start of this node has. */
  readonly args: readonly string[];
}

export class Servers {
  readonly kind: ServerKind;
  readonly redis: RedisServer | null;
  /** From the first start on. */
  readonly nodes: SubjectNode[] = [];
  private readonly places: readonly Place[];
  private readonly options: SubjectOptions;

  /** Nothing runs yet but the Redis. */
  static async open(kind: ServerKind, directory: string, options: SubjectOptions): Promise<Servers> {
    const redis = kind === 'embedded' ? null : await startRedis({ appendonly: true, appendfsync: options.redisFsync });
    const places: Place[] = [];
    for (let i = 1; i <= (kind === 'cluster' ? options.nodes : 1); i++) {
      const name = `n${i}`;
      places.push({
        name, data: join(directory, `data-${i}`), log: join(directory, `node-${i}.log`),
        args: redis === null ? [] : ['--redis', redis.url, '--node', name, '--cluster-port', String(await freePort())],
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

  /** Of the gateways. */
  get ports(): readonly number[] {
    return this.nodes.map(({ endpoint }) => endpoint.port);
  }

  /** Resolves when all nodes are ready and have their shares. The arguments go in front of those of the command line, which win. */
  async start(signal: AbortSignal, startArgs: readonly string[] = [], nodeArgs: readonly string[] = []): Promise<void> {
    const { nodes, options } = this;
    for (const [i, { args: own, ...place }] of this.places.entries()) {
      const args = { nodeArgs: [...nodeArgs, ...options.nodeArgs], startArgs: [...own, ...startArgs, ...options.startArgs] };
      if (nodes[i] === undefined) nodes.push(await SubjectNode.start({ ...place, ...args }));
      else nodes[i].startAgain(args);
      await nodes[i]!.process.ready();
    }
    await settled(nodes, signal);
  }

  deploy(behaviors: string): Promise<void> {
    return this.nodes[0]!.process.deploy(behaviors);
  }

  durability(): Promise<string> {
    return this.nodes[0]!.process.durability();
  }

  /** An end in order; the data stay. */
  async end(): Promise<void> {
    for (const { process, name } of this.nodes.toReversed()) {
      if ((await process.stop()) === 'killed') throw new Error(`${name} did not end in time; its last output:\n${process.lastOutput}`);
    }
  }

  /** For good, whatever state it is in. */
  async close(): Promise<void> {
    for (const node of this.nodes.toReversed()) await node.stop();
    await this.redis?.remove();
  }

  /** The servers that run now, as the harness knows subjects. */
  async subject(): Promise<Subject> {
    return {
      name: this.kind, durability: await this.durability(), endpoints: this.nodes.map(({ endpoint }) => endpoint), keepsState: true,
      processes: () => this.processes(), stop: () => this.close(),
    };
  }

  processes(): RunningProcess[] {
    const numbered = this.nodes.length > 1;
    return [
      ...(this.redis === null ? [] : [{ role: 'redis', pid: this.redis.pid }]),
      ...this.nodes.flatMap(({ process }, i) => rolesOf(process.pid).map((one) => (numbered ? { ...one, role: `${one.role} ${i + 1}` } : one))),
    ];
  }

  /** A number that every node exports, summed over them; 0 where none does. */
  async metric(name: string): Promise<number> {
    const pattern = new RegExp(`^${name} (\\S+)$`, 'm');
    const texts = await Promise.all(this.nodes.map(({ process }) => process.metrics()));
    return texts.reduce((sum, text) => sum + Number(pattern.exec(text)?.[1] ?? 0), 0);
  }

  /** How far the logs have come; the same text twice means that they have not grown. */
  async positions(): Promise<string> {
    return (await Promise.all(this.nodes.map(({ process }) => process.logPositions()))).join('\n');
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
