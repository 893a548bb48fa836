/** What `troupe journal` shows to a person. */

import type { BucketReport, CompactReport, Loss, Losses, StatReport, VerifyReport } from '../journal-tools.ts';
import { bytesText, countText } from './quantities.ts';
import { printable, table } from './terminal.ts';

export function statTable(report: StatReport, bucketsToo: boolean): string {
  const lost = report.buckets.filter(({ note }) => note !== null).length;
  const total = [
    'all', String(report.records), '', bytesText(report.hotBytes), countText(report.snapshots), String(report.coldFiles), bytesText(report.coldBytes),
    lost === 0 ? 'ok' : `${lost} of ${report.buckets.length} went back`,
  ];
  const rows = bucketsToo ? report.buckets.map(bucketRow) : [];
  return table(['BUCKET', 'RECORDS', 'HOT RECORDS', 'HOT BYTES', 'SNAPSHOTS', 'COLD FILES', 'COLD BYTES', 'STATE'], [...rows, total]);
}

function bucketRow({ bucket, records, hotRecords, hotBytes, snapshots, coldFiles, coldBytes, note }: BucketReport): string[] {
  return [String(bucket.index), String(records), countText(hotRecords), bytesText(hotBytes), countText(snapshots), countText(coldFiles), bytesText(coldBytes), note === null ? 'ok' : `went back: ${note}`];
}

export function verifyLines({ buckets, records, coldFiles, findings, unlisted }: VerifyReport): string[] {
  const lines = findings.map(({ bucket, why, location }) => `DAMAGED ${bucket === null ? '' : `bucket ${bucket.index}: `}${printable(why)}${location === '' ? '' : ` (${printable(location)})`}`);
  for (const file of unlisted) lines.push(`unlisted ${printable(file)}`);
  if (unlisted.length > 0) lines.push(`${unlisted.length} ${unlisted.length === 1 ? 'file is' : 'files are'} in the list of no bucket: left by writers that ended, or given up with an accepted loss. No damage.`);
  lines.push(`${findings.length === 0 ? 'ok' : `${findings.length} damaged`}: ${records} records of ${buckets} buckets, ${coldFiles} cold files`);
  return lines;
}

export function compactLine({ buckets, ranges, hotBytesBefore, hotBytesAfter }: CompactReport): string {
  return `${ranges} files written for ${buckets} buckets; hot were ${bytesText(hotBytesBefore)}, now ${bytesText(hotBytesAfter)}`;
}

export function lossLines({ journal, buckets, unreadable }: Losses, describe: (loss: Loss) => string): string[] {
  const lines: string[] = [];
  if (journal !== null) lines.push(printable(journal));
  for (const file of unreadable) lines.push(`${printable(file)} cannot be read, and counts as lost`);
  if (buckets.length === 0) lines.push(journal === null ? 'nothing is known to be lost' : 'of its buckets nothing is known to be lost');
  else lines.push(table(['BUCKET', 'WHAT'], buckets.map((loss) => [String(loss.bucket.index), describe(loss)])));
  return lines;
}

/** The question before it is done. */
export function accepting(chosen: readonly Loss[]): string {
  const lost = chosen.reduce((sum, { positionFound, positionKnown, cold }) => sum + Math.max(0, positionKnown - Math.max(positionFound ?? 0, cold.position)), 0);
  return `Go on with ${chosen.length} ${chosen.length === 1 ? 'bucket' : 'buckets'}, without ${lost} records that are known to be lost? It cannot be taken back. Type yes: `;
}
