/** Ranges in Redis and ranges in a folder, in one log; stores that go back together with what is sealed in them; and looking at all that from outside. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import t from 'tap';

import { Dice } from '../contract-model.ts';
import type { ColdRange } from '../cold/cold-range.ts';
import { isInStore } from '../cold/cold-range.ts';
import { createColdTier } from '../cold/cold-tier.ts';
import { inspectStore } from './inspection.ts';
import { connectOperations } from './operations.ts';
import { createRedisJournal } from './redis-journal.ts';
import { copyOf, folderOf, restore } from './testing/rig.ts';
import { BITS, bucket, HOT_BYTES, tieredRigFor } from './testing/tiered-rig.ts';
import type { TieredJournal, TieredRig } from './testing/tiered-rig.ts';
import { TieredWork } from './testing/tiered-work.ts';

const noFolder = { tier: null };

async function workFor({ journal, demotion }: TieredJournal, work: TieredWork, demotions: number): Promise<void> {
  const goal = demotion.demotions + demotions;
  while (demotion.demotions < goal) {
    await work.append(journal, 1);
    await demotion.idle();
  }
}

/** 's' for each range that is sealed in Redis, 'f' for each in the folder. */
function placesOf({ journal }: TieredJournal): string {
  const { buckets } = journal as unknown as { buckets: { get(id: typeof bucket): { cold: readonly ColdRange[] } } };
  return buckets.get(bucket).cold.map((range) => (isInStore(range) ? 's' : 'f')).join('');
}

function storeOf({ redis }: TieredRig): { addresses: { host: string; port: number }[] } {
  return { addresses: [{ host: '127.0.0.1', port: redis.port }] };
}

await t.test('a journal that began without a folder and is given one reads both, and goes on in the folder', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one', noFolder);
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(1));
  await workFor(one, work, 3);

  const two = await rig.journal('two');
  t.same(work.resume(await two.journal.openBucket(bucket)), []);
  t.same(await work.complaintsOf(two.journal), []);
  await workFor(two, work, 2);
  t.match(placesOf(two), /^s{3,}f{2,}$/);
  t.equal(readdirSync(join(rig.directory, 'main')).length, placesOf(two).replaceAll('s', '').length);
  t.same(await work.complaintsOf(two.journal), []);

  const third = await rig.journal('third');
  t.same(work.resume(await third.journal.openBucket(bucket)), []);
  t.same(await work.complaintsOf(third.journal), []);

  await t.test('without the folder it is refused at the start, and takes no epoch', async (t) => {
    const before = await rig.redis.command('HGET', '{main:3}:4.3:meta', 'e');
    const journal = createRedisJournal({ store: storeOf(rig), bucketBits: BITS, node: 'without', tier: null });
    await t.rejects(journal.open(), { code: 'CONFIG_INVALID', message: /1 of 16 buckets have records in a cold tier, and this node has none/, hint: /--cold/ });
    await journal.close();
    t.equal(await rig.redis.command('HGET', '{main:3}:4.3:meta', 'e'), before);
  });

  await t.test('one that was started before there was a folder is refused when it opens the bucket again', async (t) => {
    await t.rejects(one.journal.openBucket(bucket), { code: 'CONFIG_INVALID', message: /bucket 3\/16 has records in a cold tier, and this node has none/ });
    t.match(await one.journal.openBucket({ bits: BITS, index: 4 }), { position: 0 }, 'other buckets are served');
  });

  await t.test('a folder that has none of the files is refused', async (t) => {
    const wrong = createRedisJournal({ store: storeOf(rig), bucketBits: BITS, node: 'wrong', tier: createColdTier({ directory: folderOf(t) }) });
    await t.rejects(wrong.open(), { code: 'CONFIG_INVALID', message: /has none of their newest files/ });
    await wrong.close();
  });
});

await t.test('a store restored from an older copy has what was sealed by then, no more, and goes on', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one', noFolder);
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(2));
  await workFor(one, work, 3);
  await one.journal.close();
  one.abandon();
  const copy = await copyOf(t, rig.redis);

  const witness = folderOf(t);
  const two = await rig.journal('two', { ...noFolder, witness });
  const then = await two.journal.openBucket(bucket);
  t.same(work.resume(then), []);
  await workFor(two, work, 3);
  await two.journal.close();
  two.abandon();
  await restore(rig.redis, copy);

  const knows = await rig.journal('two', { ...noFolder, witness });
  await t.rejects(knows.journal.openBucket(bucket), { code: 'ROLLED_BACK' }, 'the witness knows, as without sealed ranges');
  const operations = await connectOperations({ store: storeOf(rig), bucketBits: BITS, node: 'operator', witness });
  t.teardown(() => operations.close());
  const losses = await operations.losses();
  t.match(losses.buckets, [{ bucket, positionFound: then.position }]);
  await operations.accept(losses);

  const next = await rig.journal('next', noFolder);
  const head = await next.journal.openBucket(bucket);
  t.equal(head.position, then.position);
  work.acknowledged = head.position;
  work.resume(head);
  t.same(await work.complaintsOf(next.journal), []);
  await workFor(next, work, 3);
  t.match(placesOf(next), /^s{6,}$/);
  t.same(await work.complaintsOf(next.journal), []);
});

await t.test('from outside: every range is checked, what nobody lists is named, and compacting seals', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one', { ...noFolder, hotBytesPerBucketMax: 200 * HOT_BYTES });
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(3));
  await work.append(one.journal, 1_000);
  const inspection = await inspectStore({ store: storeOf(rig), namespace: 'main', tier: null, onWarning: (message) => t.fail(message) });
  t.teardown(() => inspection.close());
  t.match(await inspection.compact!(), { buckets: 1, ranges: 1 });
  t.match(await inspection.verify(), { buckets: 16, records: work.maker.position, coldFiles: 1, findings: [], unlisted: [] });
  // As another owner of the past may have left it.
  const [key] = (await rig.redis.command('KEYS', '*:sealed:*')) as [Buffer];
  const other = String(key).replace(/-[0-9a-f]{32}\.seg$/, `-${'0'.repeat(32)}.seg`);
  await rig.redis.command('COPY', key, other);
  t.match(await inspection.verify(), { coldFiles: 1, unlisted: [`store:main/${other.slice(other.lastIndexOf(':') + 1)}`] });
  await rig.redis.command('SETRANGE', key, 40, '????????');
  t.match(await inspection.verify(), { findings: [{ bucket }] });
});
