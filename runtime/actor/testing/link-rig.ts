/** Engines whose actors link, tell and hear, over a journal that outlives them. */

import protobuf from 'protobufjs';
import type { Test } from 'tap';

import { encodeBundle } from '../../bundle/bundle.ts';
import { MemoryBundleStore } from '../../bundle/memory-store.ts';
import type { Journal } from '../../journal/journal.ts';
import type { Append } from '../../journal/journal.ts';
import { createMemoryJournal, MemoryStore } from '../../journal/memory/memory-journal.ts';
import { KIND_CURSOR, RecordReader } from '../../codec/record.ts';
import { RunWalker } from '../../journal/record-run.ts';
import type { EngineLimits } from '../engine-limits.ts';
import type { Scheduler } from '../seams.ts';
import { systemScheduler } from '../seams-node.ts';
import { FaultyJournal } from './faulty-journal.ts';
import { startEngine } from './harness.ts';
import type { TestEngine } from './harness.ts';
import { judge, readAll } from './link-oracle.ts';
import type { Findings } from './link-oracle.ts';

const schema = await protobuf.load(new URL('../../../proto/troupe/v1/snapshot.proto', import.meta.url).pathname);
const checkpointType = schema.lookupType('troupe.v1.BucketCheckpoint');

const proto = `
syntax = "proto3";
package test.v1;
message NodeState { uint32 heard = 1; repeated string log = 2; repeated string answers = 3; }
message Change { repeated string link = 1; repeated string unlink = 2; bool ask = 3; }
message ChangeReply {}
message Tell { repeated string words = 1; }
message TellReply {}
message Hear { string word = 1; }
message HearReply { uint32 heard = 1; }
message TakeAnswer { string from = 1; HearReply reply = 2; Refusal refusal = 3; }
message Refusal { string code = 1; string message = 2; }
message TakeAnswerReply {}
message Heard { string word = 1; }
message Answered { string from = 1; }
message NodeEvent { oneof event { Heard heard = 1; Answered answered = 2; } }
service NodeCommands {
  rpc Change(test.v1.Change) returns (ChangeReply);
  rpc Tell(test.v1.Tell) returns (TellReply);
  rpc Hear(test.v1.Hear) returns (HearReply);
  rpc TakeAnswer(test.v1.TakeAnswer) returns (TakeAnswerReply);
}
message DeafState {}
message DeafEvent { oneof event { Nothing nothing = 1; } }
message Nothing {}
service DeafCommands { rpc Change(test.v1.Change) returns (ChangeReply); }
`;

const changes = `
    Change(state, { link, unlink, ask }, ctx) {
      for (const actor of unlink) ctx.unlink(actor);
      for (const actor of link) ask ? ctx.link(actor, 'Hear', { word: 'linked' }, { onReply: 'TakeAnswer' }) : ctx.link(actor);
      return {};
    },`;

const node = `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Node', {
  initialState: () => ({}),
  decide: {${changes}
    Tell(state, { words }, ctx) { for (const word of words) ctx.broadcast('Hear', { word }); return {}; },
    Hear(state, { word }, ctx) { ctx.emit('Heard', { word }); return { heard: state.heard + 1 }; },
    TakeAnswer(state, { from }, ctx) { ctx.emit('Answered', { from }); return {}; },
  },
  evolve: {
    Heard: (state, { word }) => ({ ...state, heard: state.heard + 1, log: [...state.log, word] }),
    Answered: (state, { from }) => ({ ...state, answers: [...state.answers, from] }),
  },
});
`;

const deaf = `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Deaf', {
  initialState: () => ({}),
  decide: {${changes.replace("ask ? ctx.link(actor, 'Hear', { word: 'linked' }, { onReply: 'TakeAnswer' }) : ctx.link(actor)", 'ctx.link(actor)')}
  },
  evolve: { Nothing: (state) => state },
});
`;

