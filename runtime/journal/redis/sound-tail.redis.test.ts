/** A server that died in the middle of a write is started again, and later once more: half a transaction at the end of its file. */

import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

import t from 'tap';
import type { Test } from 'tap';

import type { RedisOptions } from '../../testing/redis-server.ts';
import { bucketKeys } from './keys.ts';
import { ids, progress, rigFor } from './testing/rig.ts';

const NAMESPACE = 'main';

/** What is wrong at the end. */
async function startTwiceBehindHalf(t: Test, options: RedisOptions): Promise<{ readonly complaints: string[]; readonly errors: readonly unknown[] }> {
  const { redis, history, complaints, owner } = await rigFor(t, { appendfsync: 'always', ...options });
  const one = await owner('one');
  one.start();
  await progress(history, [one]);
  await one.stop();

  // An append that was on its way when the server died: nobody was answered. The last command of its transaction is cut.
  const client = await redis.connect();
  await client.command('MULTI');
  for (const id of ids) {
    const { meta, log } = bucketKeys(NAMESPACE, id);
    const position = Number(await redis.command('HGET', meta, 'p')) + 1;
    await client.command('XADD', log, `${position}-0`, 'h', 'hhhhhhhh', 'r', 'half of it');
    await client.command('HSET', meta, 'p', position, 'h', 'hhhhhhhh');
  }
  await client.command('EXEC');
  client.close();
  await redis.kill();
  const folder = join(redis.directory, 'appendonlydir');
  const file = join(folder, readdirSync(folder).filter((name) => name.endsWith('.incr.aof')).sort().at(-1)!);
  // Behind it stands EXEC alone, which is 14 bytes.
  truncateSync(file, statSync(file).size - 20);
  await redis.restart();
  t.match(redis.log(), /Truncating the AOF/);

  const two = await owner('two');
  two.start();
  await progress(history, [two]);
  await two.stop();
  const { errors } = two;
  await redis.kill();
  await redis.restart();
  // What is no record any more cannot even be read.
  return { complaints: await complaints().catch((error: Error) => [error.message]), errors };
}

await t.test('what was acknowledged between the two starts is there', async (t) => {
  const { complaints, errors } = await startTwiceBehindHalf(t, {});
  t.same(complaints, []);
  t.same(errors, []);
});

await t.test('where the file cannot be written anew, it is lost: the test above can fail', async (t) => {
  const { complaints } = await startTwiceBehindHalf(t, { config: { 'rename-command': 'BGREWRITEAOF ""' } });
  t.not(complaints.length, 0);
  t.comment(complaints[0]);
});
