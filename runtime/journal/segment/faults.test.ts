/** A disk that refuses: what is answered, and what the next process finds. */

import t from 'tap';

import { LogMaker } from '../contract-log.ts';
import { Dice } from '../contract-model.ts';
import type { Journal } from '../journal.ts';
import { DirectSealer } from './direct-sealer.ts';
import { createSegmentJournal } from './segment-journal.ts';
import { SimDisk } from './sim-disk.ts';

const bucket = { bits: 2, index: 1 };

function journalOn(disk: SimDisk, inlineCommit: boolean): Journal {
  const dice = new Dice(3);
  return createSegmentJournal(
    { directory: '/journal', segmentFileBytes: 8 * 1024 },
    {
      disk,
      random64: () => ({ hi: dice.below(2 ** 32), lo: dice.below(2 ** 32) }),
      lock: () => ({ release: () => undefined }),
      sealer: () => new DirectSealer(disk),
      inlineCommit,
      idleMs: 1,
    },
  );
}

for (const inlineCommit of [true, false]) {
  for (const operation of ['write', 'sync'] as const) {
    await t.test(`a ${operation} that fails is final, inline commit ${inlineCommit}`, async (t) => {
      const disk = new SimDisk();
      const journal = journalOn(disk, inlineCommit);
      let fatal = 0;
      journal.onFatal = () => void fatal++;
      await journal.open();
      const log = new LogMaker(await journal.openBucket(bucket));
      for (let i = 0; i < 8; i++) t.match(await journal.append([log.next(['a.A:1'])]), [{ kind: 'appended' }]);
      let fails = 1;
      disk.fault = (what, path) => (what === operation && /log-/.test(path) && fails-- > 0 ? 'EIO' : null);
      // The first is on its way when the others are called, and they wait for the next commit.
      const first = journal.append([log.next(['a.A:1'])]);
      await Promise.resolve();
      const outcomes = await Promise.all([first, journal.append([log.next(['a.A:1'])]), journal.append([log.next(['a.A:1'])])]);
      t.match(outcomes[0], [{ kind: 'unknown' }], 'what was being written may be there');
      for (const outcome of outcomes.slice(1)) t.match(outcome, [{ kind: 'refused', retryable: false }], 'the rest is not');
      t.equal(fatal, 1);
      t.match(await journal.append([log.next(['a.A:1'])]), [{ kind: 'refused', code: 'JOURNAL_FAILED' }], 'although the disk would work again');
      await t.rejects(journal.openBucket(bucket), { code: 'JOURNAL_FAILED' });
      t.same(await journal.confirm([{ bucket, epoch: 1 }]), [false]);
      await journal.close();

      disk.fault = () => null;
      const next = journalOn(disk, inlineCommit);
      await next.open();
      const head = await next.openBucket(bucket);
      t.ok(head.position === 8 || head.position === 9, 'what was acknowledged, and perhaps what was unknown');
      await next.close();
    });
  }
}

await t.test('a full disk refuses, and the log goes on when there is room', async (t) => {
  const disk = new SimDisk();
  const journal = journalOn(disk, true);
  let fatal = 0;
  journal.onFatal = () => void fatal++;
  await journal.open();
  const log = new LogMaker(await journal.openBucket(bucket));
  const payload = (): Buffer => Buffer.alloc(900, 5);
  disk.fault = (operation, path) => (operation === 'write' && /tmp$/.test(path) ? 'ENOSPC' : null);
  let refused = null;
  let append = log.next(['a.A:1'], payload);
  for (let i = 0; i < 40 && refused === null; i++) {
    const [outcome] = await journal.append([append]);
    if (outcome!.kind === 'refused') refused = outcome;
    else {
      t.equal(outcome!.kind, 'appended');
      append = log.next(['a.A:1'], payload);
    }
  }
  t.match(refused, { kind: 'refused', code: 'JOURNAL_FULL', retryable: true });
  t.match(await journal.append([append]), [{ kind: 'refused', code: 'JOURNAL_FULL' }]);
  t.equal(fatal, 0);
  disk.fault = () => null;
  t.match(await journal.append([append]), [{ kind: 'appended' }]);
  const positions: number[] = [];
  for await (const record of journal.readBucket(bucket, 1)) positions.push(record.position);
  t.same(positions, log.records.map((record) => record.position));
  await journal.close();
});
