import t from 'tap';

import { Dice } from '../contract-model.ts';
import { checkList, checkNamespace, coldFile, decodeColdRange, encodeColdRange, findRange, isInStore, readColdName, storeFile } from './cold-range.ts';
import type { ColdRange } from './cold-range.ts';

const dice = new Dice(3);
const hash = (): { hi: number; lo: number } => ({ hi: dice.below(2 ** 32), lo: dice.below(2 ** 32) });

function rangeOf(from: number, to: number, changes: Partial<ColdRange> = {}): ColdRange {
  const digest = Buffer.from(Array.from({ length: 16 }, () => dice.below(256))).toString('hex');
  const name = { namespace: 'main', bucket: { bits: 8, index: 7 }, incarnation: { hi: 1, lo: 2 }, from, to, digest, ...changes };
  const heads = { headBefore: { hi: 3, lo: from }, headAfter: { hi: 3, lo: to } };
  return { ...name, ...heads, file: coldFile(name), bytes: 1 + dice.below(2 ** 31), records: to - from, rawBytes: dice.below(2 ** 31), ...changes };
}

function inStore(range: ColdRange): ColdRange {
  return { ...range, file: storeFile(range) };
}

await t.test('a range is a short string of bytes, and back', async (t) => {
  const ranges = [
    rangeOf(1, 2),
    rangeOf(2 ** 40, 2 ** 40 + 5_000, { incarnation: hash(), headBefore: hash(), headAfter: hash() }),
    rangeOf(7, 900, { namespace: 'tenant-4.a', bucket: { bits: 20, index: 2 ** 20 - 1 } }),
    rangeOf(9, 10, { bucket: { bits: 0, index: 0 }, incarnation: { hi: 0, lo: 0 }, rawBytes: 0 }),
    inStore(rangeOf(7, 900, { namespace: 'tenant-4.a' })),
  ];
  for (const range of ranges) {
    const bytes = encodeColdRange(range);
    t.same(decodeColdRange(bytes), range);
    t.ok(bytes.length < 120, `${bytes.length} bytes`);
  }
});

await t.test('a range in the store is another one than the same range in a folder, and says so where the store looks', async (t) => {
  const range = rangeOf(1, 50);
  t.notOk(isInStore(range));
  t.ok(isInStore(inStore(range)));
  t.equal(encodeColdRange(range)[1], 1);
  t.equal(encodeColdRange(inStore(range))[1], 2);
  t.equal(decodeColdRange(encodeColdRange(inStore(range))).file, `store:${range.file}`);
});

await t.test('what is no range is damage, and a newer one is refused by name', async (t) => {
  const bytes = encodeColdRange(rangeOf(1, 50));
  for (let cut = 0; cut < bytes.length; cut++) {
    // Cut behind a field it may still be a range, but of other numbers; the fields that make a range come before.
    if (cut < 60) t.throws(() => decodeColdRange(bytes.subarray(0, cut)), { code: 'JOURNAL_DAMAGED' }, `${cut} bytes`);
  }
  t.throws(() => decodeColdRange(Buffer.from('not a range')), { code: 'JOURNAL_DAMAGED' });
  const newer = Buffer.from(bytes);
  newer[1] = 3;
  t.throws(() => decodeColdRange(newer), { code: 'JOURNAL_VERSION' });
  const longer = Buffer.concat([bytes, Buffer.from([(15 << 3) | 2, 3, 1, 2, 3])]);
  t.same(decodeColdRange(longer), decodeColdRange(bytes), 'a field of a later version is passed over');
});

await t.test('a name says what is in the file', async (t) => {
  const range = rangeOf(12, 4_000_000_000_000, { incarnation: { hi: 0xffff_ffff, lo: 0 } });
  const [namespace, name] = range.file.split('/') as [string, string];
  t.match(readColdName(namespace, name), { namespace, bucket: range.bucket, incarnation: range.incarnation, from: 12, to: 4_000_000_000_000, digest: range.digest });
  for (const other of ['journal.format', `${name}.tmp`, name.replace('range', 'segment'), name.slice(1)]) t.equal(readColdName('main', other), null, other);
  for (const bad of ['', '..', '../main', 'a/b', '.hidden', 'x'.repeat(65)]) t.throws(() => checkNamespace(bad), { name: 'AssertionError' }, bad);
});

await t.test('a list without gap, of one bucket and one log (C4)', async (t) => {
  const list = [rangeOf(1, 10), rangeOf(10, 11), rangeOf(11, 40), rangeOf(40, 45, { incarnation: { hi: 9, lo: 9 } })];
  checkList([]);
  checkList(list);
  const broken: [string, ColdRange[], number][] = [
    ['the first is missing', list.slice(1), 1],
    ['one in the middle is missing', list.toSpliced(1, 1), 10],
    ['twice the same', list.toSpliced(1, 0, list[1]!), 11],
    ['the wrong order', [list[1]!, list[0]!], 1],
    ['another head', list.toSpliced(1, 1, rangeOf(10, 11, { headBefore: { hi: 3, lo: 9 } })), 10],
    ['another bucket', list.toSpliced(1, 1, rangeOf(10, 11, { bucket: { bits: 8, index: 8 } })), 10],
    ['another namespace', list.toSpliced(1, 1, rangeOf(10, 11, { namespace: 'other' })), 10],
  ];
  for (const [what, ranges, position] of broken) {
    t.throws(() => checkList(ranges), { code: 'JOURNAL_DAMAGED', location: new RegExp(`@${position}$`) }, what);
  }
  t.same([0, 1, 9, 10, 11, 39, 44, 45, Infinity].map((position) => findRange(list, position)), [0, 0, 0, 1, 2, 2, 3, 4, 4]);
});
