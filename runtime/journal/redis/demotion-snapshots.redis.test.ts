/** Snapshots in the hot tier are those of actors that are hot, whatever happens: memory is bounded by what is hot. */

import t from 'tap';

import { hashText } from '../../codec/address.ts';
import { LogMaker } from '../contract-log.ts';
import type { Journal } from '../journal.ts';
import { keyOf } from './testing/oracle.ts';
import { until } from './testing/rig.ts';
import { BITS, bucket, HOT_BYTES, tieredRigFor } from './testing/tiered-rig.ts';
import type { TieredRig } from './testing/tiered-rig.ts';

const ACTORS = 300;

/** One record each, and its snapshot at once. */
async function create(journal: Journal, log: LogMaker, from: number, to: number, withSnapshots = true): Promise<void> {
  for (let number = from; number < to; number++) {
    const [outcome] = await journal.append([log.next([`a.A:${number}`])]);
    if (outcome!.kind !== 'appended') throw new Error(`an append was answered ${JSON.stringify(outcome)}`);
    if (withSnapshots) put(journal, log, `a.A:${number}`, 40);
  }
}

function put(journal: Journal, log: LogMaker, actor: string, bytes: number): void {
  const { position, head } = log.of(actor).at(-1)!;
  journal.putSnapshots([{ bucket, actor, actorHash: hashText(actor), position, head, bytes: Buffer.alloc(bytes, actor) }]);
}

async function stored({ redis }: TieredRig): Promise<number> {
  return Number(await redis.command('HLEN', keyOf(BITS, bucket.index, 'snapshots')));
}

async function allHaveSnapshots(journal: Journal): Promise<boolean> {
  for (let number = 0; number < ACTORS; number += 7) {
    const actor = `a.A:${number}`;
    const { snapshot, records } = await journal.readActor(bucket, actor, hashText(actor));
    if (snapshot === null || records.length > 0) return false;
  }
  return true;
}

await t.test('snapshots leave with the records of their actors', async (t) => {
  const rig = await tieredRigFor(t);
  const { journal, demotion } = await rig.journal('one');
  const log = new LogMaker(await journal.openBucket(bucket));
  await create(journal, log, 0, ACTORS);
  await demotion.idle();
  const left = await stored(rig);
  t.ok(left < ACTORS / 4, `${left} of ${ACTORS} are hot`);
  t.ok(await allHaveSnapshots(journal));
});

await t.test('those that come when their records are cold make the bucket grow, and leave with the next range', async (t) => {
  const rig = await tieredRigFor(t);
  const { journal, demotion } = await rig.journal('one');
  const log = new LogMaker(await journal.openBucket(bucket));
  await create(journal, log, 0, ACTORS, false);
  await demotion.idle();
  t.ok(journal.stat().hotBytes < HOT_BYTES);
  const { demotions } = demotion;
  for (let number = 0; number < ACTORS - 30; number++) put(journal, log, `a.A:${number}`, 40);
  // Nobody appends any more.
  await until(async () => demotion.demotions > demotions && (await stored(rig)) < ACTORS / 4);
  for (let number = ACTORS - 30; number < ACTORS; number++) put(journal, log, `a.A:${number}`, 40);
  await demotion.idle();
  t.ok(await allHaveSnapshots(journal));
});

await t.test('those that an owner left behind are found by the next one', async (t) => {
  const rig = await tieredRigFor(t);
  // One range with all of them, in front of whose end the owner dies when the log has been trimmed.
  const one = await rig.journal('one', { hotBytesPerBucketMax: 30_000 });
  const log = new LogMaker(await one.journal.openBucket(bucket));
  let isReached = false;
  void one.pauseAt('trimmed').then(() => (isReached = true));
  await create(one.journal, log, 0, ACTORS);
  for (let number = ACTORS; !isReached; number++) await create(one.journal, log, number, number + 1, false);
  one.abandon();
  const before = await stored(rig);
  t.equal(before, ACTORS);
  const next = await rig.journal('next');
  await next.journal.openBucket(bucket);
  await until(async () => (await stored(rig)) < ACTORS / 4);
  await next.demotion.idle();
  t.ok(await allHaveSnapshots(next.journal));
});

await t.test('one that is used again is hot again, and cold again when its time is over', async (t) => {
  const rig = await tieredRigFor(t);
  const { journal, demotion } = await rig.journal('one');
  const log = new LogMaker(await journal.openBucket(bucket));
  await create(journal, log, 0, ACTORS);
  await demotion.idle();
  const isHot = async (actor: string): Promise<boolean> => Number(await rig.redis.command('HEXISTS', keyOf(BITS, bucket.index, 'snapshots'), actor)) === 1;
  t.notOk(await isHot('a.A:3'));
  t.notSame((await journal.readActor(bucket, 'a.A:3', hashText('a.A:3'))).snapshot, null);
  await until(() => isHot('a.A:3'));
  log.epoch = (await journal.openBucket(bucket)).epoch;
  await create(journal, log, ACTORS, 3 * ACTORS);
  await demotion.idle();
  await until(async () => !(await isHot('a.A:3')));
  t.notSame((await journal.readActor(bucket, 'a.A:3', hashText('a.A:3'))).snapshot, null);
});
