/**
 * `faults cold-scale`: many actors are created on a node with a cold tier, and few of them are used afterwards. What Redis holds must be bounded by
 * what is hot; what is cold must be found, and how long that takes is measured. Real node, real server, through the gateway, checked by
 * the book.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { bucketIndex, hashText } from '../codec/address.ts';
import type { BucketId } from '../codec/address.ts';
import { createColdTier } from '../journal/cold/cold-tier.ts';
import type { StatReport } from '../journal/inspection.ts';
import type { Journal } from '../journal/journal.ts';
import { inspectStore } from '../journal/redis/inspection.ts';
import { createRedisJournal } from '../journal/redis/redis-journal.ts';
import { startRedis } from '../testing/redis-server.ts';
import type { RedisServer } from '../testing/redis-server.ts';
import { Book, Findings } from './book.ts';
import { faultActors } from './commands.ts';
import type { FaultActor } from './commands.ts';
import { Link } from './link.ts';
import { nodeMemory } from './memory.ts';
import type { NodeMemory } from './memory.ts';
import { BENCH_BEHAVIORS, NodeProcess } from './node-process.ts';
import { freePort } from '../testing/ports.ts';
import { closedLoop, diskMib, timeEach, timesText } from './scale.ts';

export interface ColdScaleOptions {
  readonly directory: string;
  readonly actors: number;
  /** Used again when all have been created, so many commands each. */
  readonly active: number;
  readonly commandsEach: number;
  /** --hot-log-max-mib of the node. */
  readonly hotMib: number;
  /** Actors that are timed, one after the other. */
  readonly timed: number;
  readonly startArgs: readonly string[];
  readonly say: (text: string) => void;
}

/** What the store holds at one moment. */
export interface StoreFigures {
  readonly after: string;
  readonly records: number;
  readonly usedMemoryMib: number;
  readonly keys: number;
  readonly hotMib: number;
  readonly snapshots: number;
  readonly coldFiles: number;
  readonly coldMib: number;
}

export interface ColdScaleReport {
  readonly createdPerSecond: number;
  readonly store: readonly StoreFigures[];
  readonly diskMib: number;
  readonly node: NodeMemory;
  /** Through the gateway, one by one: first command to a cold actor, the second one to it, and one to an actor in use. */
  readonly firstCommandMs: readonly number[];
  readonly secondCommandMs: readonly number[];
  /** `readActor` of a journal that was just opened: of cold actors, of them once more, of those in use. */
  readonly readColdMs: readonly number[];
  readonly readColdAgainMs: readonly number[];
  readonly readHotMs: readonly number[];
  /** A fresh journal opens all buckets; a fresh process becomes ready. */
  readonly openBucketsMs: number;
  readonly readyMs: number;
  readonly findings: readonly string[];
}

const CONNECTIONS = 8;
const IN_FLIGHT = 256;
const PER_FRAME = 64;
const BITS = 8;
const SETTLE_MAX_MS = 120_000;
const MIB = 1024 * 1024;

export async function runColdScale(options: ColdScaleOptions): Promise<ColdScaleReport> {
  const redis = await startRedis();
  const run = new ColdScale(options, redis);
  try {
    return await run.all();
  } finally {
    await run.node?.kill();
    await redis.remove();
  }
}

class ColdScale {
  node: NodeProcess | null = null;
  private readonly options: ColdScaleOptions;
  private readonly redis: RedisServer;
  private readonly findings = new Findings();
  private readonly book: Book;
  private readonly cold: string;
  private readonly store: StoreFigures[] = [];

  constructor(options: ColdScaleOptions, redis: RedisServer) {
    this.options = options;
    this.redis = redis;
    this.book = new Book(faultActors(options.actors), this.findings);
    this.cold = join(options.directory, 'cold');
    for (const folder of [this.cold, join(options.directory, 'data')]) mkdirSync(folder, { recursive: true });
  }

