/**
 * File names of a journal directory. Everything that is durable is said by the names: the numbers of log files and segments
 * together are 1, 2, 3, ... without a gap, so a file that is missing is seen, and is an error, never "empty".
 */

import { hashToHex } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';

/** `log-<number>-<generation>-<incarnation>.log`; recovery writes the next generation of the same number. */
export interface LogName {
  readonly file: string;
  readonly number: number;
  readonly generation: number;
  readonly incarnation: Hash64;
}

/** `segment-<number>-<incarnation of the log it was sealed from>-<digest>.seg` */
export interface SegmentName {
  readonly file: string;
  readonly number: number;
  readonly incarnation: Hash64;
  readonly digest: string;
}

/** Present once the first log file is durable: from then on a directory without one is damaged, not new. */
export const formatFile = 'journal.format';
export const spareFile = 'spare.tmp';

export interface Listing {
  readonly logs: LogName[];
  readonly segments: SegmentName[];
  /** Left by a crash in the middle of something; of no value. */
  readonly leftovers: string[];
  readonly formatted: boolean;
}

export function logName(number: number, generation: number, incarnation: Hash64): LogName {
  const file = `log-${padded(number)}-${generation}-${hashToHex(incarnation)}.log`;
  return { file, number, generation, incarnation };
}

export function segmentName(number: number, incarnation: Hash64, digest: string): SegmentName {
  return { file: `segment-${padded(number)}-${hashToHex(incarnation)}-${digest}.seg`, number, incarnation, digest };
}

export function readListing(files: readonly string[]): Listing {
  const logs: LogName[] = [];
  const segments: SegmentName[] = [];
  const leftovers: string[] = [];
  for (const file of files) {
    const log = /^log-(\d{8,})-(\d+)-([0-9a-f]{16})\.log$/.exec(file);
    const segment = /^segment-(\d{8,})-([0-9a-f]{16})-([0-9a-f]{32})\.seg$/.exec(file);
    if (log !== null) logs.push(logName(Number(log[1]), Number(log[2]), fromHex(log[3]!)));
    else if (segment !== null) segments.push(segmentName(Number(segment[1]), fromHex(segment[2]!), segment[3]!));
    else if (file.endsWith('.tmp')) leftovers.push(file);
  }
  logs.sort((a, b) => a.number - b.number || a.generation - b.generation);
  segments.sort((a, b) => a.number - b.number);
  return { logs, segments, leftovers, formatted: files.includes(formatFile) };
}

function padded(number: number): string {
  return String(number).padStart(8, '0');
}

function fromHex(hex: string): Hash64 {
  return { hi: Number.parseInt(hex.slice(0, 8), 16), lo: Number.parseInt(hex.slice(8), 16) };
}
