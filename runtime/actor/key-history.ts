/**
 * Keys of an actor's commands in front of those that its window remembers, as its log has them. They are read when somebody has to be looked for, and kept for a
 * while: after an outage hundreds come again, and each would read the same minute of the log. [A node ends with nine hundred commands of an actor
 * unanswered; its window lets a hundred through at a time, and the actor has a hundred thousand records of that minute.]
 */

import { hashText } from '../codec/address.ts';
import { RecordReader } from '../codec/record.ts';
import type { StoredRecord } from '../journal/journal.ts';

/** Reads at most `recordsMax` of the actor's records with positions in `[from, to)`, the oldest first. */
export type ReadRecords = (from: number, to: number, recordsMax: number) => Promise<readonly StoredRecord[]>;

/** Records of one read. */
const PAGE_RECORDS = 8_192;

export class KeyHistory {
  /** The records in `[from, to)` are known. */
  private from: number;
  private to: number;
  /** How many records were read. */
  records = 0;
  /** When somebody was looked for last. */
  usedMs = 0;
  /** Where a key was used last. Keys that share a hash cannot be told apart here: whoever goes to the record sees whose it is. */
  private positions = new Map<number, number>();

  constructor(from: number) {
    this.from = this.to = from;
  }

  covers(from: number, to: number): boolean {
    return (from >= this.from && to <= this.to) || from >= to;
  }

  /** The newest record under that key; undefined when none of those that are known is. */
  find(principal: string, key: string): number | undefined {
    return this.positions.get(scopeOf(principal, key));
  }

  /** Learns what is missing of `[from, to)`. False when there were more than `recordsMax` to read, and not all is known. */
  async cover(from: number, to: number, read: ReadRecords, recordsMax: number): Promise<boolean> {
    if (from < this.from) {
      const older = new KeyHistory(from);
      if (!(await older.extend(this.from, read, recordsMax - this.records))) return false;
      for (const [scope, position] of this.positions) older.positions.set(scope, position);
      this.positions = older.positions;
      this.records += older.records;
      this.from = from;
    }
    return this.extend(to, read, recordsMax - this.records);
  }

  private async extend(to: number, read: ReadRecords, recordsMax: number): Promise<boolean> {
    const reader = new RecordReader();
    for (let count = 0; this.to < to; ) {
      if (count >= recordsMax) return false;
      const records = await read(this.to, to, PAGE_RECORDS);
      for (const { position, bytes } of records) {
        const { key, principal } = reader.over(bytes);
        if (key !== '') this.positions.set(scopeOf(principal, key), position);
      }
      count += records.length;
      this.records += records.length;
      this.to = records.length < PAGE_RECORDS ? to : records.at(-1)!.position + 1;
    }
    return true;
  }
}

function scopeOf(principal: string, key: string): number {
  const { hi, lo } = hashText(`${principal}\0${key}`);
  return (hi >>> 0) * 2 ** 21 + (lo >>> 11);
}
