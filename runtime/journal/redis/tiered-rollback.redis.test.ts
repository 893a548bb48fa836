/** A store that went back, or was emptied, while the cold tier knows more: found out, and of what is cold nothing is given up. */

import t from 'tap';
import type { Test } from 'tap';

import { LogMaker } from '../contract-log.ts';
import { Dice } from '../contract-model.ts';
import { createColdTier } from '../cold/cold-tier.ts';
import { connectOperations, describeLoss } from './operations.ts';
import type { JournalOperations, Losses } from './operations.ts';
import { copyOf, folderOf, restore } from './testing/rig.ts';
import { BITS, bucket, tieredRigFor } from './testing/tiered-rig.ts';
import type { TieredJournal, TieredRig } from './testing/tiered-rig.ts';
import { TieredWork } from './testing/tiered-work.ts';

async function workFor({ journal, demotion }: TieredJournal, work: TieredWork, demotions: number): Promise<void> {
  const goal = demotion.demotions + demotions;
  while (demotion.demotions < goal) {
    await work.append(journal, 1);
    await demotion.idle();
  }
}

async function operationsOn(t: Test, { redis, directory }: TieredRig, witness: string | null = null): Promise<JournalOperations> {
  const store = { addresses: [{ host: '127.0.0.1', port: redis.port }] };
  const operations = await connectOperations({ store, bucketBits: BITS, node: 'operator', witness, tier: createColdTier({ directory }) });
  t.teardown(() => operations.close());
  return operations;
}

/** Where the cold tier ends, as the loss has it. */
function coldEnd({ buckets }: Losses): number {
  return buckets.find((loss) => loss.bucket.index === bucket.index)!.cold.position;
}

/** The bucket goes on behind what is cold; what was hot alone is gone. */
async function goesOn(t: Test, rig: TieredRig, work: TieredWork, position: number): Promise<void> {
  const next = await rig.journal('after');
  const head = await next.journal.openBucket(bucket);
  t.equal(head.position, position);
  work.acknowledged = position;
  t.same(work.resume(head), []);
  t.same(await work.complaintsOf(next.journal), []);
  await workFor(next, work, 3);
  t.same(await work.complaintsOf(next.journal), []);
  await next.journal.close();
  // Whoever starts now has nothing to complain of either.
  const fresh = await rig.journal('fresh');
  t.same(work.resume(await fresh.journal.openBucket(bucket)), []);
  t.same(await work.complaintsOf(fresh.journal), []);
  t.same((await (await operationsOn(t, rig)).losses()).buckets, []);
}

await t.test('restored from an older copy: a fresh node finds out from the cold tier alone, and the log goes on behind it', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one');
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(1));
  await workFor(one, work, 3);
  const copy = await copyOf(t, rig.redis);
  const again = await rig.journal('again');
  t.same(work.resume(await again.journal.openBucket(bucket)), []);
  await workFor(again, work, 4);
  await work.append(again.journal, 1);
  const { acknowledged } = work;
  await again.journal.close();
  await one.journal.close();
  await restore(rig.redis, copy);

  const fresh = await rig.journal('fresh');
  await t.rejects(fresh.journal.openBucket(bucket), { code: 'ROLLED_BACK' });
  await fresh.journal.close();
  const operations = await operationsOn(t, rig);
  const losses = await operations.losses();
  t.equal(losses.journal, null);
  t.equal(losses.buckets.length, 1);
  const end = coldEnd(losses);
  t.ok(end > losses.buckets[0]!.positionFound! && end < acknowledged, `found ${losses.buckets[0]!.positionFound}, cold ${end}, acknowledged ${acknowledged}`);
  t.equal(describeLoss(losses.buckets[0]!), `nothing is lost, as far as is known here: the cold tier holds positions 1 to ${end}`);
  await operations.accept(losses);
  await goesOn(t, rig, work, end);
});

