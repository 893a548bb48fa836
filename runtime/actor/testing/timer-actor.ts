/** An actor with timers, and what tests ask of it: how often it rang, and what it was told. */

import { createMemoryJournal } from '../../journal/memory/memory-journal.ts';
import type { Journal } from '../../journal/journal.ts';
import { makeBundle, startEngine } from './harness.ts';
import type { TestEngine, TestEngineOptions } from './harness.ts';
import { TestTime } from './test-time.ts';

const proto = `
syntax = "proto3";
package test.v1;
message Ring { string name = 1; string word = 2; int64 due = 3 [jstype = JS_NUMBER]; uint32 missed = 4; bool late = 5; int64 at = 6 [jstype = JS_NUMBER]; string caller = 7; }
message ClockState { repeated Ring rings = 1; uint32 others = 2; string bundle = 3; }
message Arm { string name = 1; int64 in = 2 [jstype = JS_NUMBER]; int64 every = 3 [jstype = JS_NUMBER]; string cron = 4; string zone = 5; string word = 6; uint32 times = 7; }
message ArmReply {}
message Cancel { string name = 1; }
message CancelReply {}
message Sound { string word = 1; }
message SoundReply {}
message Other {}
message OtherReply {}
message Rang { Ring ring = 1; }
message Othered { bool firing = 1; }
message ClockEvent { oneof event { Rang rang = 1; Othered othered = 2; } }
service ClockCommands {
  rpc Arm(Arm) returns (ArmReply);
  rpc Cancel(Cancel) returns (CancelReply);
  rpc Sound(Sound) returns (SoundReply);
  rpc Other(Other) returns (OtherReply);
}
`;

/** Words of Sound that do something: 'throw', 'refuse', 'loop', 'again' (arms itself anew in a second, under its own name). */
const source = (bundle: string): string => `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Clock', {
  initialState: () => ({ bundle: '${bundle}' }),
  migrate: (old) => ({ ...old, bundle: '${bundle}' }),
  decide: {
    Arm(state, { name, in: delay, every, cron, zone, word, times }, ctx) {
      const when = cron === '' ? { in: delay } : zone === '' ? { cron } : { cron, zone };
      for (let i = 0; i < Math.max(1, times); i++) ctx.timer(times > 0 ? name + i : name, when, 'Sound', { word }, every > 0 ? { every } : undefined);
      return {};
    },
    Cancel(state, { name }, ctx) { ctx.cancelTimer(name); return {}; },
    Sound(state, { word }, ctx) {
      if (word === 'throw') throw new Error('I cannot');
      if (word === 'refuse') ctx.reject('NOT_NOW', 'I will not.');
      if (word === 'loop') for (;;) {}
      const { name, due, missed, late } = ctx.firing ?? { name: '', due: 0, missed: 0, late: false };
      if (word === 'again') ctx.timer(name, { in: 1000 }, 'Sound', { word: 'done' });
      ctx.emit('Rang', { ring: { name, word, due, missed, late, at: ctx.now, caller: ctx.caller } });
      return {};
    },
    Other(state, command, ctx) { ctx.emit('Othered', { firing: ctx.firing !== undefined }); return {}; },
  },
  evolve: {
    Rang: (state, { ring }) => ({ ...state, rings: [...state.rings, ring] }),
    Othered: (state) => ({ ...state, others: state.others + 1 }),
  },
});
`;

export interface Ring {
  readonly name: string;
  readonly word: string;
  readonly due: number;
  readonly missed: number;
  readonly late: boolean;
  readonly at: number;
  readonly caller: string;
}

export function clockBundle(bundle = 'one'): Buffer {
  return makeBundle(proto, source(bundle));
}

export const clock = (id: string): string => `test.v1.Clock:${id}`;

export interface TimerRig extends TestEngine {
  readonly time: TestTime;
  readonly journal: Journal;
  /** Of one actor, by its state. */
  rings(id: string): Promise<Ring[]>;
  arm(id: string, name: string, options: object): Promise<void>;
}

export async function startClock(options: Partial<TestEngineOptions> & { readonly time?: TestTime } = {}): Promise<TimerRig> {
  const time = options.time ?? new TestTime();
  const journal = options.journal ?? createMemoryJournal();
  if (options.journal === undefined) await journal.open();
  const test = await startEngine({ ...options, journal, clock: time.clock, scheduler: time.scheduler });
  if (options.elsewhere === undefined && test.engine.behaviors().length === 0) await test.engine.deploy(clockBundle());
  return {
    ...test, time, journal,
    rings: async (id) => {
      const rings = ((await test.get(clock(id))).body?.rings ?? []) as (Ring & { due: string; at: string })[];
      return rings.map((ring) => ({ ...ring, due: Number(ring.due), at: Number(ring.at) }));
    },
    arm: async (id, name, given) => {
      const { error } = await test.send(clock(id), 'Arm', { name, ...given });
      if (error !== null) throw new Error(JSON.stringify(error));
    },
  };
}

const WAIT_MAX_MS = 60_000;

export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + WAIT_MAX_MS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`it never came to this: ${what}`);
    await pause(5);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** So many rings of an actor, and for a while no more. */
export async function untilRings(rig: TimerRig, id: string, count: number): Promise<Ring[]> {
  await until(async () => (await rig.rings(id)).length >= count, `${count} rings of ${id}`);
  await pause(30);
  const rings = await rig.rings(id);
  if (rings.length !== count) throw new Error(`${rings.length} rings of ${id}, not ${count}`);
  return rings;
}
