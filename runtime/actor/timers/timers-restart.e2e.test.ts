/** A timer fires once, wherever the node that was firing it has ended. The log, decoded by protobufjs, is what counts. */

import { readFileSync } from 'node:fs';

import protobuf from 'protobufjs';
import t from 'tap';
import type { Test } from 'tap';

import { MemoryBundleStore } from '../../bundle/memory-store.ts';
import type { Journal } from '../../journal/journal.ts';
import { createMemoryJournal } from '../../journal/memory/memory-journal.ts';
import { FaultyJournal } from '../testing/faulty-journal.ts';
import { TestTime } from '../testing/test-time.ts';
import { clock, clockBundle, pause, startClock, until, untilRings } from '../testing/timer-actor.ts';
import type { TimerRig } from '../testing/timer-actor.ts';

t.setTimeout(1_200_000);

const BITS = 1;
const HOUR = 3_600_000;
const schema = protobuf.parse(readFileSync(new URL('../../../proto/troupe/v1/record.proto', import.meta.url), 'utf8'), { keepCase: false });
const recordType = schema.root.lookupType('troupe.v1.Record');

interface Fired {
  readonly kind: string;
  readonly name: string;
  readonly dueMs: number;
  readonly missed: number;
  readonly nextDueMs: number;
}

/** Every record of the log that a timer has brought. */
async function firedIn(journal: Journal): Promise<Fired[]> {
  const fired: Fired[] = [];
  for (let index = 0; index < 2 ** BITS; index++) {
    for await (const { bytes } of journal.readBucket({ bits: BITS, index }, 1)) {
      const record = recordType.toObject(recordType.decode(bytes), { longs: Number, enums: String, defaults: true }) as { kind: string; firing: Fired | null };
      if (record.firing !== null) fired.push({ ...record.firing, kind: record.kind });
    }
  }
  return fired;
}

type Step = 'read' | 'append' | 'answer' | 'none';

/** A journal that goes on answering until its node has come to a certain step, and then never again: the node is as good as dead. */
class Mortal {
  dies: Step = 'none';
  isDead = false;
  private readonly inner: Journal;

  constructor(inner: Journal) {
    this.inner = inner;
  }

