/**
 * Reads the log of a bucket from Redis behind the journal's back: it knows the keys by heart, walks the entries itself, and gives
 * every record with the head that the store claims for it. What does not fit is told, and the reading goes on.
 */

import type { BucketId } from '../../runtime/codec/address.ts';
import { chain } from '../../runtime/codec/chain.ts';
import { hashToHex, sameHash } from '../../runtime/codec/hash64.ts';
import type { Hash64 } from '../../runtime/codec/hash64.ts';
import type { StoredRecord } from '../../runtime/journal/journal.ts';
import { RunWalker } from '../../runtime/journal/record-run.ts';
import type { RespClient } from '../../runtime/testing/resp.ts';

export interface BucketStanding {
  readonly epoch: number;
  /** Head of the empty log. */
  readonly origin: Hash64;
  readonly position: number;
  readonly head: Hash64;
  /** Up to here the log was demoted, and is not in Redis any more. */
  readonly trimmed: number;
}

/** Where a log was read up to. */
export interface LogEnd {
  readonly position: number;
  readonly head: Hash64;
}

const ENTRIES_PER_READ = 200;

function keyOf({ bits, index }: BucketId, what: 'meta' | 'log', namespace: string): string {
  return `{${namespace}:${index % 16}}:${bits}.${index}:${what}`;
}

/** Epoch and position of buckets, each pair as it was in one moment; null for a bucket that the store does not have. */
export async function lookAtBuckets(client: RespClient, ids: readonly BucketId[], namespace = 'main'): Promise<({ epoch: number; position: number } | null)[]> {
  const answers = await Promise.all(ids.map((id) => client.command('HMGET', keyOf(id, 'meta', namespace), 'e', 'p')));
  return answers.map((answer) => {
    const [epoch, position] = answer as (Buffer | string | null)[];
    return epoch == null || position == null ? null : { epoch: Number(String(epoch)), position: Number(String(position)) };
  });
}

/** @throws Error when the store does not have the bucket, or part of its log is elsewhere */
export async function standingOf(client: RespClient, id: BucketId, namespace = 'main'): Promise<BucketStanding> {
  const [epoch, origin, position, head, trimmed] = (await client.command('HMGET', keyOf(id, 'meta', namespace), 'e', 'o', 'p', 'h', 't')) as (Buffer | null)[];
  if (origin == null || head == null) throw new Error(`the store does not have bucket ${id.index}`);
  const standing = { epoch: Number(String(epoch)), origin: hashIn(origin), position: Number(String(position)), head: hashIn(head), trimmed: Number(String(trimmed)) };
  if (standing.trimmed > 0) throw new Error(`bucket ${id.index} was demoted up to ${standing.trimmed}: the proof needs the whole log`);
  return standing;
}

/** Whether the store notes that the bucket went back, so that nobody may open it. */
export async function isRefused(client: RespClient, id: BucketId, namespace = 'main'): Promise<boolean> {
  return (await client.command('HEXISTS', keyOf(id, 'meta', namespace), 'x')) === 1;
}

/**
 * The records of a bucket up to where it stands, all of them or those behind `after`, which is the end of an append. `client` gives bytes; `say`
 * hears what does not fit.
 */
export async function* readStoredLog(
  client: RespClient, id: BucketId, standing: BucketStanding, say: (what: string) => void, namespace = 'main', after: LogEnd | null = null,
): AsyncIterable<StoredRecord> {
  const walker = new RunWalker();
  const name = `bucket ${id.index}`;
  let position = after?.position ?? 0;
  let head = after?.head ?? standing.origin;
  let from = after === null ? '-' : `(${after.position}-0`;
  reading: for (;;) {
    const entries = (await client.command('XRANGE', keyOf(id, 'log', namespace), from, '+', 'COUNT', ENTRIES_PER_READ)) as [Buffer, Buffer[]][];
    for (const [entry, [, headAfter, , run]] of entries) {
      const last = Number.parseInt(entry.toString(), 10);
      // Appended since the bucket was looked at.
      if (last > standing.position) break reading;
      const claimed = hashIn(headAfter!);
      walker.over(run!);
      const records: StoredRecord[] = [];
      while (walker.next()) {
        const next = { hi: 0, lo: 0 };
        chain(next, head, run!, walker.from, walker.to);
        head = next;
        records.push({ position: ++position, head, bytes: run!.subarray(walker.from, walker.to) });
      }
      if (records.length === 0) say(`L1: ${name}: entry ${entry.toString()} holds no record`);
      else records[records.length - 1] = { ...records.at(-1)!, head: claimed };
      if (last !== position) say(`L1: ${name}: the entry that ends at ${position} is called ${entry.toString()}`);
      yield* records;
      position = last;
      head = claimed;
      from = `(${entry.toString()}`;
    }
    if (entries.length < ENTRIES_PER_READ) break;
  }
  if (position !== standing.position) say(`L1: ${name}: the log ends at ${position}, the bucket says ${standing.position}`);
  if (!sameHash(head, standing.head)) say(`L3: ${name}: the log leads to ${hashToHex(head)}, the bucket says ${hashToHex(standing.head)}`);
}

function hashIn(bytes: Buffer): Hash64 {
  return { lo: bytes.readUInt32LE(0), hi: bytes.readUInt32LE(4) };
}
