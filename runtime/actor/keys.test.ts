import fc from 'fast-check';
import t from 'tap';

import { KeySlab } from './key-slab.ts';
import { KeyList, KeyWindow, hashScope } from './keys.ts';

/** The window as its promise says it, with nothing clever: a list of what was recorded, in order. */
class Model {
  readonly list: { key: number; position: number }[] = [];

  find(key: number, keysMax: number): number | null {
    return this.list.slice(-keysMax).findLast((entry) => entry.key === key)?.position ?? null;
  }
}

function listOf(window: KeyWindow): { hash: number; position: number }[] {
  const list = new KeyList();
  window.listTo(list);
  return Array.from({ length: list.count }, (_, i) => ({ hash: list.hashes[i]!, position: list.positions[i]! }));
}

// One slab for all windows of the test: a row that two of them own would show.
const slab = new KeySlab();

t.test('behaves like the list of the last recorded keys', async () => {
  const step = fc.record({
    key: fc.integer({ min: 1, max: 12 }),
    fails: fc.boolean(),
    finishAtOnce: fc.boolean(),
  });
  // Hashes that differ in the fingerprint only, in the rest only, and in the sign.
  const hash = (key: number): number => Math.imul(key & 3, 0x5500_0000) ^ (key >> 2);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.constantFrom(1, 2, 9, 40), fc.constantFrom(0, 2 ** 32 - 20, 2 ** 39), (steps, keysMax, start) => {
      const window = new KeyWindow(slab, keysMax);
      const model = new Model();
      let position = start;
      const onTheirWay: { slot: number; key: number; fails: boolean }[] = [];
      const finish = (): void => {
        const next = onTheirWay.shift()!;
        if (next.fails) window.remove(next.slot);
        else {
          window.record(next.slot, ++position);
          model.list.push({ key: next.key, position });
        }
      };
      for (const { key, fails, finishAtOnce } of steps) {
        const slot = window.find(hash(key));
        if (onTheirWay.some((other) => other.key === key)) {
          if (slot < 0 || window.position(slot) !== 0) return false;
          finish();
          continue;
        }
        const expected = model.find(key, keysMax);
        if (expected !== null) {
          if (slot < 0 || window.position(slot) !== expected) return false;
          // As if it had been too old: it is passed over, and the key entered again.
          if (!finishAtOnce || window.find(hash(key), [expected]) >= 0) continue;
        } else if (slot >= 0) return false;
        onTheirWay.push({ slot: window.enter(hash(key)), key, fails });
        if (finishAtOnce) while (onTheirWay.length > 0) finish();
      }
      while (onTheirWay.length > 0) finish();
      const kept = model.list.slice(-keysMax).map(({ key, position }) => ({ hash: hash(key), position }));
      const same = JSON.stringify(listOf(window)) === JSON.stringify(kept);
      window.release();
      return same && window.find(hash(1)) === -1;
    }),
    { numRuns: 1_000 },
  );
});

t.test('what is restored from entries is the same window', async (t) => {
  const window = new KeyWindow(new KeySlab(), 5);
  for (let i = 1; i <= 20; i++) {
    const slot = window.enter(i);
    if (i % 3 === 0) window.remove(slot);
    else window.record(slot, i);
  }
  const again = new KeyWindow(new KeySlab(), 5);
  const list = new KeyList();
  window.listTo(list);
  again.restoreAll(list);
  t.same(listOf(again), listOf(window));
  t.same(listOf(again).map(({ position }) => position), [14, 16, 17, 19, 20]);
});

t.test('scope: principal and key do not run into each other', async (t) => {
  t.not(hashScope('ab', 'c'), hashScope('a', 'bc'));
  const seen = new Set<number>();
  for (let i = 0; i < 100_000; i++) seen.add(hashScope('', `key-${i}`));
  // Of 100,000 random numbers of 32 bits, one or two are the same as another.
  t.ok(seen.size > 99_990, 'hardly a collision among similar keys');
});

t.test('commands that end without a record take no room, whatever is remembered in front of them', async (t) => {
  const window = new KeyWindow(slab, 8);
  window.restore(1, 1);
  const onTheirWay: number[] = [];
  for (let i = 0; i < 10_000; i++) {
    onTheirWay.push(window.enter(1_000 + i));
    if (onTheirWay.length === 3) window.remove(onTheirWay.shift()!);
  }
  for (const slot of onTheirWay) t.equal(window.position(slot), 0, 'slots on their way keep their numbers');
  t.ok((window as unknown as { capacity: number }).capacity < 32, 'the row stayed small');
  window.record(onTheirWay[0]!, 7);
  window.remove(onTheirWay[1]!);
  t.equal(window.position(window.find(1)), 1);
  t.equal(window.position(window.find(10_998)), 7);
  t.same(listOf(window).map(({ position }) => position), [1, 7]);
});

t.test('a position that holds another key is passed over', async (t) => {
  const window = new KeyWindow(slab, 8);
  for (const position of [3, 5]) window.restore(1, position);
  t.equal(window.position(window.find(1, [5])), 3);
  t.equal(window.find(1, [3, 5]), -1);
});