  asJournal(): Journal {
    const own: Partial<Journal> = {
      append: async (batch) => {
        await this.live('append');
        const outcomes = await this.inner.append(batch);
        await this.live('answer');
        return outcomes;
      },
      confirm: async (owned) => {
        await this.live('none');
        return this.inner.confirm(owned);
      },
      readBucket: (bucket, from, to) => this.read(bucket, from, to),
      putCheckpoints: (puts) => void (this.isDead || this.inner.putCheckpoints(puts)),
      putSnapshots: (puts) => void (this.isDead || this.inner.putSnapshots(puts)),
      openBucket: async (bucket) => {
        await this.live('none');
        return this.inner.openBucket(bucket);
      },
    };
    return new Proxy(this.inner, {
      get: (target, name) => {
        const value = own[name as keyof Journal] ?? (Reflect.get(target, name) as unknown);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  private async *read(...range: Parameters<Journal['readBucket']>): ReturnType<Journal['readBucket']> {
    await this.live('read');
    yield* this.inner.readBucket(...range);
  }

  private async live(step: Step): Promise<void> {
    if (this.dies === step && step !== 'none') this.isDead = true;
    if (this.isDead) await new Promise(() => {});
  }
}

interface Node extends TimerRig {
  readonly mortal: Mortal;
}

/** Nodes that follow each other over one journal, with one clock and one store of bundles. */
class Life {
  readonly journal = createMemoryJournal();
  readonly time = new TestTime();
  readonly store = new MemoryBundleStore();
  private readonly t: Test;

  constructor(t: Test) {
    this.t = t;
  }

  async begin(): Promise<Node> {
    if (this.nodes++ === 0) await this.journal.open();
    const mortal = new Mortal(this.journal);
    const rig = await startClock({ journal: mortal.asJournal(), store: this.store, time: this.time, bucketBits: BITS });
    // Not `close`: that would wait for what never comes.
    this.t.teardown(() => rig.pool.close());
    return { ...rig, mortal };
  }

  private nodes = 0;
}

async function die(node: Node): Promise<void> {
  node.mortal.isDead = true;
  node.engine.messages.timers.stop();
  await node.pool.close();
}

/** Ends the first node at a step of the firing; a second one goes on. */
async function restartAt(t: Test, firstEnds: (node: Node, life: Life) => Promise<void>, options: object = {}): Promise<{ node: Node; life: Life }> {
  const life = new Life(t);
  const first = await life.begin();
  await first.arm('a', 'once', { in: HOUR, word: 'once', ...options });
  await firstEnds(first, life);
  await die(first);
  const node = await life.begin();
  return { node, life };
}

const steps: Record<string, (node: Node, life: Life) => Promise<void>> = {
  'before it is due': async (_node, life) => {
    await pause(20);
    life.time.advance(HOUR);
  },
  'when its record is read': async (node, life) => {
    node.mortal.dies = 'read';
    life.time.advance(HOUR);
    await until(() => node.mortal.isDead, 'the reading');
  },
  'when it is in the sandbox': async (node, life) => {
    process.kill(node.pool.stat().activePid, 'SIGSTOP');
    const { loop } = node.engine as unknown as { loop: { batchesSent: number } };
    const before = loop.batchesSent;
    life.time.advance(HOUR);
    await until(() => loop.batchesSent > before, 'the batch');
  },
  'when its record is written': async (node, life) => {
    node.mortal.dies = 'append';
    life.time.advance(HOUR);
    await until(() => node.mortal.isDead, 'the append');
  },
  'when its record is there, and the node does not know': async (node, life) => {
    node.mortal.dies = 'answer';
    life.time.advance(HOUR);
    await until(() => node.mortal.isDead, 'the answer');
  },
  'when all of it is over': async (node, life) => {
    life.time.advance(HOUR);
    await untilRings(node, 'a', 1);
  },
};

for (const [name, ends] of Object.entries(steps)) {
  t.test(`the node ends ${name}: fired once`, async (t) => {
    const { node, life } = await restartAt(t, ends);
    await untilRings(node, 'a', 1);
    life.time.advance(2 * HOUR);
    await pause(50);
    t.match(await firedIn(life.journal), [{ kind: 'RECORD_KIND_DECISION', name: 'once', nextDueMs: 0 }]);
    t.equal((await firedIn(life.journal)).length, 1);
  });

  t.test(`the node ends ${name}: a repeating timer goes on in its phase`, async (t) => {
    const { node, life } = await restartAt(t, ends, { every: HOUR });
    const [first] = await untilRings(node, 'a', 1);
    for (let n = 2; n <= 3; n++) {
      life.time.advance(HOUR);
      const rings = await untilRings(node, 'a', n);
      t.equal(rings.at(-1)!.due, first!.due + (n - 1) * HOUR);
    }
    t.equal((await firedIn(life.journal)).length, 3);
  });
}

t.test('downtime: once, late, with the number of times that were missed', async (t) => {
  const { node } = await restartAt(t, async (_node, life) => {
    life.time.advance(5 * HOUR + 60_000);
  }, { every: HOUR });
  t.match(await untilRings(node, 'a', 1), [{ missed: 4, late: true }]);
});

t.test('a checkpoint holds the timers; without it the log does', async (t) => {
  for (const hasCheckpoint of [true, false]) {
    const life = new Life(t);
    const first = await life.begin();
    for (const id of ['a', 'b', 'c', 'd']) await first.arm(id, 'n', { in: HOUR, times: 30, word: id });
    await first.arm('a', 'n3', { in: 2 * HOUR, word: 'replaced' });
    await first.send(clock('a'), 'Cancel', { name: 'n4' });
    if (hasCheckpoint) {
      const put = new Promise<void>((resolve) => {
        const { putCheckpoints } = life.journal;
        life.journal.putCheckpoints = (puts) => {
          putCheckpoints.call(life.journal, puts);
          resolve();
        };
      });
      (first.engine as unknown as { checkpoint(): void }).checkpoint();
      await put;
    }
    // Behind the checkpoint.
    await first.send(clock('b'), 'Cancel', { name: 'n5' });
    await die(first);
    // The next owner must not need a record in front of the checkpoint to know its timers.
    const read: number[] = [];
    const { readBucket } = life.journal;
    life.journal.readBucket = (bucket, from, to) => {
      read.push(from);
      return readBucket.call(life.journal, bucket, from, to);
    };
    const node = await life.begin();
    t.equal(read.includes(1), !hasCheckpoint, 'the log is folded from its start only without a checkpoint');
    life.time.advance(HOUR + 10);
    for (const [id, count] of [['a', 28], ['b', 29], ['c', 30], ['d', 30]] as const) t.same(new Set((await untilRings(node, id, count)).map(({ word }) => word)), new Set([id]));
    life.time.advance(HOUR);
    t.match((await untilRings(node, 'a', 29)).at(-1), { word: 'replaced' });
    await die(node);
  }
});

t.test('the sandbox is killed while a firing is in it', async (t) => {
  const life = new Life(t);
  const node = await life.begin();
  for (const id of ['a', 'b']) await node.arm(id, 'n', { in: HOUR, times: 20 });
  const { loop } = node.engine as unknown as { loop: { batchesSent: number } };
  const { activePid } = node.pool.stat();
  process.kill(activePid, 'SIGSTOP');
  const before = loop.batchesSent;
  life.time.advance(HOUR + 10);
  await until(() => loop.batchesSent > before, 'the batch');
  try {
    process.kill(activePid, 'SIGKILL');
  } catch {
    // It has stood still for too long, and the node was faster.
  }
  for (const id of ['a', 'b']) await untilRings(node, id, 20);
  t.equal(node.engine.stat().rebuilds, 1);
  t.equal((await firedIn(life.journal)).length, 40);
  t.equal(node.engine.messages.timers.underWay, 0);
  await die(node);
});

t.test('two nodes, one after the other owner of the buckets: each timer fires once', async (t) => {
  const life = new Life(t);
  await life.journal.open();
  const back = ({ failed }: { failed(error: { code: 'NOT_OWNER'; message: string }): void }): void => failed({ code: 'NOT_OWNER', message: 'given back' });
  const store = new MemoryBundleStore();
  const nodes: TimerRig[] = [];
  for (let i = 0; i < 2; i++) {
    const node = await startClock({ journal: life.journal, store, time: life.time, bucketBits: BITS, elsewhere: { command: back, get: back } });
    t.teardown(() => node.close());
    const { bundle, types } = await node.engine.prepare(clockBundle());
    await node.engine.putInService(bundle, types);
    nodes.push(node);
  }
  const [one, two] = nodes as [TimerRig, TimerRig];
  const all = [0, 1];
  const nothing = async (): Promise<void> => undefined;
  await one.engine.ownership.acquire(all, nothing);
  const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const id of ids) await one.arm(id, 'n', { in: HOUR, times: 50 });
  // Handed over in the middle of the firing, back and forth.
  life.time.advance(HOUR + 10);
  let owner = one;
  for (let i = 0; i < 4; i++) {
    await until(() => owner.engine.messages.timers.fired > 0 || i > 0, 'the first firings');
    t.ok(await owner.engine.ownership.release(all));
    owner = owner === one ? two : one;
    await owner.engine.ownership.acquire(all, nothing);
  }
  for (const id of ids) t.equal(new Set((await untilRings(owner, id, 50)).map(({ name }) => name)).size, 50);
  t.equal((await firedIn(life.journal)).length, 300);
  t.ok(one.engine.messages.timers.fired > 0);
});

t.test('an operator sees what is still to fire', async (t) => {
  const life = new Life(t);
  const first = await life.begin();
  const now = life.time.now;
  await first.arm('a', 'old', { in: HOUR, word: 'fires' });
  await first.arm('a', 'r', { in: 3 * HOUR, word: 'replaced' });
  await first.arm('a', 'r', { in: 2 * HOUR, every: HOUR, word: 'r' });
  await first.arm('a', 'c', { cron: '0 0 1 1 *', zone: 'Europe/Berlin', word: 'c' });
  await first.arm('a', 'never', { cron: '0 0 30 2 *' });
  await first.arm('b', 'other', { in: HOUR });
  life.time.advance(2 * HOUR + 1_000);
  await untilRings(first, 'a', 2);
  await die(first);
  // Of an actor that is not in memory, on a node that has just come.
  const node = await life.begin();
  const timers = await node.engine.messages.pending.pendingTimers(clock('a'));
  t.match(timers, [{ name: 'r', everyMs: HOUR, cron: '', command: 'Sound', body: { word: 'r' } }, { name: 'c', everyMs: 0, cron: '0 0 1 1 *', zone: 'Europe/Berlin' }]);
  t.equal(timers.length, 2);
  t.ok(Math.abs(timers[0]!.dueMs - now - 3 * HOUR) < 60_000, 'due next, not first');
  t.same(await node.engine.messages.pending.pendingTimers(clock('nobody')), []);
  await t.rejects(node.engine.messages.pending.pendingTimers('nonsense'), { code: 'BAD_ADDRESS' });
});

t.test('what is armed and not durable yet does not fire', async (t) => {
  const life = new Life(t);
  await life.journal.open();
  const faulty = new FaultyJournal(life.journal);
  const node = await startClock({ journal: faulty.asJournal(), time: life.time, bucketBits: BITS });
  t.teardown(() => node.close());
  // Something to look after, so that the service looks.
  await node.arm('a', 'later', { in: 100 * HOUR });
  faulty.hold();
  const armed = node.arm('a', 'n', { in: 0 });
  await until(() => faulty.appendsHeld === 1, 'the record on its way');
  for (let i = 0; i < 3; i++) {
    life.time.advance(2_000);
    await pause(20);
  }
  t.equal(node.engine.messages.timers.underWay, 0);
  await faulty.release();
  await armed;
  await untilRings(node, 'a', 1);
  t.same(node.lines.filter(({ level }) => level === 'error'), []);
});

t.test('firings that wait in front of the sandbox when a hand-off is given up come again', async (t) => {
  const life = new Life(t);
  await life.journal.open();
  const faulty = new FaultyJournal(life.journal);
  const node = await startClock({ journal: faulty.asJournal(), time: life.time, bucketBits: BITS });
  t.teardown(() => node.close());
  for (const id of ['a', 'b']) await node.arm(id, 'n', { in: HOUR, times: 50 });
  const { loop } = node.engine as unknown as { loop: { hold(): void; resume(): void; jobsReady: number } };
  faulty.hold();
  const held = node.send(clock('z'), 'Other');
  await until(() => faulty.appendsHeld > 0, 'an append that waits');
  loop.hold();
  life.time.advance(HOUR + 10);
  await until(() => loop.jobsReady >= 100, 'the firings in the queue');
  t.notOk(await node.engine.ownership.release([0, 1], 20));
  loop.resume();
  await faulty.release();
  t.equal((await held).error, null);
  for (const id of ['a', 'b']) await untilRings(node, id, 50);
  t.equal((await firedIn(life.journal)).length, 100);
});

t.test('a hand-off that takes too long is given up, and nothing fires twice or not at all', async (t) => {
  const life = new Life(t);
  const first = await life.begin();
  const ids = ['a', 'b', 'c', 'd'];
  for (const id of ids) await first.arm(id, 'n', { in: HOUR, times: 50 });
  await die(first);
  // Nothing can be written, and the histories of the actors take their time: their firings wait in front of them.
  const faulty = new FaultyJournal(life.journal);
  const { promise: read, resolve: readOn } = Promise.withResolvers<void>();
  const { readActor } = life.journal;
  let reads = 0;
  life.journal.readActor = async (...args) => {
    if (!args[1].endsWith(':z')) {
      reads++;
      await read;
    }
    return readActor.apply(life.journal, args);
  };
  const node = await startClock({ journal: faulty.asJournal(), store: life.store, time: life.time, bucketBits: BITS });
  t.teardown(() => node.close());
  faulty.hold();
  const held = node.send(clock('z'), 'Other');
  await until(() => faulty.appendsHeld > 0, 'an append that waits');
  life.time.advance(HOUR + 10);
  await until(() => reads === ids.length, 'histories that are read');
  const { timers } = node.engine.messages;
  t.equal(timers.underWay, 200);
  t.notOk(await node.engine.ownership.release([0, 1], 20));
  t.equal(timers.underWay, 200);
  readOn();
  // Some of them are in the sandbox, some have their record, and some wait, when it is tried again.
  await until(() => faulty.appendsHeld > 1, 'records of firings');
  t.notOk(await node.engine.ownership.release([0, 1], 20));
  await faulty.release();
  t.equal((await held).error, null);
  for (const id of ids) await untilRings(node, id, 50);
  t.equal((await firedIn(life.journal)).length, 200);
  await until(() => timers.underWay === 0, 'nothing under way');
});
