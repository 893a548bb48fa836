/** A watch of an actor that goes on deciding: every event once and in order, from the log or from commits, however they come. */

import fc from 'fast-check';
import t from 'tap';

import { KIND_DECISION } from '../codec/record.ts';
import { WireWriter } from '../codec/wire.ts';
import type { Journal, StoredRecord } from '../journal/journal.ts';
import { FORMAT_JSON, FORMAT_PROTO } from '../sandbox/sandbox.ts';
import type { Activation } from './activation.ts';
import { Bucket } from './bucket.ts';
import type { Bundles } from './bundles.ts';
import type { Calls } from './calls.ts';
import { WatchPump } from './watches.ts';
import type { WatchStart } from './watches.ts';

function recordOf(position: number, firstSeq: number, events: number): StoredRecord {
  const wire = new WireWriter();
  wire.uint(1, KIND_DECISION);
  wire.uint(8, position);
  wire.uint(11, firstSeq);
  for (let i = 0; i < events; i++) {
    const event = wire.begin(33);
    wire.string(1, `e${firstSeq + i}`);
    wire.end(event);
  }
  return { position, head: { hi: 0, lo: 0 }, bytes: wire.copy() };
}

/** An actor whose records come one by one; the log shows those that are durable. */
class Rig {
  readonly bucket = new Bucket({ bits: 0, index: 0 });
  readonly log: StoredRecord[] = [];
  readonly handed: number[] = [];
  readonly encoded: { readonly record: StoredRecord; readonly before: number; readonly isWatched: boolean }[] = [];
  reads = 0;
  seq = 0;
  lastPosition = 0;
  /** The watch takes no more behind an event, until it is resumed. */
  isFull = false;
  pump: WatchPump | null = null;
  /** Events are wanted as JSON, which the sandbox makes, a batch at a time: those that are asked for while it is busy come together. */
  readonly isJson: boolean;
  batches = 0;
  private asked: (() => void)[] = [];

  constructor(isJson = false) {
    this.isJson = isJson;
  }

  private toJson(name: string): Promise<{ bytes: Buffer }> {
    return new Promise((resolve) => {
      this.asked.push(() => resolve({ bytes: Buffer.from(`{"${name}"}`) }));
      if (this.asked.length > 1) return;
      setImmediate(() => {
        this.batches++;
        for (const answer of this.asked.splice(0)) answer();
      });
    });
  }

  open(start: WatchStart, seq: number): WatchPump {
    const journal = {
      readActorRecords: async (_bucket: unknown, _actor: unknown, _hash: unknown, { from, recordsMax }: { from: number; recordsMax: number }) => {
        this.reads++;
        const found = this.log.filter(({ position }) => position >= from).slice(0, recordsMax);
        await new Promise((resolve) => setImmediate(resolve));
        return found;
      },
    } as unknown as Journal;
    const request = {
      to: 'a.B:c', from: 0, format: this.isJson ? FORMAT_JSON : FORMAT_PROTO,
      opened: () => {},
      failed: (error: unknown) => t.fail('it does not fail', { error }),
      event: (seq: number, name: string, body: Buffer) => {
        if (body.toString() !== (this.isJson ? `{"${name}"}` : '')) throw new Error(`${name} has the body ${body}`);
        if (name !== `e${seq}`) throw new Error(`${name} is shown as event ${seq}`);
        this.handed.push(seq);
        return !this.isFull;
      },
    };
    const calls = { toJson: (_bundle: unknown, _type: string, _payload: number, name: string) => this.toJson(name) } as unknown as Calls;
    const actor = { address: 'a.B:c', type: 'a.B', bucket: this.bucket, actorHash: { hi: 0, lo: 0 } };
    this.pump = new WatchPump(request as never, actor, start, seq, { journal, bundles: { load: async () => ({}) } as unknown as Bundles, calls }, () => {});
    return this.pump;
  }

  /** `others`: records of other actors in front of it. */
  encode(events: number, others = 0): void {
    const position = this.bucket.position + others + 1;
    this.encoded.push({ record: recordOf(position, this.seq + 1, events), before: this.lastPosition, isWatched: this.pump !== null });
    this.bucket.position = this.lastPosition = position;
    this.seq += events;
  }

  /** The oldest `count` records that are not durable become so; their commit tells the watch. */
  release(count: number, isTold = true): void {
    const released = this.encoded.splice(0, count);
    this.log.push(...released.map(({ record }) => record));
    const last = released.at(-1);
    if (last === undefined) return;
    this.bucket.durablePosition = last.record.position;
    for (const { record: { position, bytes }, before, isWatched } of released) {
      if (!isTold) this.pump?.wake();
      else if (isWatched) this.pump!.offer({ activation: {} as Activation, position, bytes, before });
    }
    this.pump?.answered();
  }

  async rest(): Promise<void> {
    for (let i = 0; i < 40; i++) await new Promise((resolve) => setImmediate(resolve));
  }
}

const from = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

