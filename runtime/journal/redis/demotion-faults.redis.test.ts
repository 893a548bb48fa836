/** Demotion without what it needs: room in the cold tier, the store's answers, files that are listed, a cold tier at all. */

import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';

import t from 'tap';
import type { Test } from 'tap';

import { hashText } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { createColdTier } from '../cold/cold-tier.ts';
import type { ColdTier } from '../cold/cold-tier.ts';
import { DirectRangeWriter } from '../cold/range-writer.ts';
import { LogMaker } from '../contract-log.ts';
import { Dice } from '../contract-model.ts';
import { realDisk } from '../sealed/disk.ts';
import type { BucketTable } from './hot-bucket.ts';
import { keyOf } from './testing/oracle.ts';
import { until } from './testing/rig.ts';
import { BITS, bucket, HOT_BYTES, tieredRigFor } from './testing/tiered-rig.ts';
import type { TieredJournal } from './testing/tiered-rig.ts';
import { TieredWork } from './testing/tiered-work.ts';

const MIB = 1024 * 1024;

interface FullVolume {
  readonly tier: ColdTier;
  isFull: boolean;
  /** Bytes of records in each range that was written. */
  readonly written: number[];
}

function volumeThatFills(directory: string): FullVolume {
  const direct = new DirectRangeWriter(realDisk);
  const volume: FullVolume = {
    isFull: false,
    written: [],
    tier: createColdTier({ directory }, {
      writer: () => ({
        async write(packed, settings) {
          if (volume.isFull) throw new TroupeError('JOURNAL_FULL', `${settings.directory} is full: ENOSPC`);
          volume.written.push(packed.bytes.length);
          return direct.write(packed, settings);
        },
        close: () => direct.close(),
      }),
    }),
  };
  return volume;
}

async function demoted(one: TieredJournal, seed: number): Promise<TieredWork> {
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(seed));
  while (one.demotion.demotions < 4) {
    await work.append(one.journal, 1);
    await one.demotion.idle();
  }
  return work;
}

async function demotesOn(t: Test, { journal, demotion }: TieredJournal, work: TieredWork): Promise<void> {
  const before = demotion.demotions;
  for (let i = 0; i < 400 && demotion.demotions < before + 2; i++) {
    await work.append(journal, 1);
    await demotion.idle();
  }
  t.ok(demotion.demotions >= before + 2, 'it demotes on');
  t.same(await work.complaintsOf(journal), []);
}

await t.test('a full volume: appends go on, the hot tier grows, and demotion goes on by itself when there is room', async (t) => {
  const rig = await tieredRigFor(t);
  const volume = volumeThatFills(rig.directory);
  const one = await rig.journal('one', { tier: volume.tier });
  const work = await demoted(one, 1);
  volume.isFull = true;
  await work.append(one.journal, 80);
  // It is tried again though nobody appends any more.
  const tried = one.warnings.length;
  await until(() => one.warnings.length >= tried + 2);
  t.ok(one.warnings.every((text) => text.includes('is full')));
  const hot = one.journal.stat().hotBytes;
  t.ok(hot > 4 * HOT_BYTES, `${hot} bytes are hot`);
  t.same(await work.complaintsOf(one.journal), []);
  volume.isFull = false;
  await until(() => one.journal.stat().hotBytes <= HOT_BYTES);
  t.same(await work.complaintsOf(one.journal), []);
  await demotesOn(t, one, work);
});

await t.test('what has piled up goes in ranges that are bounded (D3)', async (t) => {
  const rig = await tieredRigFor(t);
  const volume = volumeThatFills(rig.directory);
  volume.isFull = true;
  const { journal, demotion } = await rig.journal('one', { tier: volume.tier });
  const log = new LogMaker(await journal.openBucket(bucket));
  for (let i = 0; i < 40; i++) t.match(await journal.append([log.next(['a.A:1'], () => Buffer.alloc(MIB, i))]), [{ kind: 'appended' }]);
  volume.isFull = false;
  await until(() => journal.stat().hotBytes < 2 * MIB);
  await demotion.idle();
  t.ok(volume.written.length >= 3, `${volume.written.length} ranges`);
  t.ok(volume.written.every((bytes) => bytes < 18 * MIB), volume.written.join());
  t.equal((await journal.readActorRecords(bucket, 'a.A:1', hashText('a.A:1'))).length, 40);
});

