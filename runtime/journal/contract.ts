/**
 * The journal's contract as a suite: every adapter's test runs it. One test per numbered promise of journal.ts, each with
 * what must not happen beside what must, and then random work compared with the model in memory.
 */

import type { Test } from 'tap';

import { hashText } from '../codec/address.ts';
import type { BucketId } from '../codec/address.ts';
import { LogMaker } from './contract-log.ts';
import { compareWithModel } from './contract-model.ts';
import type { Journal, StoredRecord } from './journal.ts';

/** One place where a journal lives, so that it can be opened again. */
export interface JournalPlace {
  /** A journal on this place, not yet open. */
  journal(): Journal;
  remove(): Promise<void>;
}

export interface ContractSettings {
  readonly place: () => JournalPlace;
  /** Seeds of the random comparison. */
  readonly seeds: readonly number[];
  readonly stepsPerSeed: number;
}

const bucket: BucketId = { bits: 8, index: 7 };
const other: BucketId = { bits: 8, index: 250 };

export async function journalContract(t: Test, settings: ContractSettings): Promise<void> {
  const withJournal = async (work: (journal: Journal, place: JournalPlace) => Promise<void>): Promise<void> => {
    const place = settings.place();
    const journal = place.journal();
    await journal.open();
    try {
      await work(journal, place);
    } finally {
      await journal.close();
      await place.remove();
    }
  };
  const promise = (name: string, work: (t: Test, journal: Journal, place: JournalPlace) => Promise<void>): Promise<void> =>
    t.test(name, (t) => withJournal((journal, place) => work(t, journal, place))) as unknown as Promise<void>;

  await promise('J1 positions are 1, 2, 3 without a gap, and nothing changes', async (t, journal) => {
    const log = new LogMaker(await journal.openBucket(bucket));
    t.equal(log.position, 0);
    t.same(log.head, log.incarnation, 'the head of an empty log is its incarnation');
    for (const actors of [['a.A:1'], ['a.A:2', '', 'a.A:1'], ['a.A:3']]) await appended(t, journal, log, actors);
    t.same(await all(journal, bucket), log.all());
    t.same(await all(journal, bucket, 2, 4), log.all(2, 4), 'ranges are half-open');
    t.same(await all(journal, other), []);
  });

  await promise('J2 what is acknowledged is there when the journal is opened again', async (t, journal, place) => {
    const log = new LogMaker(await journal.openBucket(bucket));
    for (let i = 0; i < 20; i++) await appended(t, journal, log, [`a.A:${i % 3}`, 'a.A:x']);
    await journal.close();
    const again = place.journal();
    await again.open();
    const head = await again.openBucket(bucket);
    t.match(head, { position: 40, head: log.head, incarnation: log.incarnation });
    t.same(await all(again, bucket), log.all());
    await again.close();
  });

  await promise('J3 an append says what it follows, and is taken once', async (t, journal) => {
    const log = new LogMaker(await journal.openBucket(bucket));
    const first = log.next(['a.A:1', 'a.A:2']);
    t.same(await journal.append([first]), [{ kind: 'appended' }]);
    const second = log.next(['a.A:1']);
    t.same(await journal.append([second]), [{ kind: 'appended' }]);
    t.same(await journal.append([first]), [{ kind: 'appended' }], 'the same again');
    t.same(await journal.append([second]), [{ kind: 'appended' }]);
    t.same(await Promise.all([journal.append([log.next(['a.A:9'])]), journal.append([second])]), [[{ kind: 'appended' }], [{ kind: 'appended' }]]);
    t.same(await all(journal, bucket), log.all(), 'and nothing was written twice');

    const stands = { kind: 'conflict', position: 4, head: log.head };
    const wrongHead = { hi: 1, lo: 2 };
    t.same(await journal.append([{ ...second, headAfter: wrongHead }]), [stands], 'same position, other head');
    t.same(await journal.append([{ ...second, headBefore: wrongHead }]), [stands]);
    const third = log.next(['a.A:1']);
    t.same(await journal.append([{ ...third, headBefore: wrongHead }]), [stands]);
    t.same(await journal.append([{ ...third, position: 6 }]), [stands], 'a gap');
    t.same(await journal.append([third]), [{ kind: 'appended' }]);
    const unopened = { kind: 'conflict', position: 0, head: { hi: 0, lo: 0 } };
    t.same(await journal.append([{ ...third, bucket: other }]), [unopened], 'a bucket never opened');
    t.same(await journal.append([{ ...third, bucket: other }, log.next(['a.A:2'])]), [unopened, { kind: 'appended' }], 'what is known at once does not answer for the rest');
    t.same(await all(journal, bucket), log.all());
  });

  await promise('J3 the same append while the first is on its way', async (t, journal) => {
    const log = new LogMaker(await journal.openBucket(bucket));
    const append = log.next(['a.A:1', 'a.A:2']);
    const outcomes = await Promise.all([journal.append([append]), journal.append([append]), journal.append([{ ...append, headAfter: { hi: 3, lo: 4 } }])]);
    t.match(outcomes, [[{ kind: 'appended' }], [{ kind: 'appended' }], [{ kind: 'conflict' }]]);
    t.same(await all(journal, bucket), log.all());
  });

  await promise('J4 a lower epoch is fenced, and epochs only grow', async (t, journal, place) => {
    const log = new LogMaker(await journal.openBucket(bucket));
    t.equal(log.epoch, 1);
    await appended(t, journal, log, ['a.A:1']);
    t.equal((await journal.openBucket(bucket)).epoch, 2);
    const late = log.next(['a.A:1']);
    t.same(await journal.append([late]), [{ kind: 'fenced', epoch: 2 }]);
    t.same(await journal.confirm([{ bucket, epoch: 1 }, { bucket, epoch: 2 }, { bucket: other, epoch: 1 }]), [false, true, false]);
    t.same(await journal.append([{ ...late, epoch: 3 }]), [{ kind: 'conflict', position: 1, head: log.headAt(1) }], 'an epoch nobody took');
    await journal.close();
    const again = place.journal();
    await again.open();
    t.equal((await again.openBucket(bucket)).epoch, 3);
    t.same(await again.append([{ ...late, epoch: 2 }]), [{ kind: 'fenced', epoch: 3 }]);
    t.same(await all(again, bucket), log.all(1, 2));
    await again.close();
  });

  await promise('J5 no hole can be overtaken', async (t, journal) => {
    const [log, neighbour] = (await journal.openBuckets([bucket, other])).map((head) => new LogMaker(head)) as [LogMaker, LogMaker];
    const first = log.next(['a.A:1']);
    const rival = new LogMaker({ ...(await journal.openBucket(bucket)), position: 1, head: log.head });
    log.epoch = rival.epoch;
    const bad = { ...first, epoch: rival.epoch, headBefore: { hi: 9, lo: 9 } };
    const good = { ...first, epoch: rival.epoch };
    const outcomes = await Promise.all([
      journal.append([bad, neighbour.next(['a.A:5'])]),
      journal.append([good]),
      journal.append([log.next(['a.A:2']), neighbour.next(['a.A:5'])]),
    ]);
    t.match(outcomes[0], [{ kind: 'conflict' }, { kind: 'appended' }]);
    t.match(outcomes[1], [{ kind: 'conflict' }], 'valid by itself, but called before the failure was known');
    t.match(outcomes[2], [{ kind: 'conflict' }, { kind: 'appended' }], 'other buckets go on');
    t.same(await journal.append([good]), [{ kind: 'appended' }], 'and again once it is known');
    t.same(await all(journal, bucket), log.all(1, 2));
    t.same(await all(journal, other), neighbour.all());
  });

  await promise('J6 a definite refusal has written nothing', async (t, journal) => {
    const log = new LogMaker(await journal.openBucket(bucket));
    await appended(t, journal, log, ['a.A:1']);
    const huge = new LogMaker({ ...(await journal.openBucket(bucket)), position: 1, head: log.head });
    log.epoch = huge.epoch;
    const outcome = await journal.append([huge.next(['a.A:1'], () => Buffer.alloc(17 * 1024 * 1024))]);
    t.match(outcome, [{ kind: 'refused', retryable: false }]);
    t.equal((await all(journal, bucket)).length, 1);
    await appended(t, journal, log, ['a.A:1']);
    t.same(await all(journal, bucket), log.all());
  });

  await promise('J8 a snapshot or checkpoint is given only when the log agrees', async (t, journal, place) => {
    const log = new LogMaker(await journal.openBucket(bucket));
    for (let i = 0; i < 4; i++) await appended(t, journal, log, ['a.A:1', 'a.A:2']);
    const actor = 'a.A:1';
    const actorHash = hashText(actor);
    const put = (position: number, head = log.headAt(position)): void =>
      journal.putSnapshots([{ bucket, actor, actorHash, position, head, bytes: Buffer.from(`snapshot ${position}`) }]);
    put(3, { hi: 1, lo: 1 });
    t.match(await settled(journal, log, t), { snapshot: null, records: log.of(actor) }, 'another head');
    put(3);
    t.match(await settled(journal, log, t), { snapshot: Buffer.from('snapshot 3'), records: log.of(actor, 4) });
    put(5);
    t.match(await settled(journal, log, t), { snapshot: Buffer.from('snapshot 5'), records: log.of(actor, 6) });
    put(999, { hi: 1, lo: 1 });
    t.match(await settled(journal, log, t), { snapshot: Buffer.from('snapshot 5') }, 'a position the log has not reached');
    t.same((await journal.readActor(bucket, 'a.A:2', hashText('a.A:2'))).snapshot, null, "another actor's");

    journal.putCheckpoints([{ bucket, position: 4, head: log.headAt(4), bytes: Buffer.from('checkpoint 4') }]);
    journal.putCheckpoints([{ bucket, position: 6, head: { hi: 1, lo: 1 }, bytes: Buffer.from('another head') }]);
    await settled(journal, log, t);
    t.same((await journal.openBucket(bucket)).checkpoint, { position: 4, bytes: Buffer.from('checkpoint 4') });
    await journal.close();
    const again = place.journal();
    await again.open();
    t.same((await again.openBucket(bucket)).checkpoint, { position: 4, bytes: Buffer.from('checkpoint 4') });
    const history = await again.readActor(bucket, actor, actorHash);
    t.same(history, { snapshot: Buffer.from('snapshot 5'), records: log.of(actor, 6) });
    await again.close();
  });

  await promise("J9 an actor's records, all and only its own", async (t, journal) => {
    const [log, neighbour] = (await journal.openBuckets([bucket, other])).map((head) => new LogMaker(head)) as [LogMaker, LogMaker];
    for (let i = 0; i < 30; i++) {
      t.match(await journal.append([log.next([`a.A:${i % 5}`, '', `a.A:${i % 3}`]), neighbour.next(['a.A:1'])]), [{ kind: 'appended' }, { kind: 'appended' }]);
    }
    for (const actor of ['a.A:0', 'a.A:1', 'a.A:4', 'a.A:unknown']) {
      const hash = hashText(actor);
      t.same(await journal.readActor(bucket, actor, hash), { snapshot: null, records: log.of(actor) });
      t.same(await journal.readActorRecords(bucket, actor, hash), log.of(actor));
      t.same(await journal.readActorRecords(bucket, actor, hash, { from: 20, to: 60 }), log.of(actor, 20, 60));
      t.same(await journal.readActorRecords(bucket, actor, hash, { from: 20, recordsMax: 2 }), log.of(actor, 20).slice(0, 2));
    }
    // Another actor under the same hash is told apart by its address.
    t.same((await journal.readActor(bucket, 'a.A:somebody', hashText('a.A:1'))).records, []);
  });

  await promise('J9 records behind a snapshot that was put long after them', async (t, journal) => {
    const log = new LogMaker(await journal.openBucket(bucket));
    const actor = 'a.A:1';
    const put = (position: number): void => {
      journal.putSnapshots([{ bucket, actor, actorHash: hashText(actor), position, head: log.headAt(position), bytes: Buffer.from(`snapshot ${position}`) }]);
    };
    // Large ones, so that an adapter with files begins new ones between them.
    for (let i = 0; i < 4; i++) t.match(await journal.append([log.next([actor], () => Buffer.alloc(4_000, i))]), [{ kind: 'appended' }]);
    put(2);
    t.same(await settled(journal, log, t), { snapshot: Buffer.from('snapshot 2'), records: log.of(actor, 3) });
    for (let i = 0; i < 4; i++) t.match(await journal.append([log.next(['a.A:2'], () => Buffer.alloc(4_000, i))]), [{ kind: 'appended' }]);
    t.same(await settled(journal, log, t), { snapshot: Buffer.from('snapshot 2'), records: log.of(actor, 3) });
  });

  await promise('J10 buffers change hands', async (t, journal) => {
    const log = new LogMaker(await journal.openBucket(bucket));
    const append = log.next(['a.A:1']);
    await journal.append([append]);
    append.bytes.fill(0xee);
    const read = await journal.readActorRecords(bucket, 'a.A:1', hashText('a.A:1'));
    t.same(read, log.all(), 'the bytes of the append are kept as a copy');
    read[0]!.bytes.fill(0);
    const bytes = Buffer.from('snapshot');
    journal.putSnapshots([{ bucket, actor: 'a.A:1', actorHash: hashText('a.A:1'), position: 1, head: log.head, bytes }]);
    bytes.fill(0);
    const history = await settled(journal, log, t);
    t.same(history.snapshot, Buffer.from('snapshot'));
    history.snapshot!.fill(0);
    t.same((await settled(journal, log, t)).snapshot, Buffer.from('snapshot'), 'what came back is the caller\'s');
    t.same(await all(journal, bucket), log.all());
  });

  for (const seed of settings.seeds) {
    await t.test(`random work, seed ${seed}`, async (t) => {
      const place = settings.place();
      await compareWithModel(t, place, seed, settings.stepsPerSeed);
      await place.remove();
    });
  }
}

/** Reads the history of a.A:1 after an append that takes along what was put before it. */
async function settled(journal: Journal, log: LogMaker, t: Test): ReturnType<Journal['readActor']> {
  const { epoch } = await journal.openBucket(bucket);
  log.epoch = epoch;
  await appended(t, journal, log, ['a.A:tail']);
  return journal.readActor(bucket, 'a.A:1', hashText('a.A:1'));
}

async function appended(t: Test, journal: Journal, log: LogMaker, actors: readonly string[]): Promise<void> {
  t.same(await journal.append([log.next(actors)]), [{ kind: 'appended' }]);
}

export async function all(journal: Journal, id: BucketId, from = 1, to?: number): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for await (const record of journal.readBucket(id, from, to)) records.push(record);
  return records;
}