function linkBundle(): Buffer {
  return encodeBundle(
    new Map([
      ['troupe.json', JSON.stringify({ name: 'links', modules: ['node.js', 'deaf.js'] })],
      ['node.js', node],
      ['deaf.js', deaf],
      ['proto/test/v1/test.proto', proto],
    ]),
  );
}

function cursorsIn(append: Append): number {
  const walker = new RunWalker().over(append.bytes, append.from, append.to);
  const record = new RecordReader();
  let count = 0;
  while (walker.next()) if (record.over(append.bytes, walker.from, walker.to).kind === KIND_CURSOR) count++;
  return count;
}

export const address = (id: string): string => `test.v1.Node:${id}`;

/** What a dead engine has planned does not happen. */
class MortalScheduler implements Scheduler {
  isDead = false;

  soon(task: () => void): void {
    systemScheduler.soon(() => this.isDead || task());
  }

  later(delayMs: number, task: () => void): void {
    systemScheduler.later(delayMs, () => this.isDead || task());
  }
}

export interface LinkRigOptions {
  readonly bits?: number;
  readonly limits?: Partial<EngineLimits>;
  /** What reading an actor's history takes. */
  readonly readMs?: number;
  /** Checkpoints are never kept: every start folds the whole log. */
  readonly losesCheckpoints?: boolean;
}

export class LinkRig {
  readonly store = new MemoryStore();
  readonly bits: number;
  faults!: FaultyJournal;
  test!: TestEngine;
  /** Crashes that left a checkpoint from the middle of a broadcast behind. */
  midway = 0;
  /** Cursor records that were appended. */
  cursors = 0;
  /** Histories of actors that were read, how many of them at a time, and how many at most since somebody set it to 0. */
  reads = 0;
  readsUnderWay = 0;
  readsAtOnceMax = 0;
  private readonly bundles = new MemoryBundleStore();
  private readonly options: LinkRigOptions;
  private journal!: Journal;
  private scheduler!: MortalScheduler;
  private cursorsLeft = Infinity;
  private isLastHeard = true;
  private isPowerless = false;

  constructor(options: LinkRigOptions = {}) {
    this.options = options;
    this.bits = options.bits ?? 3;
  }

  static async start(t: Test, options: LinkRigOptions = {}): Promise<LinkRig> {
    const rig = new LinkRig(options);
    await rig.open();
    t.teardown(() => rig.test.close());
    await rig.test.engine.deploy(linkBundle());
    return rig;
  }

  async open(): Promise<void> {
    const memory = createMemoryJournal(this.store);
    await memory.open();
    this.journal = memory;
    this.faults = new FaultyJournal(this.counting(memory));
    this.scheduler = new MortalScheduler();
    const { limits } = this.options;
    this.test = await startEngine({
      journal: this.faults.asJournal(), store: this.bundles, bucketBits: this.bits, scheduler: this.scheduler, ...(limits === undefined ? {} : { limits }),
    });
  }

  /** The engine is gone from one moment to the next; another one starts on what is durable. */
  async crash(): Promise<void> {
    this.scheduler.isDead = true;
    this.faults.hold();
    await this.test.pool.close();
    await this.journal.close();
    this.cursorsLeft = Infinity;
    this.isPowerless = false;
    if (this.isAnyMidway()) this.midway++;
    await this.open();
  }

  /** The power fails behind so many more cursor records, the last of which was written; with `isHeard` the engine learns that before. */
  failBehind(cursors: number, isHeard: boolean): void {
    this.cursorsLeft = cursors;
    this.isLastHeard = isHeard;
    this.isPowerless = false;
  }