const isDemote = (bytes: Buffer): boolean => bytes.includes('demote_');

await t.test('the connection is lost when the log has been trimmed, and the answer with it (D5)', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one');
  const work = await demoted(one, 2);
  const cut = one.proxy.cutBeforeReply(isDemote);
  let isCut = false;
  void cut.then(() => (isCut = true));
  while (!isCut) await work.append(one.journal, 1);
  await until(() => one.journal.stat().hotBytes <= HOT_BYTES);
  t.same(await work.complaintsOf(one.journal), []);
  await demotesOn(t, one, work);
});

await t.test('the call is under way for long, and executed when nobody expects it any more (D5)', async (t) => {
  for (const isRetried of [false, true]) {
    const rig = await tieredRigFor(t);
    const one = await rig.journal('one');
    const work = await demoted(one, 3);
    const { demotions } = one.demotion;
    const stalling = one.proxy.stall(isDemote);
    let isStalled = false;
    void stalling.then(() => {
      isStalled = true;
      // The next try goes no further until this one is delivered.
      if (!isRetried) void one.pauseAt('read');
    });
    while (!isStalled) await work.append(one.journal, 1);
    const stalled = await stalling;
    if (isRetried) await until(() => one.demotion.demotions > demotions);
    const answer = (await stalled.deliver()).toString();
    one.demotion.onStep = null;
    one.resume();
    t.match(answer, isRetried ? /^\*2\r\n:2\r\n/ : /^\*1\r\n:0\r\n/, isRetried ? 'refused: the log begins elsewhere' : 'executed');
    await until(() => one.journal.readActor({ bits: BITS, index: 9 }, 'a.A:1', hashText('a.A:1')).then(() => true, () => false));
    // Nobody told the owner, and whoever reads finds out.
    t.same(await work.complaintsOf(one.journal), []);
    await until(() => one.journal.stat().hotBytes <= HOT_BYTES);
    await demotesOn(t, one, work);
  }
});

await t.test('a reader that does not own the bucket reads while it is demoted', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one');
  const work = await demoted(one, 4);
  const other = await rig.journal('other');
  let isDone = false;
  let reads = 0;
  const reading = (async (): Promise<void> => {
    for (; !isDone; reads++) {
      const acknowledged = work.acknowledged;
      let position = 0;
      for await (const record of other.journal.readBucket(bucket, 1)) {
        if (record.position !== ++position) throw new Error(`position ${record.position} in place of ${position}`);
      }
      if (position < acknowledged) throw new Error(`${position} records of ${acknowledged}`);
    }
  })();
  await Promise.race([reading, work.append(one.journal, 250)]);
  isDone = true;
  await reading;
  t.ok(reads > 3, `${reads} reads beside ${one.demotion.demotions} demotions`);
});

await t.test('it is demoted once more while a reader notes what was demoted', async (t) => {
  const rig = await tieredRigFor(t);
  const volume = volumeThatFills(rig.directory);
  const one = await rig.journal('one', { tier: volume.tier });
  const work = await demoted(one, 5);
  const other = await rig.journal('other');
  volume.isFull = true;
  await work.append(one.journal, 80);
  const records = other.journal.readBucket(bucket, 1)[Symbol.asyncIterator]();
  t.equal((await records.next()).value!.position, 1, 'it has looked where the log begins, and where it ends');
  volume.isFull = false;
  await until(() => one.journal.stat().hotBytes <= HOT_BYTES);
  await one.demotion.idle();
  const { links } = (other.journal as unknown as { opening: { parts: { links: { call(...args: unknown[]): Promise<unknown> } } } }).opening.parts;
  const call = links.call.bind(links);
  let lists = 0;
  links.call = async (...args) => {
    // Between the two calls that tell where the log begins, and what is cold.
    if (args[2] === 'HVALS' && ++lists === 1) await demotesOn(t, one, work);
    return call(...args);
  };
  let position = 1;
  for (let next = await records.next(); next.done !== true; next = await records.next()) {
    if (next.value.position !== ++position) throw new Error(`position ${next.value.position} in place of ${position}`);
  }
  t.ok(lists >= 2, `the list was read ${lists} times`);
});

