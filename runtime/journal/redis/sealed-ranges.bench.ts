/**
 * What sealing ranges in Redis is worth: memory of the server for the same records, and what a journal that comes fresh reads, and how long it takes,
 * to open all buckets. Once with everything in the log, once with 64 KiB a bucket there and the rest sealed.
 *
 *   node runtime/journal/redis/sealed-ranges.bench.ts [records]
 */

import { startRedis } from '../../testing/redis-server.ts';
import type { RedisServer } from '../../testing/redis-server.ts';
import type { BucketId } from '../../codec/address.ts';
import { hashText } from '../../codec/address.ts';
import { LogMaker } from '../contract-log.ts';
import { Dice } from '../contract-model.ts';
import type { Journal } from '../journal.ts';
import type { Demotion } from './demotion.ts';
import { createRedisJournal } from './redis-journal.ts';

const records = Number(process.argv[2] ?? 200_000);
const BITS = 8;
const ACTORS_PER_BUCKET = 40;
const RECORDS_PER_APPEND = 4;
const HOT_BYTES = 64 * 1024;
const READS = 200;
const MIB = 2 ** 20;

const ids: BucketId[] = Array.from({ length: 2 ** BITS }, (_, index) => ({ bits: BITS, index }));
const dice = new Dice(3);
const bundle = Buffer.from(Array.from({ length: 32 }, () => dice.below(256)));

for (const [name, hotBytesPerBucketMax] of [['all in the log', Infinity], ['sealed', HOT_BYTES]] as const) {
  const redis = await startRedis({ appendonly: true, appendfsync: 'no' });
  const journalOn = (): Journal => createRedisJournal({ store: { addresses: [{ host: '127.0.0.1', port: redis.port }] }, bucketBits: BITS, node: 'n1', hotBytesPerBucketMax });
  await fill(journalOn());
  const memory = (await info(redis, 'memory', 'used_memory')) / MIB;
  const fresh = journalOn();
  await fresh.open();
  const before = await info(redis, 'stats', 'total_net_output_bytes');
  const begin = performance.now();
  await fresh.openBuckets(ids);
  const openMs = performance.now() - begin;
  const read = ((await info(redis, 'stats', 'total_net_output_bytes')) - before) / MIB;
  const readMs = await reading(fresh);
  const { segments, hotBytes, coldBytes } = fresh.stat();
  console.log(`${name}: used_memory ${memory.toFixed(1)} MiB; opening ${ids.length} buckets ${openMs.toFixed(0)} ms, ${read.toFixed(2)} MiB read; an actor's history ${readMs.toFixed(2)} ms; ${(hotBytes / MIB).toFixed(1)} MiB hot, ${(coldBytes / MIB).toFixed(1)} MiB in ${segments} ranges`);
  await fresh.close();
  await redis.remove();
}

async function fill(journal: Journal): Promise<void> {
  await journal.open();
  const logs = (await journal.openBuckets(ids)).map((head) => new LogMaker(head));
  for (let made = 0; made < records; made += ids.length * RECORDS_PER_APPEND) {
    const outcomes = await journal.append(logs.map((log) => log.next(Array.from({ length: RECORDS_PER_APPEND }, () => actorOf(log.bucket, dice.below(ACTORS_PER_BUCKET))), payload)));
    if (outcomes.some(({ kind }) => kind !== 'appended')) throw new Error('an append was not taken');
    for (const log of logs) log.records.length = 0;
  }
  await (journal as unknown as { demotion: Demotion }).demotion.idle();
  await journal.close();
}

/** Cold for the most part: of every actor the first ranges have records. */
async function reading(journal: Journal): Promise<number> {
  const begin = performance.now();
  for (let i = 0; i < READS; i++) {
    const bucket = dice.pick(ids);
    const actor = actorOf(bucket, dice.below(ACTORS_PER_BUCKET));
    await journal.readActor(bucket, actor, hashText(actor));
  }
  return (performance.now() - begin) / READS;
}

function actorOf({ index }: BucketId, number: number): string {
  return `shop.v1.Order:o-${index}-${number}`;
}

/** As in cold-tier.bench.ts: with what stands around it about 200 bytes a record, of which 24 cannot be compressed. */
function payload(): Buffer {
  const text = `principal user-${dice.below(10_000)} PlaceOrder OrderPlaced customer-${dice.below(100_000)} sku-${dice.below(5_000)} quantity ${dice.below(10)} amount ${dice.below(100_000)}`;
  return Buffer.concat([Buffer.from(text), bundle, Buffer.from(Array.from({ length: 24 }, () => dice.below(256)))]);
}

async function info(redis: RedisServer, section: string, name: string): Promise<number> {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(String(await redis.command('INFO', section)))![1]);
}
