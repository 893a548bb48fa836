import fc from 'fast-check';
import t from 'tap';

import { BucketMap, ENTRY_BYTES, NO_NODE } from './bucket-map.ts';
import type { BucketEntry } from './bucket-map.ts';

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const entries = fc.dictionary(fc.integer({ min: 0, max: 15 }).map(String), fc.record({ owner: word, next: word, epoch: word }))
  .map((byIndex) => new Map(Object.entries(byIndex).map(([index, entry]): [number, BucketEntry] => [Number(index), { ...entry }])));

t.test('phases follow from owner, next and epoch', async (t) => {
  const map = BucketMap.empty(2).replaced(1, new Map([
    [1, { owner: 7, next: NO_NODE, epoch: 0 }],
    [2, { owner: 7, next: NO_NODE, epoch: 3 }],
    [3, { owner: 7, next: 8, epoch: 3 }],
  ]));
  t.same([0, 1, 2, 3].map((index) => map.phaseOf(index)), ['vacant', 'given', 'held', 'moving']);
  t.same(map.entryOf(3), { owner: 7, next: 8, epoch: 3 });
  t.equal(map.size, 4);
});

t.test('another owner has not opened the bucket yet (M2), the same one still has', async (t) => {
  const held = BucketMap.empty(1).replaced(1, new Map([[0, { owner: 7, next: NO_NODE, epoch: 3 }]]));
  t.same(held.assigned(2, [{ index: 0, owner: 7, next: 8 }]).entryOf(0), { owner: 7, next: 8, epoch: 3 });
  t.same(held.assigned(2, [{ index: 0, owner: 8, next: NO_NODE }]).entryOf(0), { owner: 8, next: NO_NODE, epoch: 0 });
  t.same(held.entryOf(0), { owner: 7, next: NO_NODE, epoch: 3 }, 'a map is a value');
  t.equal(held.version, 1);
});

t.test('bytes and back, wherever the bytes lie', async () => {
  fc.assert(fc.property(entries, fc.integer({ min: 0, max: 7 }), (changes, offset) => {
    const map = BucketMap.empty(4).replaced(9, changes);
    const bytes = Buffer.concat([Buffer.alloc(offset), map.toBytes()]).subarray(offset);
    const again = BucketMap.fromBytes(9, 4, bytes);
    return bytes.length === 16 * ENTRY_BYTES && again.diff(map).length === 0 && map.diff(again).length === 0;
  }));
});

t.test('bytes of another size are refused', async (t) => {
  t.throws(() => BucketMap.fromBytes(1, 4, Buffer.alloc(16 * ENTRY_BYTES - 1)), RangeError);
  t.throws(() => BucketMap.fromBytes(1, 4, Buffer.alloc(0)), RangeError);
});

t.test('diff names exactly what differs', async () => {
  fc.assert(fc.property(entries, entries, (first, second) => {
    const older = BucketMap.empty(4).replaced(1, first);
    const newer = older.replaced(2, second);
    const expected = [...second].filter(([index, entry]) => JSON.stringify(older.entryOf(index)) !== JSON.stringify({ owner: entry.owner, next: entry.next, epoch: entry.epoch }));
    return JSON.stringify(newer.diff(older)) === JSON.stringify(expected.map(([index]) => index).sort((a, b) => a - b)) && newer.diff(newer).length === 0;
  }));
});

t.test('against no older map, what is not vacant differs', async (t) => {
  const map = BucketMap.empty(3).assigned(1, [{ index: 5, owner: 1, next: NO_NODE }]);
  t.same(map.diff(null), [5]);
});

t.test('65,536 buckets are workable', async (t) => {
  const map = BucketMap.empty(16).assigned(1, Array.from({ length: 65_536 }, (_, index) => ({ index, owner: 1 + (index % 50), next: NO_NODE })));
  const again = BucketMap.fromBytes(1, 16, map.toBytes());
  t.equal(again.toBytes().length, 768 * 1024);
  t.same(again.diff(map), []);
  t.equal(again.ownerOf(65_535), 1 + (65_535 % 50));
});
