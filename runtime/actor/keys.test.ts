import fc from 'fast-check';
import t from 'tap';

import { KeySlab } from './key-slab.ts';
import { KeyList, KeyWindow, hashScope } from './keys.ts';

/** The window as its promise says it, with nothing clever: a list of what was recorded, in order. */
class Model {
  readonly list: { key: number; position: number; seconds: number }[] = [];

  find(key: number, nowMs: number, keysMax: number, ageMaxMs: number): number | null {
    const kept = this.list.slice(-keysMax);
    for (let i = kept.length - 1; i >= 0; i--) {
      const entry = kept[i]!;
      if (entry.key !== key) continue;
      return entry.seconds + ageMaxMs / 1_000 >= Math.floor(nowMs / 1_000) ? entry.position : null;
    }
    return null;
  }
}

function listOf(window: KeyWindow): { fingerprint: number; hash: number; position: number; seconds: number }[] {
  const list = new KeyList();
  window.listTo(list);
  return Array.from({ length: list.count }, (_, i) => ({
    fingerprint: list.fingerprints[i]!, hash: list.hashes[i]!, position: list.positions[i]!, seconds: list.seconds[i]!,
  }));
}

// One slab for all windows of the test: a row that two of them own would show.
const slab = new KeySlab();

t.test('behaves like the list of the last recorded keys', async () => {
  const step = fc.record({
    key: fc.integer({ min: 1, max: 12 }),
    fails: fc.boolean(),
    seconds: fc.integer({ min: 0, max: 40 }),
    finishAtOnce: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 9 }), (steps, keysMax) => {
      const window = new KeyWindow(slab, keysMax, 60_000);
      const model = new Model();
      let now = 1_000_000;
      let position = 0;
      const onTheirWay: { slot: number; key: number; fails: boolean }[] = [];
      const finish = (): void => {
        const next = onTheirWay.shift()!;
        if (next.fails) window.remove(next.slot);
        else {
          window.record(next.slot, ++position, now);
          model.list.push({ key: next.key, position, seconds: Math.floor(now / 1_000) });
        }
      };
      for (const { key, fails, seconds, finishAtOnce } of steps) {
        now += seconds * 1_000;
        const slot = window.find(key, key * 7, now);
        if (onTheirWay.some((other) => other.key === key)) {
          if (slot < 0 || window.position(slot) !== 0) return false;
          finish();
          continue;
        }
        const expected = model.find(key, now, keysMax, 60_000);
        if (expected !== null) {
          if (slot < 0 || window.position(slot) !== expected) return false;
          continue;
        }
        if (slot >= 0) return false;
        onTheirWay.push({ slot: window.enter(key, key * 7), key, fails });
        if (finishAtOnce) while (onTheirWay.length > 0) finish();
      }
      window.release();
      return window.find(1, 7, now) === -1;
    }),
    { numRuns: 500 },
  );
});

t.test('what is restored from entries is the same window', async (t) => {
  const window = new KeyWindow(new KeySlab(), 5, 60_000);
  for (let i = 1; i <= 20; i++) {
    const slot = window.enter(i, i);
    if (i % 3 === 0) window.remove(slot);
    else window.record(slot, i, i * 1_000);
  }
  const again = new KeyWindow(new KeySlab(), 5, 60_000);
  const list = new KeyList();
  window.listTo(list);
  again.restoreAll(list);
  t.same(listOf(again), listOf(window));
  t.same(listOf(again).map(({ position }) => position), [14, 16, 17, 19, 20]);
});

t.test('scope: principal and key do not run into each other', async (t) => {
  const a = { hi: 0, lo: 0 };
  const b = { hi: 0, lo: 0 };
  hashScope(a, 'ab', 'c');
  hashScope(b, 'a', 'bc');
  t.notSame(a, b);
  const seen = new Set<string>();
  for (let i = 0; i < 100_000; i++) {
    hashScope(a, '', `key-${i}`);
    seen.add(`${a.hi}.${a.lo}`);
  }
  t.equal(seen.size, 100_000, 'no collision among similar keys');
});

t.test('commands that end without a record take no room, whatever is remembered in front of them', async (t) => {
  const window = new KeyWindow(slab, 8, 60_000);
  window.restore(1, 1, 1, 0);
  const onTheirWay: number[] = [];
  for (let i = 0; i < 10_000; i++) {
    onTheirWay.push(window.enter(2, i));
    if (onTheirWay.length === 3) window.remove(onTheirWay.shift()!);
  }
  for (const slot of onTheirWay) t.equal(window.position(slot), 0, 'slots on their way keep their numbers');
  t.ok((window as unknown as { mask: number }).mask < 32, 'the row stayed small');
  window.record(onTheirWay[0]!, 7, 1_000);
  window.remove(onTheirWay[1]!);
  t.equal(window.position(window.find(1, 1, 0)), 1);
  t.equal(window.position(window.find(2, 9_998, 0)), 7);
  t.same(listOf(window).map(({ position }) => position), [1, 7]);
});

t.test('a position that holds another key is passed over', async (t) => {
  const window = new KeyWindow(slab, 8, 60_000);
  for (const position of [3, 5]) window.restore(1, 1, position, 0);
  t.equal(window.position(window.find(1, 1, 0, [5])), 3);
  t.equal(window.find(1, 1, 0, [3, 5]), -1);
});
