/** Speakers that send words to listeners, some of which a listener cannot bear; and an oracle that reads the log with protobufjs. */

import { readFileSync } from 'node:fs';

import protobuf from 'protobufjs';

import { MemoryBundleStore } from '../../../bundle/memory-store.ts';
import { createMemoryJournal, MemoryStore } from '../../../journal/memory/memory-journal.ts';
import type { DeadLetter } from '../../engine.ts';
import { systemClock } from '../../seams-node.ts';
import { FaultyJournal } from '../../testing/faulty-journal.ts';
import { createSandboxPool } from '../../../sandbox/pool.ts';
import { makeBundle, startEngine } from '../../testing/harness.ts';
import type { TestEngine } from '../../testing/harness.ts';

export const BITS = 2;

const proto = `
syntax = "proto3";
package test.v1;
message Refusal { string code = 1; string message = 2; }
message SpeakerState { repeated string answers = 1; }
message Say { string to = 1; repeated string words = 2; bool ask = 3; string command = 4; }
message SayReply {}
message TakeAnswer { string from = 1; HearReply reply = 2; Refusal refusal = 3; }
message TakeAnswerReply {}
message Answered { string answer = 1; }
message SpeakerEvent { oneof event { Answered answered = 1; } }
service SpeakerCommands { rpc Say(test.v1.Say) returns (SayReply); rpc TakeAnswer(test.v1.TakeAnswer) returns (TakeAnswerReply); }
message ListenerState { repeated string heard = 1; }
message Hear { string word = 1; }
message HearReply { string word = 1; }
message Hum {}
message HumReply {}
message Heard { string word = 1; string by = 2; }
message ListenerEvent { oneof event { Heard heard = 1; } }
message Arm { string timer = 1; uint32 in_ms = 2; string word = 3; }
message ArmReply {}
message Disarm { string timer = 1; }
message DisarmReply {}
service ListenerCommands { rpc Hear(test.v1.Hear) returns (HearReply); rpc Arm(test.v1.Arm) returns (ArmReply); rpc Disarm(test.v1.Disarm) returns (DisarmReply); HUM }
`;

export interface Version {
  /** Words that a listener throws at, and such that end the sandbox. */
  readonly throws?: readonly string[];
  readonly loops?: readonly string[];
  /** Whether listeners have the command Hum. */
  readonly hums?: boolean;
}

export function bundleOf({ throws = [], loops = [], hums = false }: Version = {}): Buffer {
  const module = `
import { defineActor } from 'troupe';
export const speaker = defineActor('test.v1.Speaker', {
  initialState: () => ({}),
  decide: {
    Say(state, { to, words, ask, command }, ctx) {
      for (const word of words) ctx.send(to, command || 'Hear', command === 'Hum' ? {} : { word }, ask ? { onReply: 'TakeAnswer' } : undefined);
      return {};
    },
    TakeAnswer(state, { reply, refusal }, ctx) {
      ctx.emit('Answered', { answer: refusal ? refusal.code : reply.word });
      return {};
    },
  },
  evolve: { Answered: (state, { answer }) => ({ answers: [...state.answers, answer] }) },
});
`;
  const listener = `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Listener', {
  initialState: () => ({}),
  decide: {
    Hear(state, { word }, ctx) {
      if (${JSON.stringify(throws)}.includes(word)) throw new Error('I cannot bear ' + word);
      if (${JSON.stringify(loops)}.includes(word)) for (;;) {}
      ctx.emit('Heard', { word, by: ctx.caller });
      return { word };
    },
    Arm(state, { timer, inMs, word }, ctx) {
      ctx.timer(timer, { in: inMs }, 'Hear', { word });
      return {};
    },
    Disarm(state, { timer }, ctx) {
      ctx.cancelTimer(timer);
      return {};
    },
    ${hums ? "Hum(state, command, ctx) { ctx.emit('Heard', { word: 'hum', by: ctx.caller }); return {}; }," : ''}
  },
  evolve: { Heard: (state, { word }) => ({ heard: [...state.heard, word] }) },
});
`;
  return makeBundle(proto.replace('HUM', hums ? 'rpc Hum(test.v1.Hum) returns (HumReply);' : ''), '', 'letters', {
    'speaker.js': module.replace('export const speaker =', 'export default'),
    'listener.js': listener,
  });
}

export const speaker = (id: string): string => `test.v1.Speaker:${id}`;
export const listener = (id: string): string => `test.v1.Listener:${id}`;

export interface Rig {
  node: TestEngine;
  readonly faulty: () => FaultyJournal;
  /** The next node's clock is further by so much. */
  restart(aheadMs?: number): Promise<void>;
  deploy(version?: Version): Promise<void>;
  say(from: string, to: string, words: readonly string[], more?: { ask?: boolean; command?: string }): Promise<void>;
  /** The words that a listener has heard, and the answers that a speaker has got, when there are so many. */
  heard(id: string, count: number): Promise<string[]>;
  answers(id: string, count: number): Promise<string[]>;
  letters(count: number): Promise<readonly DeadLetter[]>;
  records(): Promise<OracleRecord[]>;
  close(): Promise<void>;
}

/** A record as protobufjs reads it, with proto3's defaults filled in. */
export interface OracleRecord {
  readonly kind: string;
  readonly minReaderVersion: number;
  readonly actor: string;
  readonly addressee: string;
  readonly bucketIndex: number;
  readonly position: number;
  readonly resumes: number;
  readonly onReply: string;
  readonly name: string;
  readonly principal: string;
  readonly cause: { readonly bucketIndex: number; readonly position: number; readonly index: number; readonly number: number; readonly incarnation: string } | null;
  readonly sends: readonly { readonly to: string; readonly name: string }[];
  readonly sendNumbers: readonly number[];
  readonly failure: { readonly code: string } | null;
  readonly firing: { readonly name: string; readonly dueMs: number; readonly timer: { readonly position: number; readonly index: number } } | null;
}