t.test('what is recorded while it is watched costs no read', async (t) => {
  const rig = new Rig();
  rig.encode(3);
  rig.release(1);
  rig.open({ position: rig.lastPosition, isSettled: true }, rig.seq + 1);
  for (let i = 0; i < 10; i++) {
    rig.encode(i % 3, i % 2);
    rig.encode(1);
    rig.release(2);
    if (i % 4 === 0) await rig.rest();
  }
  await rig.rest();
  t.same(rig.handed, from(4, rig.seq));
  t.equal(rig.reads, 0);
});

t.test('a commit that cannot tell what is durable has the log read, and so has a record that nobody offered', async (t) => {
  const rig = new Rig();
  rig.open({ position: 0, isSettled: true }, 1);
  rig.encode(1);
  rig.release(1, false);
  await rig.rest();
  t.same(rig.handed, [1]);
  t.equal(rig.reads, 1);
  rig.encode(1);
  rig.encoded[0] = { ...rig.encoded[0]!, isWatched: false };
  rig.encode(1);
  rig.release(2);
  await rig.rest();
  t.same(rig.handed, [1, 2, 3]);
  t.equal(rig.reads, 2);
});

t.test('records that were encoded before the watch came are seen when they are durable, though nobody offers them', async (t) => {
  const rig = new Rig();
  rig.encode(1);
  rig.release(1);
  rig.encode(1);
  rig.encode(1);
  rig.open({ position: 0, isSettled: false }, 1).wake();
  await rig.rest();
  t.same(rig.handed, [1]);
  rig.release(1);
  await rig.rest();
  rig.release(1);
  await rig.rest();
  t.same(rig.handed, [1, 2, 3]);
  const { reads } = rig;
  for (let i = 0; i < 5; i++) {
    rig.encode(1);
    rig.release(1);
    await rig.rest();
  }
  t.same(rig.handed, from(1, 8));
  t.equal(rig.reads, reads, 'and from then on the log is left alone');
});

t.test('events in JSON are not made one after the other', async (t) => {
  const rig = new Rig(true);
  rig.encode(100);
  rig.release(1);
  rig.open({ position: 0, isSettled: false }, 1).wake();
  await rig.rest();
  t.same(rig.handed, from(1, 100), 'of the log');
  for (let i = 0; i < 100; i++) rig.encode(1);
  rig.release(100);
  await rig.rest();
  t.same(rig.handed, from(1, 200), 'of commits');
  t.ok(rig.batches <= 6, `${rig.batches} batches`);
});

type Step = { readonly what: 'encode'; readonly events: number; readonly others: number } | { readonly what: 'release'; readonly count: number; readonly isTold: boolean } | { readonly what: 'full' | 'resume' | 'turn' | 'lose' };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant('encode' as const), events: fc.integer({ min: 0, max: 3 }), others: fc.integer({ min: 0, max: 2 }) }) },
  { weight: 5, arbitrary: fc.record({ what: fc.constant('release' as const), count: fc.integer({ min: 1, max: 4 }), isTold: fc.integer({ min: 0, max: 9 }).map((n) => n > 0) }) },
  { weight: 3, arbitrary: fc.constant({ what: 'turn' as const }) },
  { weight: 1, arbitrary: fc.constant({ what: 'full' as const }) },
  { weight: 1, arbitrary: fc.constant({ what: 'resume' as const }) },
  { weight: 1, arbitrary: fc.constant({ what: 'lose' as const }) },
);

async function play(rig: Rig, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if (step.what === 'encode') rig.encode(step.events, step.others);
    else if (step.what === 'release') rig.release(step.count, step.isTold);
    else if (step.what === 'turn') await new Promise((resolve) => setImmediate(resolve));
    else if (step.what === 'lose') {
      // An offer that is not made.
      if (rig.encoded.length > 1) rig.encoded[0] = { ...rig.encoded[0]!, isWatched: false };
    } else {
      rig.isFull = step.what === 'full';
      if (!rig.isFull) rig.pump?.resume();
    }
  }
}

t.test('every event once and in order, whatever comes when', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.array(step, { maxLength: 60 }), fc.boolean(), fc.boolean(), async (before, steps, isAtEnd, isJson) => {
      const rig = new Rig(isJson);
      await play(rig, before);
      const durable = rig.log.at(-1)?.position ?? 0;
      const isSettled = isAtEnd && durable === rig.lastPosition;
      const first = isSettled ? rig.seq + 1 : 1;
      rig.open({ position: isSettled ? durable : 0, isSettled }, first).wake();
      await play(rig, steps);
      rig.isFull = false;
      // A record behind which all that was not offered is looked for.
      rig.encode(1);
      rig.release(rig.encoded.length);
      rig.pump!.resume();
      await rig.rest();
      const wanted = from(first, rig.seq);
      if (rig.handed.join() !== wanted.join()) throw new Error(`${rig.handed.join()} instead of ${wanted.join()}`);
    }),
    { numRuns: 300 },
  );
});
