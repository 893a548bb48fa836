import t from 'tap';

import type { Hash64 } from '../../codec/hash64.ts';
import { Dice } from '../contract-model.ts';
import { checkList, coldFile } from './cold-range.ts';
import type { ColdRange } from './cold-range.ts';
import { coversOf } from './cover.ts';

const dice = new Dice(17);
const headOf = (position: number): Hash64 => ({ hi: 3, lo: position });

function rangeOf(from: number, to: number, changes: Partial<ColdRange> = {}): ColdRange {
  const digest = Buffer.from(Array.from({ length: 16 }, () => dice.below(256))).toString('hex');
  const name = { namespace: 'main', bucket: { bits: 8, index: 7 }, incarnation: { hi: 1, lo: 2 }, from, to, digest, ...changes };
  return { headBefore: headOf(from), headAfter: headOf(to), bytes: 1, records: to - from, rawBytes: 1, ...changes, ...name, file: coldFile(name) };
}

const spans = (list: readonly ColdRange[]): string => list.map(({ from, to }) => `${from}-${to}`).join(' ');

function shuffled<T>(items: readonly T[]): T[] {
  return items.map((item) => ({ item, order: dice.below(1_000_000) })).sort((a, b) => a.order - b.order).map(({ item }) => item);
}

await t.test('the list that reaches farthest, past files that lead nowhere', async (t) => {
  // 1-30 looks best at first, and nothing continues it.
  const found = [rangeOf(1, 10), rangeOf(1, 30), rangeOf(10, 20), rangeOf(20, 25), rangeOf(25, 60), rangeOf(28, 90), rangeOf(100, 120)];
  for (let i = 0; i < 20; i++) t.equal(coversOf(shuffled(found)).map(spans).join(' | '), '1-10 10-20 20-25 25-60');
});

await t.test('of two ways to the same end the one with the longer files, and of equal files always the same', async (t) => {
  const found = [rangeOf(1, 10), rangeOf(1, 20), rangeOf(10, 20), rangeOf(20, 30), rangeOf(20, 30)];
  const lists = Array.from({ length: 20 }, () => coversOf(shuffled(found)));
  t.equal(spans(lists[0]![0]!), '1-20 20-30');
  for (const list of lists) t.same(list, lists[0]);
});

await t.test('positions alone do not continue a list: the head must', async (t) => {
  const found = [rangeOf(1, 10), rangeOf(10, 20, { headBefore: { hi: 9, lo: 9 } })];
  t.equal(coversOf(found).map(spans).join(' | '), '1-10');
});

await t.test('each bucket, and each log of a bucket, has a list of its own; an accepted loss goes on with the list', async (t) => {
  const other = { bucket: { bits: 8, index: 9 } };
  const found = [rangeOf(1, 10), rangeOf(10, 12, { incarnation: { hi: 5, lo: 5 } }), rangeOf(1, 5, other), rangeOf(1, 4, { incarnation: { hi: 8, lo: 8 } }), rangeOf(7, 9, { bucket: { bits: 8, index: 10 } })];
  t.same(coversOf(shuffled(found)).map(spans).sort(), ['1-10 10-12', '1-4', '1-5']);
  t.same(coversOf([]), []);
});

await t.test('whatever was left behind, a list that was whole is found again, and nothing shorter', async (t) => {
  for (let run = 0; run < 50; run++) {
    const end = 20 + dice.below(200);
    const found: ColdRange[] = [];
    for (let from = 1; from < end; ) {
      const to = Math.min(end, from + 1 + dice.below(20));
      found.push(rangeOf(from, to));
      from = to;
    }
    for (let i = 0; i < 20; i++) {
      const from = 1 + dice.below(end - 2);
      found.push(rangeOf(from, Math.min(end, from + 1 + dice.below(40))));
    }
    const [list] = coversOf(shuffled(found));
    checkList(list!);
    t.equal(list!.at(-1)!.to, end);
  }
});
