/**
 * What an append costs: records/s and CPU per record in large batches, and the latency of a single small append beside a bare
 * append and fdatasync of the same bytes.
 *
 *   node runtime/journal/segment/append.bench.ts [seconds per latency part] [directory]
 */

import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { LogMaker } from '../contract-log.ts';
import type { Append, Journal } from '../journal.ts';
import { createSegmentJournal } from './segment-journal.ts';

const seconds = Number(process.argv[2] ?? 3);
const directory = fs.mkdtempSync(join(process.argv[3] ?? tmpdir(), 'troupe-bench-'));
const BUCKETS = 256;
const RECORDS = 1000;
const RECORD_BYTES = 250;
const ACTORS = 100_000;
const BATCHES = 800;

await throughput();
await latency();
bare('preallocated, sync', true);
bare('growing, sync', false);
await bareLater('preallocated, async', true);
await bareLater('growing, async', false);
fs.rmSync(directory, { recursive: true, force: true });

async function throughput(): Promise<void> {
  const journal = createSegmentJournal({ directory: join(directory, 'throughput'), onWarning: console.error });
  await journal.open();
  const heads = await journal.openBuckets(Array.from({ length: BUCKETS }, (_, index) => ({ bits: 8, index })));
  const batches = madeAhead(heads.map((head) => new LogMaker(head)));
  await run(journal, batches.slice(0, 50));
  const cpu = process.cpuUsage();
  const start = performance.now();
  await run(journal, batches.slice(50));
  const took = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  const records = (batches.length - 50) * RECORDS;
  const perRecord = ((used.user + used.system) / records).toFixed(3);
  const what = `${RECORDS} records of ${RECORD_BYTES} bytes a call over ${BUCKETS} buckets, two calls in flight`;
  console.log(`${what}: ${Math.round(records / took)} records/s, ${perRecord} µs CPU a record (kernel and sealing included)`);
  await journal.close();
}

/** The owner chains the heads, so that is not measured here; and without real heads nothing could be sealed. */
function madeAhead(logs: LogMaker[]): Append[][] {
  let actor = 0;
  const payload = Buffer.alloc(RECORD_BYTES - 40);
  return Array.from({ length: BATCHES }, () =>
    logs.map((log, b) => {
      const count = Math.floor(RECORDS / BUCKETS) + (b < RECORDS % BUCKETS ? 1 : 0);
      const actors = Array.from({ length: count }, () => `bench.v1.Actor:${(actor = (actor + 7919) % ACTORS)}`);
      payload.writeUInt32LE(actor, 8);
      const append = log.next(actors, () => payload);
      log.records.length = 0;
      return append;
    }),
  );
}

/** Two callers, each with one call in flight: what one appends while the other's is written shares the next commit. */
async function run(journal: Journal, batches: readonly Append[][]): Promise<void> {
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < batches.length) {
      const outcomes = await journal.append(batches[next++]!);
      for (const outcome of outcomes) if (outcome.kind !== 'appended') throw new Error(JSON.stringify(outcome));
    }
  };
  await Promise.all([caller(), caller()]);
}

async function latency(): Promise<void> {
  const journal = createSegmentJournal({ directory: join(directory, 'latency') });
  await journal.open();
  const log = new LogMaker(await journal.openBucket({ bits: 8, index: 0 }));
  const times: number[] = [];
  const start = performance.now();
  while (performance.now() - start < seconds * 1000) {
    const append = log.next(['bench.v1.Actor:1'], () => Buffer.alloc(RECORD_BYTES - 40));
    log.records.length = 0;
    const from = performance.now();
    await journal.append([append]);
    times.push(performance.now() - from);
    await new Promise(setImmediate);
  }
  await journal.close();
  report('journal, one record an append', times);
}

function prepared(preallocated: boolean): number {
  const descriptor = fs.openSync(join(directory, 'bare'), 'w+');
  if (preallocated) {
    const zeros = Buffer.alloc(1 << 20);
    for (let i = 0; i < 32; i++) fs.writeSync(descriptor, zeros, 0, zeros.length, i << 20);
    fs.fsyncSync(descriptor);
  }
  return descriptor;
}

function bare(what: string, preallocated: boolean): void {
  const descriptor = prepared(preallocated);
  const bytes = Buffer.alloc(RECORD_BYTES + 100, 7);
  const times: number[] = [];
  const start = performance.now();
  for (let at = 0; performance.now() - start < seconds * 1000; at += bytes.length) {
    const from = performance.now();
    fs.writeSync(descriptor, bytes, 0, bytes.length, at);
    fs.fdatasyncSync(descriptor);
    times.push(performance.now() - from);
  }
  fs.closeSync(descriptor);
  report(`bare append+fdatasync, ${what}`, times);
}

async function bareLater(what: string, preallocated: boolean): Promise<void> {
  const descriptor = prepared(preallocated);
  const bytes = Buffer.alloc(RECORD_BYTES + 100, 7);
  const times: number[] = [];
  const start = performance.now();
  for (let at = 0; performance.now() - start < seconds * 1000; at += bytes.length) {
    const from = performance.now();
    await new Promise<void>((resolve, reject) => {
      fs.write(descriptor, bytes, 0, bytes.length, at, (error) => {
        if (error !== null) reject(error);
        else fs.fdatasync(descriptor, (failed) => (failed === null ? resolve() : reject(failed)));
      });
    });
    times.push(performance.now() - from);
  }
  fs.closeSync(descriptor);
  report(`bare append+fdatasync, ${what}`, times);
}

function report(what: string, times: number[]): void {
  times.sort((a, b) => a - b);
  const at = (share: number): string => times[Math.floor(times.length * share)]!.toFixed(3);
  console.log(`${what}: median ${at(0.5)} ms, p99 ${at(0.99)} ms, ${times.length} samples`);
}
