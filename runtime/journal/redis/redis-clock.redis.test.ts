/**
 * The clock of a Redis server may jump: nothing may rest on it. A key that expires would be gone an hour early, or late, and a library
 * that looks at the clock would decide otherwise. So no part of the adapter asks for it; and it jumps, under owners at work.
 */

import { readdirSync, readFileSync } from 'node:fs';

import t from 'tap';

import { hashText } from '../../codec/address.ts';
import { makeShiftedClock } from '../../testing/shifted-clock.ts';
import { LogMaker } from '../contract-log.ts';
import { journalSource } from './library.ts';
import { complaintsOf } from './testing/oracle.ts';
import { BITS, folderOf, ids, progress, rigFor, until } from './testing/rig.ts';

/** What a library, or a command from outside, would need to let the clock in. */
const clocked = /['"](TIME|P?EXPIRE(AT|TIME)?|P?SETEX|GETEX|PX|EX|PXAT|EXAT|KEEPTTL|P?TTL)['"]|\bos\.(time|clock)\b/i;

await t.test('no part of the adapter asks Redis for the time or lets a key expire', async (t) => {
  t.notMatch(journalSource(), clocked);
  const folder = new URL('.', import.meta.url);
  const parts = readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  t.ok(parts.length > 10);
  for (const name of parts) t.notMatch(readFileSync(new URL(name, folder), 'utf8'), clocked, name);
  for (const bad of ["redis.call('TIME')", "redis.call('SET', k, v, 'PX', 5)", "redis.call('pexpire', k, 1)", 'os.time()']) t.match(bad, clocked, 'the pattern finds it');
});

await t.test('no key that a journal writes has an end', async (t) => {
  const { redis, journal } = await rigFor(t);
  const one = await journal('one');
  const [bucket] = ids;
  const log = new LogMaker(await one.openBucket(bucket!));
  t.match(await one.append([log.next(['a.A:1'])]), [{ kind: 'appended' }]);
  const { head, position } = log;
  one.putSnapshots([{ bucket: bucket!, actor: 'a.A:1', actorHash: hashText('a.A:1'), position, head, bytes: Buffer.from('s') }]);
  one.putCheckpoints([{ bucket: bucket!, position, head, bytes: Buffer.from('c') }]);
  await until(async () => (await redis.command('KEYS', '*') as string[]).filter((key) => /:(snapshots|checkpoint)$/.test(key)).length === 2);
  const keys = (await redis.command('KEYS', '*')) as string[];
  t.equal(keys.length, 1 + 2 ** BITS + 3, 'the journal, metas, and a log, snapshots and a checkpoint');
  for (const key of keys) t.equal(await redis.command('PTTL', key), -1, key);
});

for (const areRivals of [true, false]) {
  await t.test(`the clock of the server jumps an hour either way under owners at work, of ${areRivals ? 'the same buckets' : 'buckets of their own'}`, async (t) => {
    const clock = await makeShiftedClock(folderOf(t));
    const { redis, history, owner } = await rigFor(t, { env: clock.env });
    const one = await owner('one', areRivals ? {} : { ids: ids.slice(0, 2) });
    const two = await owner('two', areRivals ? {} : { ids: ids.slice(2) });
    one.start();
    two.start();
    for (const shiftS of [3_600, -3_600, 0]) {
      await until(() => one.inFlight + two.inFlight > 0);
      await clock.jump(shiftS, redis);
      await progress(history, [one, two], 30);
    }
    await one.stop();
    await two.stop();
    t.comment(`${history.count('appended')} appended, ${history.count('fenced')} fenced, ${history.count('unknown')} unknown`);
    t.equal(history.count('unknown') + history.count('refused'), 0);
    if (!areRivals) t.equal(history.count('fenced'), 0, 'nobody loses what nobody takes');
    t.same(await complaintsOf(history, BITS, async () => redis), []);
  });
}