  /** Resolves when the power has failed; until then checkpoints are taken as often as can be. */
  async powerless(): Promise<void> {
    for (let tries = 0; !this.isPowerless; tries++) {
      if (tries > 12_000) throw new Error(`there were not so many chunks, but ${this.cursors}`);
      this.journal.onCheckpointWanted?.();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Checkpoints and snapshots now. */
  async checkpoint(): Promise<void> {
    this.journal.onCheckpointWanted?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async change(id: string, { link = [], unlink = [], ask = false, type = 'test.v1.Node' }: { link?: string[]; unlink?: string[]; ask?: boolean; type?: string }): Promise<void> {
    const { error } = await this.test.send(`${type}:${id}`, 'Change', { link, unlink, ask });
    if (error !== null) throw new Error(`${id}: ${error.code} ${error.message}`);
  }

  /** Links `count` actors `<prefix><i>` to one, and waits until it has heard of it. */
  async link(target: string, prefix: string, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_, i) => this.change(`${prefix}${i}`, { link: [target] })));
    await this.settled();
  }

  async tell(id: string, ...words: string[]): Promise<void> {
    const { error } = await this.test.send(address(id), 'Tell', { words });
    if (error !== null) throw new Error(`${id}: ${error.code} ${error.message}`);
  }

  async log(id: string): Promise<string[]> {
    return (await this.test.get(address(id))).body?.log ?? [];
  }

  /** Waits until nothing is under way between actors: no running broadcast, every message taken in. */
  async settled(): Promise<void> {
    for (let quiet = 0, tries = 0; quiet < 3; tries++) {
      if (tries > 12_000) throw new Error(`it does not settle: ${JSON.stringify([this.test.engine.messages.underWay(), this.test.engine.stat(), this.test.lines.slice(-5)])}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      const { running, backlog, waiting } = this.test.engine.messages.underWay();
      quiet = running + backlog + waiting === 0 ? quiet + 1 : 0;
    }
  }

  /** Waits until so many actors are in memory at most: who is too many leaves behind a snapshot of theirs, after the commands were answered. */
  async shrunk(activationsMax: number): Promise<void> {
    for (let tries = 0; this.test.engine.stat().activations > activationsMax; tries++) {
      if (tries > 12_000) throw new Error(`too many actors stay in memory: ${JSON.stringify(this.test.engine.stat())}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async judge(): Promise<Findings> {
    await this.settled();
    return judge(await readAll(this.journal, this.bits), (type) => type === 'test.v1.Node');
  }

  /** Whether the newest checkpoint of a bucket holds a broadcast that has been sent to some. */
  private isAnyMidway(): boolean {
    return [...this.store.buckets.values()].some(({ checkpoints }) => {
      const newest = checkpoints.at(-1);
      if (newest === undefined) return false;
      const { broadcasts } = checkpointType.toObject(checkpointType.decode(newest.bytes), { longs: Number, defaults: true }) as { broadcasts: { through: number }[] };
      return broadcasts.some(({ through }) => through > 0);
    });
  }

  private counting(memory: Journal): Journal {
    const own: Partial<Journal> = {
      append: async (batch) => {
        if (this.isPowerless) return new Promise(() => {});
        const cursors = batch.reduce((count, append) => count + cursorsIn(append), 0);
        if (cursors > this.cursorsLeft) this.isPowerless = true;
        if (this.isPowerless) return new Promise(() => {});
        this.cursors += cursors;
        this.cursorsLeft -= cursors;
        if (this.cursorsLeft === 0 && cursors > 0 && !this.isLastHeard) this.isPowerless = true;
        const outcomes = await memory.append(batch);
        return this.isPowerless ? new Promise(() => {}) : outcomes;
      },
      readActor: async (bucket, actor, hash) => {
        this.reads++;
        this.readsAtOnceMax = Math.max(this.readsAtOnceMax, ++this.readsUnderWay);
        const { readMs = 0 } = this.options;
        if (readMs > 0) await new Promise((resolve) => setTimeout(resolve, readMs));
        this.readsUnderWay--;
        return memory.readActor(bucket, actor, hash);
      },
      putCheckpoints: (puts) => {
        if (this.options.losesCheckpoints !== true) memory.putCheckpoints(puts);
      },
    };
    return new Proxy(memory, {
      get: (target, name) => {
        const value = own[name as keyof Journal] ?? (Reflect.get(target, name) as unknown);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
      set: (target, name, value) => Reflect.set(target, name, value),
    });
  }
}
