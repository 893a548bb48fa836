/** The index of timers against a map that is searched from end to end. */

import fc from 'fast-check';
import t from 'tap';

import { RecordReader } from '../../codec/record.ts';
import { writeFiring, writeTimerNote } from '../../codec/record-timers.ts';
import { WireWriter } from '../../codec/wire.ts';
import { TimerIndex, timerKey, timerRef } from './timer-index.ts';

/** What the index should be, without its columns. */
class Model {
  readonly dues = new Map<number, number>();
  readonly taken = new Set<number>();

  first(): number | undefined {
    const free = [...this.dues].filter(([key]) => !this.taken.has(key));
    return free.sort(([a, dueA], [b, dueB]) => dueA - dueB || a - b)[0]?.[0];
  }
}

type Step = { readonly what: 'arm' | 'set' | 'remove' | 'giveBack'; readonly key: number; readonly due: number } | { readonly what: 'take' };

// Keys collide in the low bits, and some are beyond 32 bits.
const key = fc.oneof(fc.integer({ min: 128, max: 400 }), fc.integer({ min: 0, max: 30 }).map((n) => 128 + n * 0x1_0000_0000), fc.integer({ min: 0, max: 30 }).map((n) => 128 + n * 4096));
const due = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 8_640_000_000_000_000 }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: fc.constant('arm' as const), key, due }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('set' as const), key, due: fc.oneof(due, fc.constant(0)) }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('remove' as const), key, due }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('giveBack' as const), key, due }) },
  { weight: 3, arbitrary: fc.constant({ what: 'take' as const }) },
);

function apply(model: Model, index: TimerIndex, step: Step): void {
  if (step.what === 'take') {
    const first = model.first();
    if (first === undefined) return;
    model.taken.add(first);
    if (index.take() !== first) throw new Error('another one was taken');
    return;
  }
  const { what, key, due } = step;
  if (what === 'giveBack') {
    model.taken.delete(key);
    index.giveBack(key);
  } else if (what === 'remove' || (what === 'set' && due === 0)) {
    model.dues.delete(key);
    model.taken.delete(key);
    if (what === 'remove') index.remove(key);
    else index.set(key, 0);
  } else if (what === 'arm' || model.dues.has(key)) {
    model.dues.set(key, due);
    model.taken.delete(key);
    if (what === 'arm') index.arm(key, due);
    else index.set(key, due);
  } else index.set(key, due);
}

function agree(model: Model, index: TimerIndex): void {
  const first = model.first();
  if (index.size !== model.dues.size) throw new Error(`${index.size} timers, not ${model.dues.size}`);
  if (index.firstDueMs !== (first === undefined ? Infinity : model.dues.get(first))) throw new Error('another is the first');
  for (const [key, dueMs] of model.dues) if (index.dueOf(key) !== dueMs) throw new Error(`${key} is due at ${index.dueOf(key)}, not ${dueMs}`);
}

t.test('whatever is armed, set, removed, taken and given back, it stands as a plain map does', async () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const model = new Model();
      const index = new TimerIndex();
      for (const step of steps) {
        apply(model, index, step);
        agree(model, index);
      }
      const order: number[] = [];
      while (index.firstDueMs < Infinity) order.push(index.take());
      const wanted = [...model.dues].filter(([key]) => !model.taken.has(key)).sort(([a, dueA], [b, dueB]) => dueA - dueB || a - b);
      if (order.join() !== wanted.map(([key]) => key).join()) throw new Error(`${order.join()} instead of ${wanted.join(' ')}`);
    }),
    { numRuns: 400 },
  );
});

t.test('a checkpoint holds all of it, what is taken too', async () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const model = new Model();
      const index = new TimerIndex();
      for (const step of steps) apply(model, index, step);
      model.taken.clear();
      agree(model, restored(index));
    }),
  );
});

function restored(index: TimerIndex): TimerIndex {
  const wire = new WireWriter();
  index.encode(wire);
  const again = new TimerIndex();
  const bytes = wire.copy();
  // The fields in the order in which they stand: each is a tag, a length of one to four bytes, and the column.
  for (let at = 0; at < bytes.length; ) {
    const field = bytes[at++]! >>> 3;
    let size = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      size += (bytes[at]! & 0x7f) << shift;
      more = bytes[at++]! > 0x7f;
    }
    again.restore(field, bytes, at, at + size);
    at += size;
  }
  return again;
}

