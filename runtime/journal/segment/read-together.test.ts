/**
 * Actors that were written one behind the other are read in that order again, many at once, as a broadcast reads them: nothing of a sealed file
 * is read from the disk twice, whatever the number of buckets over which they lie, and everybody gets what was written.
 */

import t from 'tap';

import { hashText } from '../../codec/address.ts';
import { LogMaker } from '../contract-log.ts';
import type { Journal } from '../journal.ts';
import type { Disk, DiskFile } from '../sealed/disk.ts';
import { DirectSealer } from './direct-sealer.ts';
import { createSegmentJournal } from './segment-journal.ts';
import { SimDisk } from './sim-disk.ts';

const BUCKETS = 128;
const ACTORS = 8_192;
const AT_ONCE = 512;
const RECORD_BYTES = 300;
const SNAPSHOT_BYTES = 120;

const ids = Array.from({ length: BUCKETS }, (_, index) => ({ bits: 7, index }));
const addressOf = (i: number): string => `a.A:${i}`;
const bucketOf = (i: number): number => (i * 37) % BUCKETS;
const snapshotOf = (i: number): Buffer => Buffer.alloc(SNAPSHOT_BYTES, `snapshot of ${i} `);

function journalOn(disk: Disk): Journal {
  const seams = { disk, sealer: () => new DirectSealer(disk), lock: () => ({ release: () => undefined }) };
  return createSegmentJournal({ directory: '/journal', segmentFileBytes: 512 * 1024 }, seams);
}

/** Every actor has two records and, at the first of them, a snapshot. */
async function written(): Promise<{ disk: SimDisk; logs: LogMaker[] }> {
  const disk = new SimDisk();
  const journal = journalOn(disk);
  await journal.open();
  const logs = (await journal.openBuckets(ids)).map((head) => new LogMaker(head));
  for (let from = 0; from < ACTORS; from += BUCKETS) {
    const group = Array.from({ length: BUCKETS }, (_, i) => from + i);
    for (const part of ['first', 'second']) {
      await journal.append(group.map((i) => logs[bucketOf(i)]!.next([addressOf(i)], () => Buffer.alloc(RECORD_BYTES, `${part} of ${i} `))));
      if (part === 'second') continue;
      journal.putSnapshots(group.map((i) => {
        const { bucket, records } = logs[bucketOf(i)]!;
        const { position, head } = records.at(-1)!;
        return { bucket, actor: addressOf(i), actorHash: hashText(addressOf(i)), position, head, bytes: snapshotOf(i) };
      }));
    }
  }
  // What is in no segment yet is pushed out of the way.
  const { segments } = journal.stat();
  for (let i = 0; i < 4; i++) await journal.append([logs[0]!.next([''], () => Buffer.alloc(256 * 1024))]);
  while (journal.stat().segments === segments || disk.list('/journal').filter((file) => file.startsWith('log-')).length > 1) await new Promise(setImmediate);
  await journal.close();
  return { disk, logs };
}

/** Counts the reads of sealed files by their range; each takes a while. */
function counted(disk: SimDisk, reads: Map<string, number>): Disk {
  const countedFile = (file: DiskFile): DiskFile => new Proxy(file, {
    get: (target, name) => {
      if (name !== 'readLater') return bound(target, name);
      return (buffer: Buffer, position: number, done: (error: Error | null, bytes: number) => void) => {
        const range = `${target.path} ${position}+${buffer.length}`;
        reads.set(range, (reads.get(range) ?? 0) + 1);
        setImmediate(() => target.readLater(buffer, position, done));
      };
    },
  });
  return new Proxy(disk, {
    get: (target, name) => (name === 'open' ? (...args: Parameters<Disk['open']>) => countedFile(target.open(...args)) : bound(target, name)),
  });
}

function bound<T extends object>(target: T, name: string | symbol): unknown {
  const value = Reflect.get(target, name) as unknown;
  return typeof value === 'function' ? (value.bind(target) as unknown) : value;
}

t.test('actors are read in the order in which they were written', async (t) => {
  const { disk, logs } = await written();
  const reads = new Map<string, number>();
  const journal = journalOn(counted(disk, reads));
  await journal.open();
  await journal.openBuckets(ids);
  t.ok(journal.stat().segments >= 4, `${journal.stat().segments} segments`);
  // A stranger makes every file known: its tables and its bloom filter are read.
  await journal.readActor(ids[0]!, 'a.A:stranger', hashText('a.A:stranger'));
  reads.clear();
  const recordsOf = new Map<string, Buffer[]>();
  for (const { actor, bytes } of logs.flatMap(({ records }) => records)) recordsOf.set(actor, [...(recordsOf.get(actor) ?? []), bytes]);
  let wrong = 0;
  for (let from = 0; from < ACTORS; from += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, async (_, at) => {
      const i = from + at;
      const { snapshot, records } = await journal.readActor(ids[bucketOf(i)]!, addressOf(i), hashText(addressOf(i)));
      const [, second] = recordsOf.get(addressOf(i))!;
      if (snapshot?.equals(snapshotOf(i)) !== true || records.length !== 1 || !records[0]!.bytes.equals(second!)) wrong++;
    }));
  }
  t.equal(wrong, 0, 'everybody has the snapshot and the record behind it');
  t.ok(reads.size > 3 * BUCKETS, `${reads.size} ranges of files`);
  const again = [...reads].filter(([, count]) => count > 1);
  t.strictSame(again.slice(0, 5), [], `${again.length} of ${reads.size} ranges were read more than once`);
  await journal.close();
});
