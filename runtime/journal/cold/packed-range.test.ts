import t from 'tap';

import { Dice } from '../contract-model.ts';
import { ENTRY_SNAPSHOT, readSnapshotEntry } from '../sealed/snapshot-entry.ts';
import { bytesOfWords } from '../sealed/words.ts';
import { coldBounds } from './bounds.ts';
import { memoryOf, packRange } from './packed-range.ts';
import { fill, newLog, snapshotAt, writeOf } from './testing/cold-log.ts';

await t.test('all records in one piece of memory, which can be handed over', async (t) => {
  const log = newLog();
  fill(log, new Dice(6), ['a.A:1', '', 'a.A:2'], 100, 40);
  const packed = await packRange(writeOf(log, 11, 91));
  t.ok(Buffer.from(packed.bytes).equals(Buffer.concat(log.all(11, 91).map(({ bytes }) => bytes))));
  t.equal(packed.ends.at(-1), packed.bytes.length);
  t.same([packed.heads.at(-2), packed.heads.at(-1)], [log.headAt(90).hi, log.headAt(90).lo]);
  const memory = memoryOf(packed);
  t.equal(new Set(memory).size, 5);
  structuredClone(packed, { transfer: memory });
  t.equal(packed.bytes.length, 0);
});

await t.test('of the snapshots under one hash the newest, in order of hash', async (t) => {
  const log = newLog();
  log.next(['a.A:1', 'a.A:2', 'a.A:1', 'a.A:1']);
  const { snapshots, snapshotEnds } = await packRange(writeOf(log, 1, 5, [1, 4, 2, 3].map((position) => snapshotAt(log, position))));
  const starts = [0, ...snapshotEnds].slice(0, -1);
  const read = starts.map((w) => readSnapshotEntry(snapshots, w, bytesOfWords(snapshots), 4 * w)!);
  t.same(starts.map((w) => snapshots[w]! & 0xff), [ENTRY_SNAPSHOT, ENTRY_SNAPSHOT]);
  t.same(read.map(({ actor, position }) => `${actor} ${position}`).sort(), ['a.A:1 4', 'a.A:2 2']);
  t.ok(snapshots[7]! < snapshots[starts[1]! + 7]!, 'in order of the hash');
  t.match(read[0], { incarnation: log.incarnation, head: log.headAt(read[0]!.position) });
});

await t.test('the event loop has its turn behind so many records and bytes (C6)', async (t) => {
  const turnsOf = async (records: number, bytes: number): Promise<number> => {
    const log = newLog();
    log.next(Array.from({ length: records }, () => 'a.A:1'), () => Buffer.alloc(bytes));
    let turns = 0;
    let over = false;
    const look = (): void => {
      turns++;
      if (!over) setImmediate(look);
    };
    setImmediate(look);
    await packRange(writeOf(log, 1, records + 1));
    over = true;
    return turns;
  };
  const { pieceRecords, pieceBytes } = coldBounds;
  t.ok((await turnsOf(10 * pieceRecords, 1)) >= 10, 'many records');
  t.ok((await turnsOf(40, pieceBytes / 4)) >= 10, 'large ones');
  t.ok((await turnsOf(10, 10)) <= 1, 'a small range is packed at once');
});