t.test('columns of different length are refused', async (t) => {
  const index = new TimerIndex();
  index.restore(11, Buffer.from([1, 1, 1]), 0, 3);
  t.throws(() => index.restore(12, Buffer.from([5, 6]), 0, 2), /columns differ/);
  const other = new TimerIndex();
  other.restore(11, Buffer.from([1]), 0, 1);
  t.throws(() => other.restore(12, Buffer.from([5, 6]), 0, 2), /columns differ/);
});

t.test('keys that do not rise are refused', async (t) => {
  t.throws(() => new TimerIndex().restore(11, Buffer.from([1, 0]), 0, 2), /do not rise/);
});

t.test('a checkpoint of many, and what is armed and removed behind it, in any order', async (t) => {
  const model = new Model();
  const index = new TimerIndex();
  for (let n = 0; n < 5_000; n++) apply(model, index, { what: 'arm', key: 128 + n * 3, due: 1 + ((n * 7_919) % 5_003) });
  const again = restored(index);
  for (let n = 0; n < 5_000; n += 2) apply(model, again, { what: 'remove', key: 128 + n * 3, due: 1 });
  // Into the slots of those that went.
  for (let n = 0; n < 1_000; n++) apply(model, again, { what: 'arm', key: 20_000 + n, due: 1 + n });
  agree(model, again);
  agree(model, restored(again));
  t.same([...restored(again).sortedKeys()], [...model.dues.keys()].sort((a, b) => a - b));
});

t.test('a key names a record and an index', async (t) => {
  t.same(timerRef(timerKey({ position: 2 ** 45, index: 99 })), { position: 2 ** 45, index: 99 });
});

/** A record with a firing and notes. */
function record(position: number, firing: { position: number; index: number; nextDueMs: number } | null, notes: readonly [replaces: [number, number] | null, dueMs: number][], resumes = 0): RecordReader {
  const wire = new WireWriter();
  wire.uint(1, 1);
  wire.uint(8, position);
  for (const [replaces, dueMs] of notes) writeTimerNote(wire, { replaces: replaces === null ? null : { position: replaces[0], index: replaces[1] }, dueMs });
  if (firing !== null) writeFiring(wire, { timer: firing, name: 'n', dueMs: 1, missed: 0, nextDueMs: firing.nextDueMs });
  wire.uint(28, resumes);
  return new RecordReader().over(wire.copy());
}

t.test('records arm, replace, cancel, and fire', async (t) => {
  const index = new TimerIndex();
  const dues = (): unknown => [...index.sortedKeys()].map((key) => [timerRef(key).position, timerRef(key).index, index.dueOf(key)]);
  index.fold(record(5, null, [[null, 50], [null, 60]]));
  t.same(dues(), [[5, 0, 50], [5, 1, 60]]);
  // One record may arm a timer and replace it at once.
  index.fold(record(6, null, [[[5, 0], 70], [[6, 0], 80]]));
  t.same(dues(), [[5, 1, 60], [6, 1, 80]]);
  // A cancellation, and a calendar without a time.
  index.fold(record(7, null, [[[5, 1], 0], [null, 0]]));
  t.same(dues(), [[6, 1, 80]]);
  index.fold(record(8, { position: 6, index: 1, nextDueMs: 90 }, []));
  t.same(dues(), [[6, 1, 90]]);
  // What the firing itself arms again has the firing's record for its own.
  index.fold(record(9, { position: 6, index: 1, nextDueMs: 100 }, [[[6, 1], 110]]));
  t.same(dues(), [[9, 0, 110]]);
  // A parked firing that is taken up again had its effect on the timer when it was parked.
  index.fold(record(10, { position: 9, index: 0, nextDueMs: 0 }, [], 3));
  t.same(dues(), [[9, 0, 110]]);
  index.fold(record(11, { position: 9, index: 0, nextDueMs: 0 }, []));
  t.same(dues(), []);
});
