/** What `verify` must find although every checksum fits: files as a writer with a defect would write them. */

import t from 'tap';

import { hashText } from '../../codec/address.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { SnapshotPut } from '../journal.ts';
import { SegmentWriter } from '../sealed/segment-writer.ts';
import type { PlannedRecord } from '../sealed/segment-writer.ts';
import { snapshotEntryWords, writeSnapshotEntry } from '../sealed/snapshot-entry.ts';
import { bytesOfWords } from '../sealed/words.ts';
import { SimDisk } from '../segment/sim-disk.ts';
import { coldFile } from './cold-range.ts';
import type { ColdRange } from './cold-range.ts';
import type { ColdFinding } from './cold-tier.ts';
import { newLog, snapshotAt } from './testing/cold-log.ts';
import { tierOn } from './testing/sim-volume.ts';

const log = newLog();
log.next(Array.from({ length: 30 }, (_, i) => ['a.A:1', 'a.A:2', ''][i % 3]!), () => Buffer.alloc(900, 5));

interface Defects {
  /** Changes a record on its way into the file. */
  readonly record?: (record: PlannedRecord, i: number) => void;
  readonly headAfter?: Hash64;
  readonly snapshot?: SnapshotPut;
  readonly snapshotHash?: Hash64;
  /** In the list, against the digest of the file. */
  readonly digest?: string;
}

/** Writes the log's records 1 to 30 with a defect, and verifies the range. */
async function findingsOf(defects: Defects): Promise<ColdFinding[]> {
  const { bucket, incarnation } = log;
  const disk = new SimDisk();
  const file = disk.open('/cold/main/new', 'create');
  const writer = new SegmentWriter(file, 30);
  const headAfter = defects.headAfter ?? log.headAt(30);
  const source = Buffer.concat(log.records.map(({ bytes }) => bytes));
  writer.run({ ...bucket, incarnation, position: 1, headBefore: incarnation, headAfter, records: 30 }, source, planned(defects));
  writer.snapshots(defects.snapshot === undefined ? [] : [entryOf(defects.snapshot, defects.snapshotHash ?? defects.snapshot.actorHash)]);
  const { digest, bytes } = writer.finish(0, incarnation);
  const name = { namespace: 'main', bucket, incarnation, from: 1, to: 31, digest: defects.digest ?? digest };
  const range: ColdRange = { ...name, headBefore: incarnation, headAfter, file: coldFile(name), bytes, records: 30, rawBytes: source.length };
  disk.rename('/cold/main/new', `/cold/${range.file}`);
  return tierOn(disk).verify(range);
}

function* planned({ record: change }: Defects): Generator<PlannedRecord> {
  let at = 0;
  for (const [i, { actor, bytes, head }] of log.records.entries()) {
    const hash = actor === '' ? { hi: 0, lo: 0 } : hashText(actor);
    const record = { from: at, to: at + bytes.length, headHi: head.hi, headLo: head.lo, actorHi: hash.hi, actorLo: hash.lo };
    at += bytes.length;
    change?.(record, i);
    yield record;
  }
}

function entryOf(put: SnapshotPut, hash: Hash64): { hi: number; lo: number; entry: Buffer } {
  const words = new Uint32Array(snapshotEntryWords(put, put.actor.length));
  writeSnapshotEntry(words, bytesOfWords(words), 0, put, put.actor.length, log.incarnation);
  return { hi: hash.hi, lo: hash.lo, entry: bytesOfWords(words) };
}

const whys = async (defects: Defects): Promise<string> => (await findingsOf(defects)).map(({ why }) => why).join('; ');
const none = { hi: 0, lo: 0 };

await t.test('a file without defect', async (t) => {
  t.equal(await whys({}), '');
  t.equal(await whys({ snapshot: snapshotAt(log, 29) }), '');
});

await t.test('records that are not the log', async (t) => {
  const changeHead = (record: PlannedRecord, i: number): void => void (record.headLo ^= i === 12 ? 1 : 0);
  t.match(await whys({ record: changeHead }), /position 13 does not lead to its head/);
  t.match(await whys({ headAfter: log.headAt(29) }), /do not lead to the last head/);
  t.match(await whys({ record: (record, i) => void (record.to -= i === 5 ? 1 : 0) }), /position 6/);
  t.match(await whys({ digest: '0'.repeat(32) }), /digest/);
});

await t.test('an index that hides a record, or shows it to another actor', async (t) => {
  const under = (hash: Hash64) => (record: PlannedRecord, i: number): void => {
    if (i === 9) Object.assign(record, { actorHi: hash.hi, actorLo: hash.lo });
  };
  t.match(await whys({ record: under(none) }), /does not have the record at position 10/);
  t.match(await whys({ record: under(hashText('a.A:2')) }), /position 10 under another actor.*does not have the record at position 10/);
  t.match(await whys({ record: (record, i) => void (i === 2 && Object.assign(record, { actorHi: 1 })) }), /position 3 under another actor/, 'a record of the bucket itself');
});

await t.test('a snapshot that nobody could use', async (t) => {
  const snapshot = snapshotAt(log, 28);
  t.match(await whys({ snapshot, snapshotHash: hashText('a.A:2') }), /snapshot under another actor/);
  t.match(await whys({ snapshot: { ...snapshot, position: 31 } }), /position behind the range/);
});