  async all(): Promise<ColdScaleReport> {
    const { book, options } = this;
    const { say } = options;
    await this.start();
    await this.node!.deploy(BENCH_BEHAVIORS);
    const createdPerSecond = await this.create();
    await this.use();
    const node = nodeMemory(this.node!.pid);
    // The first ones to be created, which nobody has used since.
    const coldActors = book.pages.slice(1, 1 + options.timed).map(({ actor }) => actor).filter((actor) => !this.isActive(actor));
    const link = await Link.open(this.node!.port);
    const firstCommandMs = await timeEach(book, link, coldActors);
    const secondCommandMs = await timeEach(book, link, coldActors);
    link.close();
    book.settle();
    say(`first command to ${coldActors.length} cold actors, one by one: ${timesText(firstCommandMs)}; second command to them: ${timesText(secondCommandMs)}`);
    await this.look('commands to cold actors');
    await this.node!.stop();
    const reads = await this.read();
    const readyMs = await this.start();
    say(`process start to ready, with all buckets taken over: ${Math.round(readyMs)} ms`);
    const ends = await Link.open(this.node!.port);
    await timeEach(book, ends, coldActors.slice(0, 100));
    book.settle();
    ends.close();
    this.mustBeBounded();
    return { createdPerSecond, store: this.store, diskMib: diskMib(this.cold), node, firstCommandMs, secondCommandMs, ...reads, readyMs, findings: this.findings.list };
  }

  private async start(): Promise<number> {
    const { directory, hotMib, startArgs } = this.options;
    const args = ['--redis', this.redis.url, '--cold', this.cold, '--hot-log-max-mib', String(hotMib), '--cluster-port', String(await freePort()), ...startArgs];
    this.node = new NodeProcess({ data: join(directory, 'data'), port: await freePort(), adminPort: await freePort(), log: join(directory, 'node.log'), startArgs: args });
    return this.node.ready();
  }

  /** One command to each actor; looks at the store at a quarter, at the half and at the end. */
  private async create(): Promise<number> {
    const { actors, say } = this.options;
    let seconds = 0;
    let next = 0;
    for (const [part, name] of [[0.25, 'a quarter of the actors'], [0.5, 'half of the actors'], [1, 'all actors']] as const) {
      const end = Math.round(actors * part);
      const began = performance.now();
      await this.load(() => (next < end ? this.book.pages[next++]!.actor : null));
      seconds += (performance.now() - began) / 1_000;
      await this.look(name);
    }
    say(`created ${actors} actors in ${seconds.toFixed(1)} s (${Math.round(actors / seconds)}/s, driver included)`);
    return Math.round(actors / seconds);
  }

  private async use(): Promise<void> {
    const { active, commandsEach } = this.options;
    const actors = this.book.pages.filter(({ actor }) => this.isActive(actor)).map(({ actor }) => actor);
    let next = 0;
    await this.load(() => (next < active * commandsEach ? actors[next++ % actors.length]! : null));
    await this.look(`${commandsEach} commands each to ${actors.length} of them`);
  }

  /** Spread over all that were created. */
  private isActive({ index }: FaultActor): boolean {
    const { actors, active } = this.options;
    return index % Math.max(1, Math.floor(actors / active)) === 0;
  }

  private async load(next: () => FaultActor | null): Promise<void> {
    const links = await Promise.all(Array.from({ length: CONNECTIONS }, () => Link.open(this.node!.port, PER_FRAME)));
    await Promise.all(links.map((link) => closedLoop(this.book, link, IN_FLIGHT, next)));
    this.book.settle();
    for (const link of links) link.close();
  }

