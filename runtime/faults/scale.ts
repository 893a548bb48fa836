/**
 * `faults scale`: many records of many actors, then a restart: time to ready, the first command to actors that nobody has touched
 * since, resident memory. Loaded through the gateway, checked by the book.
 */

import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { Book, Findings } from './book.ts';
import { bodyOf, decodeReply, faultActors, keyOf, nameOf } from './commands.ts';
import type { FaultActor } from './commands.ts';
import { Link } from './link.ts';
import { memoryText, nodeMemory } from './memory.ts';
import { BENCH_BEHAVIORS, NodeProcess } from './node-process.ts';
import { freePort } from '../testing/ports.ts';
import { checkStates } from './states.ts';

export interface ScaleOptions {
  readonly directory: string;
  readonly records: number;
  readonly actors: number;
  /** Cold actors that are timed, one after the other. */
  readonly coldActors: number;
  readonly startArgs: readonly string[];
  readonly say: (text: string) => void;
}

const CONNECTIONS = 8;
const IN_FLIGHT = 256;
const PER_FRAME = 64;

export async function runScale(options: ScaleOptions): Promise<readonly string[]> {
  const scale = new Scale(options);
  try {
    await scale.load();
    await scale.restart('after SIGKILL', () => scale.node.kill());
    await scale.restart('after an end in order', () => scale.node.stop());
    await scale.everyActor();
  } finally {
    await scale.node.kill();
  }
  return scale.findings.list;
}

class Scale {
  readonly findings = new Findings();
  node: NodeProcess;
  private readonly options: ScaleOptions;
  private readonly book: Book;
  private readonly data: string;
  private readonly ports = { port: 0, adminPort: 0 };
  /** Actors from here on were not touched since the load. */
  private nextCold = 0;

  constructor(options: ScaleOptions) {
    this.options = options;
    this.book = new Book(faultActors(options.actors), this.findings);
    this.data = join(options.directory, 'data');
    mkdirSync(this.data, { recursive: true });
    this.node = undefined as unknown as NodeProcess;
  }

  async load(): Promise<void> {
    const { options, book } = this;
    this.ports.port = await freePort();
    this.ports.adminPort = await freePort();
    this.node = this.start();
    await this.node.ready();
    await this.node.deploy(BENCH_BEHAVIORS);
    options.say(`empty node: ${memoryText(nodeMemory(this.node.pid))}`);
    const links = await Promise.all(Array.from({ length: CONNECTIONS }, () => Link.open(this.node.port, PER_FRAME)));
    const began = performance.now();
    const pages = book.pages;
    const each = async (link: Link): Promise<void> => {
      // Every actor in turn: its commands lie far apart in the log, as they do in life.
      const next = (): FaultActor | null => (book.size < options.records ? pages[book.size % pages.length]!.actor : null);
      await closedLoop(book, link, IN_FLIGHT, next);
    };
    await Promise.all(links.map(each));
    const seconds = (performance.now() - began) / 1000;
    book.settle();
    for (const link of links) link.close();
    options.say(
      `loaded ${book.acknowledged} records of ${options.actors} actors in ${seconds.toFixed(1)} s (${Math.round(book.acknowledged / seconds)}/s, driver included); ` +
        `${memoryText(nodeMemory(this.node.pid))}; ${diskMib(this.data)} MiB on disk`,
    );
  }

  async restart(what: string, end: () => Promise<unknown>): Promise<void> {
    const { options, book } = this;
    const ending = performance.now();
    await end();
    const endMs = performance.now() - ending;
    this.node = this.start();
    const readyMs = await this.node.ready();
    const fresh = memoryText(nodeMemory(this.node.pid));
    const link = await Link.open(this.node.port);
    const actors = Array.from({ length: options.coldActors }, () => book.pages[this.nextCold++ % book.pages.length]!.actor);
    const cold = await timeEach(book, link, actors);
    const warm = await timeEach(book, link, actors);
    book.settle();
    link.close();
    options.say(`restart ${what} (which took ${Math.round(endMs)} ms): process start to ready ${Math.round(readyMs)} ms; ${fresh}`);
    options.say(`  first command to ${actors.length} cold actors, one by one: ${timesText(cold)}; second command to them: ${timesText(warm)}`);
  }

  async everyActor(): Promise<void> {
    const link = await Link.open(this.node.port, PER_FRAME);
    const began = performance.now();
    await checkStates(this.book, link);
    link.close();
    this.options.say(
      `read and checked all ${this.options.actors} actors in ${((performance.now() - began) / 1000).toFixed(1)} s; ${memoryText(nodeMemory(this.node.pid))}`,
    );
  }

  private start(): NodeProcess {
    return new NodeProcess({ ...this.ports, data: this.data, log: join(this.options.directory, 'node.log'), startArgs: this.options.startArgs });
  }
}

/** Keeps `inFlight` commands open on the link until `next` has no more actors. */
export function closedLoop(book: Book, link: Link, inFlight: number, next: () => FaultActor | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const open = new Map<string, number>();
    let requests = 0;
    const send = (n: number): void => {
      const actor = book.actor(n);
      const id = String(requests++);
      open.set(id, n);
      link.command({ id, to: actor.address, name: nameOf(actor.kind), body: bodyOf(actor.kind, n), key: keyOf(n) });
    };
    const more = (): void => {
      while (open.size < inFlight) {
        const actor = next();
        if (actor === null) break;
        send(book.add(actor));
      }
      if (open.size === 0) resolve();
    };
    link.onLost = () => reject(new Error('the connection was lost'));
    link.onAnswer = ({ id, done, error }) => {
      const n = open.get(id)!;
      open.delete(id);
      const { kind } = book.actor(n);
      if (done !== undefined) {
        const bytes = done.body ?? new Uint8Array(0);
        book.answered(n, { kind: 'accepted', seq: done.seq ?? 0, reply: decodeReply(kind, bytes), bytes });
      } else if (error?.code === 'REJECTED') {
        book.answered(n, { kind: 'refused', reason: error.reason });
      } else if (error?.retryable === true) {
        send(n);
      } else {
        reject(new Error(`command ${n}: ${error?.code} ${error?.message}`));
      }
      more();
    };
    more();
  });
}

/** One command to each actor, one after the other; milliseconds each. */
export async function timeEach(book: Book, link: Link, actors: readonly FaultActor[]): Promise<number[]> {
  const times: number[] = [];
  for (const actor of actors) {
    let sent = false;
    const began = performance.now();
    await closedLoop(book, link, 1, () => {
      if (sent) return null;
      sent = true;
      return actor;
    });
    times.push(performance.now() - began);
  }
  return times;
}

export function timesText(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(2);
  return `median ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
}

export function diskMib(directory: string): number {
  let blocks = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) blocks += statSync(join(entry.parentPath, entry.name)).blocks;
  }
  return Math.round((blocks * 512) / 2 ** 20);
}
