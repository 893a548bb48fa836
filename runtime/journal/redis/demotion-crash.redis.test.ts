/** The end of an owner at every step of a demotion, and owners that do not know that they are none any more. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import t from 'tap';
import type { Test } from 'tap';

import { Dice } from '../contract-model.ts';
import type { Journal } from '../journal.ts';
import type { DemotionStep } from './demotion.ts';
import { journalSource, luaLibrary } from './library.ts';
import type { LuaLibrary } from './library.ts';
import { keyOf } from './testing/oracle.ts';
import { until } from './testing/rig.ts';
import { BITS, bucket, HOT_BYTES, tieredRigFor } from './testing/tiered-rig.ts';
import type { TieredJournal, TieredRig } from './testing/tiered-rig.ts';
import { TieredWork } from './testing/tiered-work.ts';

const steps: readonly DemotionStep[] = ['read', 'written', 'trimmed', 'dropped'];

/** Works until it has been demoted so often that there is more than one cold file. */
async function begin({ journal, demotion }: TieredJournal, seed: number): Promise<TieredWork> {
  const work = new TieredWork(await journal.openBucket(bucket), new Dice(seed));
  while (demotion.demotions < 3) await work.append(journal, 1);
  return work;
}

/** Works until the next demotion has come to the step, and a little longer. */
async function workUntil({ journal }: TieredJournal, work: TieredWork, reached: Promise<void>): Promise<void> {
  let isThere = false;
  void reached.then(() => (isThere = true));
  while (!isThere) await work.append(journal, 1);
  await work.append(journal, 3);
}

/** Takes everything and keeps nothing: work on it is only made up. */
const nowhere = { append: async () => [{ kind: 'appended' }], putSnapshots: () => undefined } as unknown as Journal;

/** Another journal takes the bucket, finds everything, goes on, demotes on, and a third one finds everything again. */
async function succeed(t: Test, rig: TieredRig, work: TieredWork): Promise<TieredJournal> {
  const next = await rig.journal('next');
  t.same(work.resume(await next.journal.openBucket(bucket)), []);
  t.same(await work.complaintsOf(next.journal), []);
  const before = next.demotion.demotions;
  for (let i = 0; i < 400 && next.demotion.demotions < before + 2; i++) {
    await work.append(next.journal, 1);
    await next.demotion.idle();
  }
  t.ok(next.demotion.demotions >= before + 2, 'it demotes on');
  await next.demotion.idle();
  t.same(await work.complaintsOf(next.journal), []);
  t.ok(Number(await rig.redis.command('HLEN', keyOf(BITS, bucket.index, 'snapshots'))) <= 9, 'no snapshots pile up');
  const third = await rig.journal('third');
  t.same(await work.complaintsOf(third.journal), [], 'read without being the owner');
  return next;
}

for (const step of steps) {
  await t.test(`the owner ends behind the step "${step}"`, async (t) => {
    for (const seed of [1, 2]) {
      const rig = await tieredRigFor(t);
      const one = await rig.journal('one');
      const work = await begin(one, seed);
      await workUntil(one, work, one.pauseAt(step));
      one.abandon();
      await succeed(t, rig, work);
    }
  });

  await t.test(`kill -9 of the owner's process behind the step "${step}"`, async (t) => {
    const rig = await tieredRigFor(t);
    const file = join(import.meta.dirname, 'testing/demoting-process.ts');
    const child = spawn(process.execPath, ['--no-node-snapshot', file, String(rig.redis.port), rig.directory, '5', step], { stdio: ['ignore', 'pipe', 'inherit'] });
    let acknowledged = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith('appended ')) acknowledged = Number(line.slice(9));
      if (line === 'here') break;
    }
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    t.equal((await exit)[1], 'SIGKILL');
    const next = await rig.journal('next');
    const head = await next.journal.openBucket(bucket);
    // The same seed, and the same origin, give the same records.
    const work = new TieredWork({ ...head, position: 0, head: head.incarnation, epoch: 1 }, new Dice(5));
    while (work.maker.position < head.position) await work.append(nowhere, 1);
    work.acknowledged = acknowledged;
    t.same(work.resume(head), []);
    t.same(await work.complaintsOf(next.journal), []);
    await succeed(t, rig, work);
  });
}

/** The library with some of its lines changed; every one must be there. */
function patched(...changes: readonly (readonly [string, string])[]): LuaLibrary {
  let source = journalSource();
  for (const [from, to] of changes) {
    if (!source.includes(from)) throw new Error(`journal.lua has no ${from}`);
    source = source.replace(from, to);
  }
  return luaLibrary(source, 'journal');
}

const epochCheck = ["if m[1] ~= args[1] then return {FENCED, m[1]} end\n  if m[2] ~= args[2]", 'if m[2] ~= args[2]'] as const;
const listCheck = ["if m[2] ~= args[2] or tonumber(args[3]) > tonumber(m[3]) then return {CONFLICT, m[2]} end", ''] as const;
const entryCheck = ["if not last or last[2][2] ~= args[4] then return {CONFLICT, m[2]} end", ''] as const;

/** A former owner stands still in front of the call that lists and trims; its successor works, demoting or not; then the former one goes on. */
async function wakes(t: Test, library: LuaLibrary | null, successorDemotes: boolean): Promise<{ readonly complaints: string[]; readonly isListChanged: boolean }> {
  const rig = await tieredRigFor(t);
  const seams = library === null ? {} : { library };
  const former = await rig.journal('former', {}, seams);
  const work = await begin(former, 4);
  await workUntil(former, work, former.pauseAt('written'));
  const next = await rig.journal('next', successorDemotes ? {} : { hotBytesPerBucketMax: 1_000 * HOT_BYTES }, seams);
  t.same(work.resume(await next.journal.openBucket(bucket)), []);
  do {
    await work.append(next.journal, 5);
    await next.demotion.idle();
  } while (successorDemotes && next.demotion.demotions < 3);
  const list = async (): Promise<unknown> => [await rig.redis.commandBytes('HGETALL', keyOf(BITS, bucket.index, 'meta').replace(':meta', ':cold')), await rig.redis.command('HGET', keyOf(BITS, bucket.index, 'meta'), 't')];
  const before = JSON.stringify(await list());
  const { demotions } = former.demotion;
  former.resume();
  await until(() => former.warnings.length > 0 || former.demotion.demotions > demotions);
  const isListChanged = JSON.stringify(await list()) !== before;
  await work.append(next.journal, 3);
  const fresh = await rig.journal('fresh', {}, seams);
  const complaints = await work.complaintsOf(fresh.journal).catch((error: Error) => [error.message]);
  return { complaints, isListChanged };
}

await t.test('a paused former owner wakes in the middle of a demotion', async (t) => {
  await t.test('when its successor has demoted more: refused, and the list is what it was', async (t) => {
    t.same(await wakes(t, null, true), { complaints: [], isListChanged: false });
  });
  await t.test('when its successor has not demoted yet: refused, too', async (t) => {
    t.same(await wakes(t, null, false), { complaints: [], isListChanged: false });
  });
  await t.test('without the epoch check a former owner changes the list of its successor', async (t) => {
    t.same(await wakes(t, patched(epochCheck), false), { complaints: [], isListChanged: true });
  });
  await t.test('without any of the three checks records are lost', async (t) => {
    const { complaints } = await wakes(t, patched(epochCheck, listCheck, entryCheck), true);
    t.not(complaints.length, 0);
    t.comment(complaints.join('; '));
  });
});
