/** New processes on a store that went back: what the witness of their node remembers (W1 to W3), and accepting what is lost. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import t from 'tap';

import { connectOperations, describeLoss } from './operations.ts';
import { findBucket } from './testing/oracle.ts';
import { BITS, connected, copyOf, folderOf, ids, operationsOn, restore, rigFor, until } from './testing/rig.ts';

const all = Array.from({ length: 2 ** BITS }, (_, index) => ({ bits: BITS, index }));

await t.test('restored from an older copy under a new process: its witness remembers', async (t) => {
  const rig = await rigFor(t);
  const { redis, owner, journal } = rig;
  const witness = folderOf(t);
  const one = await owner('one', {}, { witness });
  await one.once();
  const copy = await copyOf(t, redis);
  await connected(one.journal);
  for (let i = 0; i < 3; i++) await one.once();
  const known = await Promise.all(ids.map(async ({ index }) => (await findBucket(redis, BITS, index)).records.length));
  await one.journal.close();
  await restore(redis, copy);

  // Looking and opening without a witness: nobody finds out.
  const blind = await journal('blind');
  const [bucket] = ids;
  t.match(await blind.openBucket(bucket!), { epoch: 2 });
  t.same((await (await operationsOn(t, rig)).losses()).buckets, []);

  const again = await journal('one', { witness });
  for (const id of ids) await t.rejects(again.openBucket(id), { code: 'ROLLED_BACK' });
  await t.rejects(blind.openBucket(bucket!), { code: 'ROLLED_BACK' }, 'it is noted for everybody');
  t.match(await again.openBucket({ bits: BITS, index: 1 }), { epoch: 1 }, 'of which nothing was lost');
  await again.close();

  const operations = await operationsOn(t, rig, witness);
  const losses = await operations.losses();
  t.equal(losses.journal, null);
  t.same(losses.buckets.map(({ positionKnown }) => positionKnown), known);
  await operations.accept(losses);
  const third = await journal('one', { witness });
  const heads = await third.openBuckets(ids);
  t.same(heads.map(({ position }) => position), losses.buckets.map(({ positionFound }) => positionFound));
  t.ok(heads.every(({ epoch }) => epoch > 1));
  // What it knew before was given up; what it knows now is in the file again.
  await third.close();
  t.same((await operations.losses()).buckets, []);
  const fourth = await journal('one', { witness });
  t.equal((await fourth.openBuckets(ids)).length, ids.length);
});

await t.test('what only the witness of the operator knows is listed and can be accepted, and nothing is changed by looking', async (t) => {
  const rig = await rigFor(t);
  const { redis, owner, journal } = rig;
  const witness = folderOf(t);
  const one = await owner('one', {}, { witness });
  await one.once();
  const copy = await copyOf(t, redis);
  await connected(one.journal);
  await one.journal.openBuckets(ids);
  await one.take();
  await one.once();
  await one.journal.close();
  await restore(redis, copy);
  const operations = await operationsOn(t, rig, witness);
  const losses = await operations.losses();
  t.same(losses.buckets.map(({ bucket }) => bucket), ids);
  t.ok(losses.buckets.every(({ note }) => note === null));
  for (const { index } of ids) t.notOk((await findBucket(redis, BITS, index)).meta.has('x'));
  await operations.accept(losses);
  const next = await journal('next');
  t.same((await next.openBuckets(ids)).map(({ epoch }) => epoch), ids.map(() => 4), 'above the three that this node had');
});

await t.test('an emptied store is refused to a node that knows a journal, until the loss is accepted', async (t) => {
  const rig = await rigFor(t);
  const { redis, owner, journal } = rig;
  const witness = folderOf(t);
  const one = await owner('one', {}, { witness });
  for (let i = 0; i < 3; i++) await one.once();
  const { epochs } = one;
  const id = String(await redis.command('HGET', '{main}:journal', 'id'));
  await one.journal.close();
  // A journal that lives on, without a witness of its own.
  const living = await journal('living');
  await living.openBuckets(ids);
  await redis.command('FLUSHALL');

  await t.rejects(journal('one', { witness }), { code: 'ROLLED_BACK' });
  t.equal(await redis.command('DBSIZE'), 0, 'nothing is founded');
  const operations = await operationsOn(t, rig, witness);
  const losses = await operations.losses();
  t.equal(losses.journal, 'the store has no journal');
  t.same(losses.buckets.map(({ bucket }) => bucket), all, 'every bucket is gone');
  t.ok(losses.buckets.filter(({ bucket }) => ids.some(({ index }) => index === bucket.index)).every((loss) => /^(position 1 is|positions 1 to \d+ are) lost$/.test(describeLoss(loss))));
  t.equal(describeLoss(losses.buckets[1]!), 'it is missing; nothing is known of its records');
  await operations.accept(losses);
  t.same(await operations.losses(), { journal: null, buckets: [], unreadable: [] });
  t.equal(await redis.command('HGET', '{main}:journal', 'id'), id, 'the journal that its nodes know');

  const again = await journal('one', { witness });
  const heads = await again.openBuckets(ids);
  for (const { position, head, incarnation } of heads) {
    t.equal(position, 0);
    t.same(head, incarnation, 'the head of an empty log is its incarnation');
  }
  t.ok(heads.every(({ epoch }, i) => epoch > epochs[i]!));
  // Its loss was of the same incarnation, its epochs were higher.
  const taken = await living.openBuckets(ids);
  t.ok(taken.every(({ epoch, position }, i) => epoch > heads[i]!.epoch && epoch > 2 && position === 0));
});

await t.test('an emptied store under a living journal alone: the operator has no witness', async (t) => {
  const rig = await rigFor(t);
  const { redis, owner, history } = rig;
  const one = await owner('one');
  await one.once();
  await redis.command('FLUSHALL');
  t.same((await one.once()).map(({ kind }) => kind), ids.map(() => 'rolledBack'));
  for (const id of ids) await t.rejects(one.journal.openBucket(id), { code: 'ROLLED_BACK' });
  const operations = await operationsOn(t, rig);
  const losses = await operations.losses();
  t.equal(losses.journal, 'the store has no journal');
  t.equal(losses.buckets.filter(({ note }) => note !== null).length, ids.length);
  await operations.accept(losses);
  await one.take();
  t.ok(one.epochs.every((epoch) => epoch === 2));
  t.same((await one.once()).map(({ kind }) => kind), ids.map(() => 'appended'));
  for (const { index } of ids) t.same((await findBucket(redis, BITS, index)).complaints, []);
  t.ok(history.count('rolledBack') > 0);
});

await t.test('another journal in the store is refused, and may be accepted', async (t) => {
  const rig = await rigFor(t);
  const { redis, owner, journal } = rig;
  const witness = folderOf(t);
  const one = await owner('one', {}, { witness });
  await one.once();
  await one.journal.close();
  await redis.command('FLUSHALL');
  await (await journal('stranger')).openBucket(ids[0]!);
  const before = await redis.command('DBSIZE');
  await t.rejects(journal('one', { witness }), { code: 'ROLLED_BACK' });
  t.equal(await redis.command('DBSIZE'), before);
  const operations = await operationsOn(t, rig, witness);
  const losses = await operations.losses();
  t.match(losses.journal, /^the store has journal [0-9a-f]{16}; this node has written to [0-9a-f]{16}$/);
  t.same(losses.buckets.map(({ bucket }) => bucket), ids);
  await operations.accept(losses);
  const again = await journal('one', { witness });
  t.equal((await again.openBuckets(ids)).length, ids.length);
});

await t.test('a note that has changed since the operator saw it: more is lost than was shown', async (t) => {
  const rig = await rigFor(t);
  const { redis, owner, journal } = rig;
  const witness = folderOf(t);
  const early = await journal('early');
  await early.openBuckets(ids);
  const one = await owner('one', {}, { witness });
  for (let i = 0; i < 3; i++) await one.once();
  await redis.command('FLUSHALL');
  for (const id of ids) await t.rejects(early.openBucket(id), { code: 'ROLLED_BACK' });
  const operations = await operationsOn(t, rig);
  const shown = await operations.losses();
  const [first] = shown.buckets;
  t.match(first, { note: /^(early knows of position 0|the store has lost it)/, positionKnown: 0 });
  for (const id of ids) await t.rejects(one.journal.openBucket(id), { code: 'ROLLED_BACK' });
  await t.rejects(operations.accept(shown, [first!]), { code: 'ROLLED_BACK' });
  const [second] = (await operations.losses()).buckets;
  t.match(second!.note, /^one knows of position/);
  t.ok(second!.positionKnown > 0);
  await operations.accept(shown, [second!]);
  // Above what either knew.
  t.match(await early.openBucket(first!.bucket), { epoch: 3, position: 0 });
});

await t.test('the file: written within a second, when something has changed, and at the end; and read with care', async (t) => {
  const rig = await rigFor(t);
  const { owner, journal } = rig;
  const witness = join(folderOf(t), 'made', 'when', 'missing');
  const file = join(witness, 'witness-main.json');
  const text = (): string => readFileSync(file, 'utf8');
  const one = await owner('one', {}, { witness });
  await one.once();
  const first = text();
  await until(() => text() !== first);
  t.same(readdirSync(witness), ['witness-main.json'], 'nothing is left beside it');
  const second = text();
  await one.once();
  await one.journal.close();
  t.not(text(), second);
  const sound = text();
  for (const bad of [sound.slice(0, -10), '', '{"version":1,"id":"xyz","bits":4,"buckets":[]}', sound.replace(/"[0-9a-f]{16}",1,/, '"no hash",1,'), sound.replace(/,1,(\d+),/, ',1,-$1,')]) {
    t.not(bad, sound);
    writeFileSync(file, bad);
    await t.rejects(journal('one', { witness }), { code: 'JOURNAL_DAMAGED' }, bad.slice(0, 60));
  }
  writeFileSync(file, sound.replace('"version":1', '"version":2'));
  await t.rejects(journal('one', { witness }), { code: 'JOURNAL_VERSION' });
  writeFileSync(file, sound);
  const again = await journal('one', { witness });
  t.equal((await again.openBuckets(ids)).length, ids.length);
});

await t.test('without the option there is no file', async (t) => {
  const rig = await rigFor(t);
  const folder = folderOf(t);
  const one = await rig.journal('one', { witness: null });
  await one.close();
  t.same(readdirSync(folder), []);
  t.ok(existsSync(folder));
  await t.rejects(connectOperations({ store: { addresses: [{ host: '127.0.0.1', port: 1 }] }, bucketBits: BITS, node: 'operator' }), { code: 'STORE_UNAVAILABLE' });
});
