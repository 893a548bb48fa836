/** What `troupe journal` shows. */

import t from 'tap';

import type { BucketReport, Loss } from '../journal-tools.ts';
import { accepting, compactLine, lossLines, statTable, verifyLines } from './journal-text.ts';

const bucket = (index: number): BucketReport['bucket'] => ({ bits: 1, index });
const report: BucketReport = { bucket: bucket(0), records: 1_200, hotRecords: 200, hotBytes: 90_000, snapshots: 7, coldFiles: 2, coldBytes: 5_000_000, note: null };
const total = { records: 1_200, hotBytes: 90_000, coldFiles: 2, coldBytes: 5_000_000, snapshots: 7 };

t.test('stat', async (t) => {
  const gone: BucketReport = { ...report, bucket: bucket(1), records: 0, hotRecords: null, hotBytes: null, snapshots: null, coldFiles: null, coldBytes: null, note: 'n1 knows\nof position 4' };
  t.equal(statTable({ ...total, buckets: [report] }, false), [
    'BUCKET  RECORDS  HOT RECORDS  HOT BYTES  SNAPSHOTS  COLD FILES  COLD BYTES  STATE',
    'all     1200                  87.9 KiB   7          2           4.8 MiB     ok',
  ].join('\n'));
  const lines = statTable({ ...total, buckets: [report, gone] }, true).split('\n');
  t.equal(lines.length, 4);
  t.match(lines[1], /^0 +1200 +200 +87\.9 KiB +7 +2 +4\.8 MiB +ok$/);
  t.match(lines[2], /^1 +0 +- +- +- +- +- +went back: n1 knows\\u000aof position 4$/);
  t.match(lines[3], /1 of 2 went back$/);
});

t.test('verify', async (t) => {
  t.same(verifyLines({ buckets: 2, records: 9, coldFiles: 3, findings: [], unlisted: [] }), ['ok: 9 records of 2 buckets, 3 cold files']);
  const findings = [{ bucket: bucket(1), why: 'the file is missing', location: 'main/x.seg, offset 0' }, { bucket: null, why: 'odd', location: '' }];
  t.same(verifyLines({ buckets: 2, records: 9, coldFiles: 3, findings, unlisted: ['main/y.seg'] }), [
    'DAMAGED bucket 1: the file is missing (main/x.seg, offset 0)',
    'DAMAGED odd',
    'unlisted main/y.seg',
    '1 file is in the list of no bucket: left by writers that ended, or given up with an accepted loss. No damage.',
    '2 damaged: 9 records of 2 buckets, 3 cold files',
  ]);
});

t.test('compact', async (t) => {
  t.equal(compactLine({ buckets: 3, ranges: 4, hotBytesBefore: 3 * 1024 * 1024, hotBytesAfter: 2_048 }), '4 files written for 3 buckets; hot were 3.0 MiB, now 2.0 KiB');
});

t.test('accept-loss', async (t) => {
  const loss: Loss = { bucket: bucket(1), note: null, positionFound: 10, positionKnown: 25, cold: { ranges: [], position: 20, incarnations: [] }, isForked: false };
  const describe = ({ positionKnown }: Loss): string => `up to ${positionKnown}`;
  t.same(lossLines({ journal: null, buckets: [], unreadable: [] }, describe), ['nothing is known to be lost']);
  t.same(lossLines({ journal: 'another journal', buckets: [], unreadable: ['main/z.seg'] }, describe), [
    'another journal', 'main/z.seg cannot be read, and counts as lost', 'of its buckets nothing is known to be lost',
  ]);
  t.same(lossLines({ journal: null, buckets: [loss], unreadable: [] }, describe), ['BUCKET  WHAT\n1       up to 25']);
  t.match(accepting([loss]), /^Go on with 1 bucket, without 5 records/);
  t.match(accepting([loss, { ...loss, positionKnown: 15 }]), /2 buckets, without 5 records/, 'of which the cold tier has more than is known, nothing is lost');
});