const recordType = protobuf.parse(readFileSync(new URL('../../../../proto/troupe/v1/record.proto', import.meta.url), 'utf8')).root.lookupType('troupe.v1.Record');

export async function startRig(): Promise<Rig> {
  const disk = new MemoryStore();
  const store = new MemoryBundleStore();
  let faulty: FaultyJournal;
  let skewMs = 0;
  const clock = { now: () => systemClock.now() + skewMs, monotonic: () => systemClock.monotonic() };
  const start = async (): Promise<TestEngine> => {
    faulty = new FaultyJournal(createMemoryJournal(disk));
    const journal = faulty.asJournal();
    await journal.open();
    // Commands that end the sandbox are many here, and each costs this time more than once.
    const pool = createSandboxPool({ decideTimeMaxMs: 250 });
    await pool.start();
    return startEngine({ journal, store, pool, clock, bucketBits: BITS });
  };
  const rig: Rig = {
    node: await start(),
    faulty: () => faulty,
    async restart(aheadMs = 0) {
      skewMs += aheadMs;
      await rig.node.close();
      await faulty.inner.close();
      rig.node = await start();
    },
    async deploy(version = {}) {
      await rig.node.engine.deploy(bundleOf(version));
    },
    async say(from, to, words, { ask = false, command = '' } = {}) {
      const { error } = await rig.node.send(speaker(from), 'Say', { to: listener(to), words, ask, command });
      if (error !== null) throw new Error(`${error.code}: ${error.message}`);
    },
    heard: (id, count) => listOf(() => rig.node.get(listener(id)), ({ body, error }) => body?.heard ?? [error?.code], count),
    answers: (id, count) => listOf(() => rig.node.get(speaker(id)), ({ body, error }) => body?.answers ?? [error?.code], count),
    letters: (count) => listOf(() => rig.node.engine.messages.desk.deadLetters({ type: '', after: { bucket: 0, position: 0 }, max: 1_000 }), ({ letters }) => letters, count),
    async records() {
      const all: OracleRecord[] = [];
      for (let index = 0; index < 2 ** BITS; index++) {
        for await (const { bytes } of faulty.inner.readBucket({ bits: BITS, index }, 1)) {
          all.push(recordType.toObject(recordType.decode(bytes), { defaults: true, arrays: true, longs: Number, enums: String }) as OracleRecord);
        }
      }
      return all;
    },
    async close() {
      await rig.node.close();
      await faulty.inner.close();
    },
  };
  return rig;
}

/** A letter of a command that ends the sandbox takes several sandboxes. */
const LIST_MAX_MS = 60_000;

async function listOf<A, E>(ask: () => Promise<A>, read: (answer: A) => readonly E[], count: number): Promise<E[]> {
  let last: readonly E[] = [];
  const end = performance.now() + LIST_MAX_MS;
  while (performance.now() < end) {
    last = read(await ask());
    if (last.length >= count) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  if (last.length !== count) throw new Error(`wanted ${count}, there are ${last.length}: ${JSON.stringify(last)}`);
  return [...last];
}

/** What the log says about letters, found out from the records alone. */
export function openLetters(records: readonly OracleRecord[]): { readonly open: string[]; readonly wrong: string[] } {
  const wrong: string[] = [];
  const open = new Map<string, OracleRecord>();
  const taken = new Set<string>();
  const seen = new Set<string>();
  for (const record of records) {
    const { bucketIndex, position, resumes, kind, cause } = record;
    const place = `${bucketIndex}/${position}`;
    if (cause !== null && cause.number > 0) {
      const channel = `${cause.bucketIndex} ${cause.incarnation} ${bucketIndex} ${cause.number}`;
      if (seen.has(channel)) wrong.push(`${place} takes number ${cause.number} in for the second time`);
      seen.add(channel);
    }
    if (resumes > 0) {
      const before = open.get(`${bucketIndex}/${resumes}`);
      if (taken.has(`${bucketIndex}/${resumes}`)) wrong.push(`${place} takes ${resumes} up for the second time`);
      else if (before === undefined) wrong.push(`${place} takes up ${resumes}, which is no letter`);
      else {
        const of = ({ cause: c }: OracleRecord): string => `${c?.incarnation} ${c?.bucketIndex} ${c?.position} ${c?.index}`;
        if (of(before) !== of(record)) wrong.push(`${place} has another cause than ${resumes}: ${of(record)}, not ${of(before)}`);
        if (cause !== null && cause.number !== 0) wrong.push(`${place} has a number`);
        if (JSON.stringify(before.firing) !== JSON.stringify(record.firing)) wrong.push(`${place} is another firing than ${resumes}`);
        if (before.name !== record.name || before.principal !== record.principal) wrong.push(`${place} is another message than ${resumes}`);
        if ((before.addressee || before.actor) !== (record.addressee || record.actor)) wrong.push(`${place} is for somebody else than ${resumes}`);
      }
      taken.add(`${bucketIndex}/${resumes}`);
      open.delete(`${bucketIndex}/${resumes}`);
      if (record.minReaderVersion !== 2) wrong.push(`${place} can be read by version 1`);
    }
    const isMessage = resumes > 0 || (cause !== null && cause.number > 0) || record.firing !== null;
    if (kind === 'RECORD_KIND_PARKED' || (kind === 'RECORD_KIND_FAILED' && isMessage)) open.set(place, record);
  }
  return { open: [...open.keys()], wrong };
}