await t.test('what is read is read under one division into hot and cold, whatever moves in between (H1)', async (t) => {
  const rig = await tieredRigFor(t);
  const tier = rig.tier();
  const one = await rig.journal('one', { tier });
  const work = await demoted(one, 8);
  await work.append(one.journal, 4);
  await one.demotion.idle();
  const { buckets } = one.journal as unknown as { buckets: BucketTable };
  const read = tier.readActorRecords.bind(tier);
  let moved = 0;
  tier.readActorRecords = async (...args) => {
    const records = await read(...args);
    // All but the newest entry, behind the back of whoever is reading.
    if (moved++ === 0) await one.demotion.shorten(buckets.get(bucket)!, 0);
    return records;
  };
  const actor = work.maker.records.findLast((record) => record.actor !== '' && record.position < work.acknowledged - 4)!.actor;
  const { demotions } = one.demotion;
  const records = await one.journal.readActorRecords(bucket, actor, hashText(actor));
  t.ok(one.demotion.demotions > demotions && moved > 1, 'it was moved, and read again');
  t.same(records.map(({ position }) => position), work.maker.of(actor).map(({ position }) => position));
});

await t.test('a listed file that is missing is damage, and never looks like an actor without history', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one');
  const work = await demoted(one, 5);
  const folder = join(rig.directory, 'main');
  const [first] = readdirSync(folder).sort();
  renameSync(join(folder, first!), join(rig.directory, first!));
  await one.journal.close();
  const next = await rig.journal('next');
  await next.journal.openBucket(bucket);
  const whole = Array.fromAsync(next.journal.readBucket(bucket, 1));
  await t.rejects(whole, { code: 'JOURNAL_DAMAGED' });
  const actor = work.maker.records.find((record) => record.actor !== '')!.actor;
  await t.rejects(next.journal.readActorRecords(bucket, actor, hashText(actor)), { code: 'JOURNAL_DAMAGED', message: /missing/ });
  renameSync(join(rig.directory, first!), join(folder, first!));
  t.same(await work.complaintsOf(next.journal), [], 'and is there again when the file is');
});

await t.test('a node without a cold tier, or with another folder, is refused before it takes anything', async (t) => {
  const rig = await tieredRigFor(t);
  // It was started when nothing had been demoted yet.
  const early = await rig.journal('early', { tier: null });
  const one = await rig.journal('one');
  const work = await demoted(one, 6);
  const epoch = async (): Promise<unknown> => rig.redis.command('HGET', keyOf(BITS, bucket.index, 'meta'), 'e');
  const before = await epoch();
  await t.rejects(rig.journal('poor', { tier: null }), { code: 'CONFIG_INVALID', message: /1 of 16 buckets have records in a cold tier, and this node has none/ });
  const elsewhere = createColdTier({ directory: rig.redis.directory });
  await t.rejects(rig.journal('lost', { tier: elsewhere }), { code: 'CONFIG_INVALID', message: /none of their newest files/ });
  t.equal(await epoch(), before);
  await t.rejects(early.journal.openBucket(bucket), { code: 'CONFIG_INVALID', message: /cold tier/ });
  await t.rejects(early.journal.readActorRecords(bucket, 'a.A:1', hashText('a.A:1')), { code: 'CONFIG_INVALID' });
  await early.journal.close();
  t.same(work.resume(await one.journal.openBucket(bucket)), []);
  await demotesOn(t, one, work);
});

await t.test('an owner that takes over a bucket that is too long shortens it without being written to', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one', { hotBytesPerBucketMax: 1_000 * HOT_BYTES });
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(7));
  await work.append(one.journal, 60);
  await one.journal.close();
  const next = await rig.journal('next');
  t.same(work.resume(await next.journal.openBucket(bucket)), []);
  await until(() => next.journal.stat().hotBytes <= HOT_BYTES);
  t.same(await work.complaintsOf(next.journal), []);
});
