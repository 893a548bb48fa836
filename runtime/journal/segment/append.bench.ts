/**
 * What an append costs: records/s and CPU per record in large batches, and the latency of a single small append beside a bare
 * append and fdatasync of the same bytes.
 *
 *   node runtime/journal/segment/append.bench.ts [seconds per part] [directory]
 */

import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { hashText } from '../../codec/address.ts';
import { LogMaker } from '../contract-log.ts';
import type { Append, Journal } from '../journal.ts';
import { createSegmentJournal } from './segment-journal.ts';

const seconds = Number(process.argv[2] ?? 3);
const directory = fs.mkdtempSync(join(process.argv[3] ?? tmpdir(), 'troupe-bench-'));
const BUCKETS = 256;
const RECORDS = 1000;
const RECORD_BYTES = 250;
const ACTORS = 100_000;

await throughput();
await latency();
bare('preallocated, sync', true);
bare('growing, sync', false);
await bareLater('preallocated, async', true);
await bareLater('growing, async', false);
fs.rmSync(directory, { recursive: true, force: true });

async function throughput(): Promise<void> {
  const journal = createSegmentJournal({ directory: join(directory, 'throughput') });
  await journal.open();
  const heads = await journal.openBuckets(Array.from({ length: BUCKETS }, (_, index) => ({ bits: 8, index })));
  // The same bytes every time: heads need not be chained for the journal to take them, and chaining is not what is measured.
  const logs = heads.map((head) => new LogMaker(head));
  const templates = logs.map((log, b) => {
    const count = Math.floor(RECORDS / BUCKETS) + (b < RECORDS % BUCKETS ? 1 : 0);
    return log.next(Array.from({ length: count }, (_, i) => `bench.v1.Actor:${b}-${i}`), () => Buffer.alloc(RECORD_BYTES - 40, b));
  });
  const hashes = Uint32Array.from({ length: 2 * ACTORS }, (_, i) => {
    const hash = hashText(`bench.v1.Actor:${i >> 1}`);
    return i % 2 === 0 ? hash.hi : hash.lo;
  });
  const positions = heads.map((head) => head.position);
  const before = heads.map((head) => head.head);
  let turn = 0;
  const batch = (): Append[] => templates.map((template, b) => {
    const headAfter = { hi: turn, lo: b + 1 };
    const at = 2 * ((turn * 7919 + b * 389) % (ACTORS - 8));
    const append = { ...template, position: positions[b]! + 1, headBefore: before[b]!, headAfter, actorHashes: hashes.subarray(at, at + 2 * template.count) };
    positions[b]! += template.count;
    before[b] = headAfter;
    return append;
  });
  await run(journal, 'warm up', 0.3);
  await run(journal, `${RECORDS} records of ${RECORD_BYTES} bytes a call over ${BUCKETS} buckets, two calls in flight`, seconds);
  await journal.close();

  async function run(journal: Journal, what: string, runSeconds: number): Promise<void> {
    const cpu = process.cpuUsage();
    const start = performance.now();
    let records = 0;
    const lane = async (): Promise<void> => {
      while (performance.now() - start < runSeconds * 1000) {
        turn++;
        const outcomes = await journal.append(batch());
        for (const outcome of outcomes) if (outcome.kind !== 'appended') throw new Error(JSON.stringify(outcome));
        records += RECORDS;
      }
    };
    await Promise.all([lane(), lane()]);
    const took = (performance.now() - start) / 1000;
    const used = process.cpuUsage(cpu);
    const perRecord = (used.user + used.system) / records;
    if (runSeconds >= 1) console.log(`${what}: ${Math.round(records / took)} records/s, ${perRecord.toFixed(3)} µs CPU a record (all threads)`);
  }
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
