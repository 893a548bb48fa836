/**
 * What the cold tier costs: writing ranges (bytes/s, CPU per record, on the event loop and in all, the longest turn), compression, and
 * reading one actor and a whole range, from files and from the caches.
 *
 *   node runtime/journal/cold/cold-tier.bench.ts [records] [directory]
 */

import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { hashText } from '../../codec/address.ts';
import { Dice } from '../contract-model.ts';
import type { ColdRange } from './cold-range.ts';
import { createColdTier } from './cold-tier.ts';
import type { ColdTier } from './cold-tier.ts';
import { newLog, snapshotAt, writeOf } from './testing/cold-log.ts';

const records = Number(process.argv[2] ?? 100_000);
const directory = fs.mkdtempSync(join(process.argv[3] ?? tmpdir(), 'troupe-bench-'));
const RANGE_RECORDS = 20_000;
const ACTORS = 5_000;
const READS = 200;

const dice = new Dice(3);
const log = newLog();
const bundle = Buffer.from(Array.from({ length: 32 }, () => dice.below(256)));
const actors = Array.from({ length: ACTORS }, (_, i) => `shop.v1.Order:o-${i}`);
while (log.position < records) log.next(Array.from({ length: 100 }, () => dice.pick(actors)), payload);

const tier = createColdTier({ directory });
await tier.write(writeOf(log, 1, RANGE_RECORDS));
const ranges = await writing();
await tier.close();
const { bytes, rawBytes } = tier.stat(ranges);
console.log(`compression: ${(rawBytes / bytes).toFixed(2)} to 1, index and heads included; ${(rawBytes / ranges.length / 2 ** 20).toFixed(1)} MiB a range`);
await reading();
fs.rmSync(directory, { recursive: true, force: true });

/** About 200 bytes a record: names and numbers as a shop has them, the hash of a bundle, and 24 bytes that nothing can compress. */
function payload(): Buffer {
  const caller = `principal user-${dice.below(10_000)} key ${dice.below(2 ** 31).toString(36)} `;
  const text = `${caller}PlaceOrder OrderPlaced customer-${dice.below(100_000)} sku-${dice.below(5_000)} quantity ${dice.below(10)} currency EUR amount ${dice.below(100_000)}`;
  return Buffer.concat([Buffer.from(text), bundle, Buffer.from(Array.from({ length: 24 }, () => dice.below(256)))]);
}

async function writing(): Promise<ColdRange[]> {
  const writes = [];
  for (let from = 1; from <= log.position; from += RANGE_RECORDS) {
    const to = Math.min(log.position + 1, from + RANGE_RECORDS);
    writes.push(writeOf(log, from, to, Array.from({ length: 200 }, () => snapshotAt(log, from + dice.below(to - from), 200))));
  }
  const ranges: ColdRange[] = [];
  const turns: number[] = [];
  const cpu = process.cpuUsage();
  const own = process.threadCpuUsage();
  const start = performance.now();
  for (const write of writes) turns.push(await longestTurn(async () => void ranges.push(await tier.write(write))));
  const took = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  const mine = process.threadCpuUsage(own);
  const { rawBytes } = tier.stat(ranges);
  const perRecord = (usage: NodeJS.CpuUsage): string => ((usage.user + usage.system) / records).toFixed(2);
  console.log(`write: ${records} records in ${ranges.length} ranges, ${(rawBytes / took / 2 ** 20).toFixed(1)} MiB/s, ${Math.round(records / took)} records/s`);
  console.log(`write: ${perRecord(used)} µs CPU a record, ${perRecord(mine)} of them on the event loop`);
  console.log(`write: longest turn of the event loop in each range: ${turns.map((turn) => turn.toFixed(2)).join(' ')} ms`);
  return ranges;
}

/** Looked at every millisecond, so that looking costs little. */
async function longestTurn(work: () => Promise<void>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last - 1);
    last = now;
  }, 1);
  await work();
  clearInterval(timer);
  return longest;
}

async function reading(): Promise<void> {
  const one = ranges.slice(0, 1);
  const last = ranges.length;
  const cold: number[] = [];
  for (let i = 0; i < 20; i++) {
    // Nothing is known of the file; its pages are still in the page cache of this machine.
    const fresh = createColdTier({ directory });
    cold.push(await timed(() => readOne(fresh, one)));
    await fresh.close();
  }
  console.log(`read an actor, one range: ${summary(cold)} µs with nothing in the caches of the tier`);
  const warmTier = createColdTier({ directory });
  await readOne(warmTier, ranges);
  const blocks: number[] = [];
  for (let i = 0; i < READS; i++) blocks.push(await timed(() => readOne(warmTier, one)));
  console.log(`read an actor, one range: ${summary(blocks)} µs with the tables in the cache`);
  const many: number[] = [];
  for (let i = 0; i < READS; i++) many.push(await timed(() => readOne(warmTier, ranges)));
  console.log(`read an actor, ${last} ranges: ${summary(many)} µs with the tables in the cache`);
  const absent: number[] = [];
  for (let i = 0; i < READS; i++) absent.push(await timed(() => warmTier.readActor(ranges, `shop.v1.Order:x-${i}`, hashText(`shop.v1.Order:x-${i}`))));
  console.log(`read an actor that is in none of ${last} ranges: ${summary(absent)} µs`);
  const start = performance.now();
  let count = 0;
  for await (const record of warmTier.readRange(ranges, 1)) count += record.bytes.length > 0 ? 1 : 0;
  console.log(`read all: ${Math.round(count / ((performance.now() - start) / 1000))} records/s`);
  const verified = performance.now();
  for (const range of ranges) if ((await warmTier.verify(range)).length > 0) throw new Error('damaged');
  console.log(`verify: ${(rawBytes / ((performance.now() - verified) / 1000) / 2 ** 20).toFixed(1)} MiB/s`);
  await warmTier.close();
}

async function readOne(from: ColdTier, list: readonly ColdRange[]): Promise<void> {
  const actor = dice.pick(actors);
  await from.readActor(list, actor, hashText(actor));
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) * 1000;
}

function summary(times: number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  return `${Math.round(sorted[sorted.length >> 1]!)} (p90 ${Math.round(sorted[Math.floor(sorted.length * 0.9)]!)})`;
}