  /** When what is demoted has been demoted. */
  private async look(after: string): Promise<void> {
    const inspection = await inspectStore({ store: this.addresses(), namespace: 'main', tier: createColdTier({ directory: this.cold }), onWarning: () => undefined });
    let stat: StatReport | null = null;
    for (const end = performance.now() + SETTLE_MAX_MS; performance.now() < end; ) {
      const now = await inspection.stat();
      if (stat !== null && stat.coldFiles === now.coldFiles && stat.snapshots === now.snapshots) break;
      stat = now;
      await sleep(1_000);
    }
    await inspection.close();
    const info = String(await this.redis.command('INFO', 'memory'));
    const figures: StoreFigures = {
      after,
      records: stat!.records,
      usedMemoryMib: mib(Number(/^used_memory:(\d+)/m.exec(info)![1])),
      keys: Number(await this.redis.command('DBSIZE')),
      hotMib: mib(stat!.hotBytes),
      snapshots: stat!.snapshots!,
      coldFiles: stat!.coldFiles,
      coldMib: mib(stat!.coldBytes),
    };
    this.store.push(figures);
    const { records, usedMemoryMib, keys, hotMib, snapshots, coldFiles, coldMib } = figures;
    this.options.say(`after ${after}: ${records} records; Redis ${usedMemoryMib} MiB, ${keys} keys, ${hotMib} MiB hot, ${snapshots} snapshots; cold ${coldMib} MiB in ${coldFiles} files`);
  }

  private async read(): Promise<Pick<ColdScaleReport, 'openBucketsMs' | 'readColdMs' | 'readColdAgainMs' | 'readHotMs'>> {
    const { timed, say, hotMib } = this.options;
    const tier = createColdTier({ directory: this.cold });
    const journal = createRedisJournal({ store: this.addresses(), bucketBits: BITS, node: 'fresh', tier, hotBytesPerBucketMax: (hotMib * MIB) / 2 ** BITS });
    await journal.open();
    const began = performance.now();
    await journal.openBuckets(Array.from({ length: 2 ** BITS }, (_, index): BucketId => ({ bits: BITS, index })));
    const openBucketsMs = performance.now() - began;
    const pages = this.book.pages.map(({ actor }) => actor);
    const cold = pages.slice(Math.floor(pages.length / 4), Math.floor(pages.length / 4) + 2 * timed).filter((actor) => !this.isActive(actor)).slice(0, timed);
    const hot = pages.filter((actor) => this.isActive(actor)).slice(0, timed);
    const readColdMs = await timeReads(journal, cold);
    const readColdAgainMs = await timeReads(journal, cold);
    const readHotMs = await timeReads(journal, hot);
    await journal.close();
    say(`a fresh journal opens ${2 ** BITS} buckets in ${Math.round(openBucketsMs)} ms`);
    say(`readActor of ${cold.length} cold actors: ${timesText(readColdMs)}; once more: ${timesText(readColdAgainMs)}; of ${hot.length} in use: ${timesText(readHotMs)}`);
    return { openBucketsMs, readColdMs, readColdAgainMs, readHotMs };
  }

  private addresses(): { readonly addresses: readonly { readonly host: string; readonly port: number }[] } {
    return { addresses: [{ host: '127.0.0.1', port: this.redis.port }] };
  }

  /** Records, their share of Redis's own overhead, and as much again for snapshots of what is hot. */
  private mustBeBounded(): void {
    const max = 2.5 * this.options.hotMib + 16;
    for (const { after, hotMib } of this.store) {
      if (hotMib > max) this.findings.add(`after ${after} ${hotMib} MiB are hot, with --hot-log-max-mib ${this.options.hotMib}`);
    }
  }
}

async function timeReads(journal: Journal, actors: readonly FaultActor[]): Promise<number[]> {
  const times: number[] = [];
  for (const { address } of actors) {
    // The shard key of an id without braces is the address itself.
    const hash = hashText(address);
    const bucket = { bits: BITS, index: bucketIndex(hash, BITS) };
    const began = performance.now();
    const { snapshot, records } = await journal.readActor(bucket, address, hash);
    times.push(performance.now() - began);
    if (snapshot === null && records.length === 0) throw new Error(`${address} has no history`);
  }
  return times;
}

function mib(bytes: number): number {
  return Math.round((bytes / MIB) * 10) / 10;
}
