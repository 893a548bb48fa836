/**
 * Baseline: what appending to Redis costs with no server in between. One connection, two calls on their way at any time, in three forms: an entry an
 * event, a hundred of them in one write; the journal's own function (journal.lua, with all that it checks), one event for each of so many logs
 * a call; a hundred events as one entry. Whoever appends to one Redis by the same form cannot be faster than this.
 *
 * A process of its own, started with the port and the pid of Redis and the time of one form; reports each form, and ends. At the end of a form Redis is asked
 * how much it has, and what differs from what it acknowledged is an error.
 */

import type { Hash64 } from '../../runtime/codec/hash64.ts';
import { sampleProcess } from '../../runtime/faults/proc.ts';
import { CallWriter } from '../../runtime/journal/redis/call-writer.ts';
import { bucketKeys } from '../../runtime/journal/redis/keys.ts';
import { journalSource, luaLibrary } from '../../runtime/journal/redis/library.ts';
import { RedisPipe, command } from './redis-pipe.ts';
import { EVENT_BYTES, EVENTS_PER_CALL, LOGS_PER_CALL } from './redis-append-forms.ts';
import type { AppendMeasure, FromAppendLoop } from './redis-append-forms.ts';

interface Form {
  readonly name: string;
  readonly eventsPerCall: number;
  /** Sends one call. Resolves when it is answered. */
  call(): Promise<void>;
  /** How many entries there are now, and how many after so many calls. */
  entries(): Promise<number>;
  entriesAfter(calls: number): number;
}

const CALLS_ON_THEIR_WAY = 2;
/** Of a form's time, not counted. */
const WARM_UP = 0.25;
const STREAM = 'appends';
const EVENT = Buffer.alloc(EVENT_BYTES, 0x5a);
const OWNER = 'bench';
/** `create` gives epoch 0, and `open` the next one. */
const EPOCH = 1;

const [port = 0, redisPid = 0, msPerForm = 0] = process.argv.slice(2).map(Number);
const pipe = await RedisPipe.open(port);
const measures: AppendMeasure[] = [];
for (const prepare of [eventsForm, ...LOGS_PER_CALL.map((logs) => () => journalForm(logs)), blobForm]) {
  measures.push(await measure(await prepare()));
  await pipe.write([command('FLUSHALL')], 1);
}
pipe.close();
process.send!({ measures } satisfies FromAppendLoop);
process.disconnect!();

async function measure(form: Form): Promise<AppendMeasure> {
  const warmCalls = await callFor(form, msPerForm * WARM_UP);
  const redisBefore = sampleProcess(redisPid).cpuMs;
  const ownBefore = process.cpuUsage();
  const since = performance.now();
  const calls = await callFor(form, msPerForm * (1 - WARM_UP));
  const ms = performance.now() - since;
  const own = process.cpuUsage(ownBefore);
  const redisAfter = sampleProcess(redisPid).cpuMs;
  const [found, expected] = [await form.entries(), form.entriesAfter(warmCalls + calls)];
  if (found !== expected) throw new Error(`${form.name}: redis holds ${found} entries, acknowledged were ${expected}`);
  const events = calls * form.eventsPerCall;
  return {
    form: form.name,
    events,
    eventsPerSecond: (events / ms) * 1000,
    redisCpuUsPerEvent: redisBefore === null || redisAfter === null ? null : ((redisAfter - redisBefore) * 1000) / events,
    clientCpuUsPerEvent: (own.user + own.system) / events,
  };
}

/** How many calls were answered. */
async function callFor(form: Form, ms: number): Promise<number> {
  const until = performance.now() + ms;
  let calls = 0;
  const line = async (): Promise<void> => {
    do {
      await form.call();
      calls++;
    } while (performance.now() < until);
  };
  await Promise.all(Array.from({ length: CALLS_ON_THEIR_WAY }, line));
  return calls;
}

async function eventsForm(): Promise<Form> {
  const bytes = Buffer.concat(Array.from({ length: EVENTS_PER_CALL }, () => command('XADD', STREAM, '*', 'e', EVENT)));
  return {
    name: 'events',
    eventsPerCall: EVENTS_PER_CALL,
    call: () => pipe.write([bytes], EVENTS_PER_CALL),
    entries: () => lengthOf([STREAM]),
    entriesAfter: (calls) => calls * EVENTS_PER_CALL,
  };
}

async function blobForm(): Promise<Form> {
  const bytes = command('XADD', STREAM, '*', 'b', Buffer.alloc(EVENTS_PER_CALL * EVENT_BYTES, 0x5a));
  return {
    name: 'blob',
    eventsPerCall: EVENTS_PER_CALL,
    call: () => pipe.write([bytes], 1),
    entries: () => lengthOf([STREAM]),
    entriesAfter: (calls) => calls,
  };
}

/** All logs grow by one position a call, so one position and one chain of heads stands for all of them. */
async function journalForm(logs: number): Promise<Form> {
  const library = luaLibrary(journalSource(), 'journal');
  const keys = Array.from({ length: logs }, (_, i) => bucketKeys('bench', { bits: 16, index: 16 * i }));
  const writer = new CallWriter();
  const packedKeys = Buffer.concat(keys.map((key) => key.forAppend));
  const incarnation = Buffer.alloc(8);
  await pipe.write([command('FUNCTION', 'LOAD', 'REPLACE', library.text)], 1);
  await pipe.write([command('FCALL', library.functionName('create'), String(logs), ...keys.map((key) => key.meta), ...keys.map(() => incarnation))], 1);
  const opened = keys.flatMap((key) => [key.meta, key.checkpoint]);
  await pipe.write([command('FCALL', library.functionName('open'), String(opened.length), ...opened, OWNER, ...keys.flatMap(() => ['', '0', '0', '']))], 1);
  let position = 0;
  pipe.integers = 0;
  return {
    name: `journal, ${logs} logs a call`,
    eventsPerCall: logs,
    call: async () => {
      const bytes = appendCall(writer, library.functionName('append'), packedKeys, logs, position++);
      await pipe.write([bytes], 1);
      writer.giveBack(bytes);
      // What is not 0 is an outcome other than appended.
      if (pipe.integers !== 0) throw new Error('the journal refused an append of the loop');
    },
    entries: () => lengthOf(keys.map((key) => key.log)),
    entriesAfter: (calls) => calls * logs,
  };
}

/** As Appending writes it; the log stands at `position`, and a head is its position. */
function appendCall(writer: CallWriter, name: string, packedKeys: Buffer, logs: number, position: number): Buffer {
  const before: Hash64 = { hi: 0, lo: position };
  const after: Hash64 = { hi: 0, lo: position + 1 };
  writer.begin(4 + 8 * logs, packedKeys.length + logs * (EVENT_BYTES + 128));
  writer.text('FCALL');
  writer.text(name);
  writer.decimal(2 * logs);
  writer.raw(packedKeys);
  writer.text(OWNER);
  for (let i = 0; i < logs; i++) {
    writer.decimal(EPOCH);
    writer.decimal(position);
    writer.decimal(position + 1);
    writer.hash(before);
    writer.hash(after);
    writer.bytes(EVENT, 0, EVENT_BYTES);
  }
  return writer.finish();
}

async function lengthOf(streams: readonly string[]): Promise<number> {
  pipe.integers = 0;
  await pipe.write(streams.map((stream) => command('XLEN', stream)), streams.length);
  return pipe.integers;
}