await t.test('restored, with a witness that knows more than the cold tier: what was hot alone is named as lost', async (t) => {
  const rig = await tieredRigFor(t);
  const witness = folderOf(t);
  const one = await rig.journal('one', { witness });
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(2));
  await workFor(one, work, 2);
  const copy = await copyOf(t, rig.redis);
  const two = await rig.journal('two', { witness });
  t.same(work.resume(await two.journal.openBucket(bucket)), []);
  await workFor(two, work, 3);
  await work.append(two.journal, 2);
  const { acknowledged } = work;
  await one.journal.close();
  await two.journal.close();
  await restore(rig.redis, copy);
  const operations = await operationsOn(t, rig, witness);
  const losses = await operations.losses();
  const end = coldEnd(losses);
  t.equal(describeLoss(losses.buckets[0]!), `positions ${end + 1} to ${acknowledged} are lost`);
  // The witness, which the tier must not overrule.
  const third = await rig.journal('third', { witness });
  await t.rejects(third.journal.openBucket(bucket), { code: 'ROLLED_BACK', message: new RegExp(`knows of position ${acknowledged},`) });
  await third.journal.close();
  await operations.accept(await operations.losses());
  await goesOn(t, rig, work, end);
});

await t.test('an emptied store: refused, and the log goes on behind the cold tier', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one');
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(3));
  await workFor(one, work, 4);
  await one.journal.close();
  await rig.redis.command('FLUSHALL');
  // One that has never been here founds a new journal, and does not serve what the folder has a log of.
  const stranger = await rig.journal('stranger');
  await t.rejects(stranger.journal.openBucket(bucket), { code: 'ROLLED_BACK' });
  t.match(await stranger.journal.openBucket({ bits: BITS, index: 4 }), { position: 0 }, 'of which nothing is cold');
  await stranger.journal.close();
  const operations = await operationsOn(t, rig);
  const losses = await operations.losses();
  const end = coldEnd(losses);
  t.ok(end > 0);
  await operations.accept(losses);
  await goesOn(t, rig, work, end);
});

await t.test('an emptied store with nothing but the folder to tell of it', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one');
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(4));
  await workFor(one, work, 4);
  await one.journal.close();
  await rig.redis.command('FLUSHALL');
  const operations = await operationsOn(t, rig);
  const losses = await operations.losses();
  t.equal(losses.journal, 'the store has no journal');
  t.equal(losses.buckets.length, 2 ** BITS);
  const end = coldEnd(losses);
  await operations.accept(losses);
  await goesOn(t, rig, work, end);
});

await t.test('an emptied store that was written to by somebody who did not know: the longer log goes on, and the operator is told', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one');
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(5));
  await workFor(one, work, 4);
  await one.journal.close();
  await rig.redis.command('FLUSHALL');
  const blind = await rig.journal('blind', { tier: null });
  const log = new LogMaker(await blind.journal.openBucket(bucket));
  t.match(await blind.journal.append([log.next(['a.A:1', 'a.A:2', 'a.A:1'])]), [{ kind: 'appended' }]);
  await blind.journal.close();
  const operations = await operationsOn(t, rig);
  const losses = await operations.losses();
  const end = coldEnd(losses);
  t.equal(describeLoss(losses.buckets[0]!), `nothing is lost, as far as is known here: the cold tier holds positions 1 to ${end}; the store's own 3 records lead elsewhere, and are given up`);
  await operations.accept(losses);
  await goesOn(t, rig, work, end);
});

await t.test('what was given up stays given up: a second loss does not bring back the way of the first', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one');
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(6));
  await workFor(one, work, 2);
  const copy = await copyOf(t, rig.redis);
  const again = await rig.journal('again');
  t.same(work.resume(await again.journal.openBucket(bucket)), []);
  await workFor(again, work, 1);
  await Promise.all([one, again].map(({ journal }) => journal.close()));
  await restore(rig.redis, copy);
  const first = await operationsOn(t, rig);
  const end = coldEnd(await first.losses());
  await first.accept(await first.losses());
  await goesOn(t, rig, work, end);
  const before = work.acknowledged;
  await rig.redis.command('FLUSHALL');
  const second = await operationsOn(t, rig);
  const losses = await second.losses();
  const last = coldEnd(losses);
  t.ok(last > end && last <= before);
  await second.accept(losses);
  await goesOn(t, rig, work, last);
});
