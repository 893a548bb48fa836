/**
 * The checks of the logs, over what a real engine writes whose mechanisms are broken on purpose, one at a time: marks that are not stored, that are
 * positions, or that a checkpoint forgets; an outbox that goes on too far, or forgets what it has to deliver; timers that fire twice. A healthy
 * engine under the same load leaves nothing to find.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { Channels } from '../../actor/messages/channels.ts';
import { IncomingMessage } from '../../actor/messages/incoming.ts';
import { Intake } from '../../actor/messages/intake.ts';
import type { Delivery, Message, Receipt } from '../../actor/messages/message.ts';
import { Outbox } from '../../actor/messages/outbox.ts';
import { talker, talkers } from '../../actor/messages/testing/talkers.ts';
import { systemScheduler } from '../../actor/seams-node.ts';
import { startEngine } from '../../actor/testing/harness.ts';
import type { TestEngine } from '../../actor/testing/harness.ts';
import { clock, clockBundle } from '../../actor/testing/timer-actor.ts';
import { Firing } from '../../actor/timers/firing.ts';
import { TimerIndex, timerKey } from '../../actor/timers/timer-index.ts';
import { MemoryBundleStore } from '../../bundle/memory-store.ts';
import { writeCause } from '../../codec/record-messages.ts';
import { firingOf } from '../../codec/record-timers.ts';
import type { RecordReader } from '../../codec/record.ts';
import type { WireWriter } from '../../codec/wire.ts';
import { createMemoryJournal, MemoryStore } from '../../journal/memory/memory-journal.ts';
import { Findings } from '../book.ts';
import { MessagesCheck } from './messages-check.ts';
import type { MessagesFigures } from './messages-check.ts';

t.setTimeout(1_200_000);

const BITS = 3;
const ids = Array.from({ length: 8 }, (_, n) => talker(n));
const STILL_MS = 1_000;
/** What is on its way is sent again by then (messageRetryMsMax). */
const RETRY_MS = 6_000;
const STILL_MAX_MS = 60_000;
const POLL_MS = 50;
const SETTLE_MS = 300;
const RING_MS = 200;

/** Breaks something; the answer mends it. */
type Break = () => () => void;

/** Puts another method in the place of one of a class. */
function replace<T extends object, K extends keyof T>(prototype: T, name: K, make: (original: T[K]) => T[K]): () => void {
  const original = prototype[name];
  prototype[name] = make(original);
  return () => void (prototype[name] = original);
}

interface Inside {
  readonly message: Message;
  readonly channel: { readonly source: number; readonly incarnationHi: number; readonly incarnationLo: number };
  readonly bucket: { readonly id: { readonly bits: number }; readonly channels: { take(source: number, hi: number, lo: number, number: number): void } };
}

/** Writes another number than the message's into the record that takes it in; the mark in memory is right. */
const marks = (numberOf: (message: Message) => number): Break => () => replace(IncomingMessage.prototype, 'write', () => function write(this: IncomingMessage, wire: WireWriter): void {
  const { message, channel, bucket } = this as unknown as Inside;
  const { source, incarnationHi, incarnationLo } = channel;
  bucket.channels.take(source, incarnationHi, incarnationLo, message.number);
  writeCause(wire, { incarnationHi, incarnationLo, bits: bucket.id.bits, index: source, position: message.position, entry: message.entry, number: numberOf(message) });
});

/**
 * An outbox that believes of each channel that one message more was taken in than was, from some moment on: a receipt says so once, and whoever says
 * less afterwards is not heard.
 */
class Believing {
  private readonly believed = new Map<string, number>();
  private readonly told = new Set<string>();
  private readonly seen = new Set<string>();

  /** Behind a restart, with the answer to the first question. */
  static readonly behindRestart: Break = () => new Believing().hear(true);

  /** While it runs: of each channel, the first message of the second delivery is left out. */
  static readonly live: Break = () => {
    const believing = new Believing();
    const undo = [
      believing.hear(false),
      replace(Intake.prototype, 'take', (original) => function take(this: Intake, bucket, delivery, acknowledge): boolean {
        return original.call(this, bucket, believing.leaveOut(delivery), acknowledge);
      }),
    ];
    return () => undo.forEach((mend) => mend());
  };

  private hear(atFirst: boolean): () => void {
    const believe = (receipt: Receipt): Receipt | null => {
      const name = nameOf(receipt);
      if (atFirst && receipt.again && !this.believed.has(name)) this.believed.set(name, receipt.through + 1);
      const through = this.believed.get(name) ?? 0;
      if (receipt.through >= through) return receipt;
      if (this.told.has(name)) return null;
      this.told.add(name);
      return { ...receipt, through };
    };
    return replace(Outbox.prototype, 'taken', (original) => function taken(this: Outbox, receipt: Receipt): void {
      const believed = believe(receipt);
      if (believed !== null) original.call(this, believed);
    });
  }

  private leaveOut(delivery: Delivery): Delivery {
    const name = nameOf(delivery);
    const [first] = delivery.messages;
    if (first === undefined || this.believed.has(name)) return delivery;
    if (this.seen.has(name)) {
      this.believed.set(name, first.number);
      return { ...delivery, messages: delivery.messages.slice(1) };
    }
    this.seen.add(name);
    return delivery;
  }
}

function nameOf({ source, destination }: { readonly source: number; readonly destination: number }): string {
  return `${source} ${destination}`;
}

const forgets: Break = () => replace(Outbox.prototype, 'serves', (original) => function serves(this: Outbox, bucket): void {
  const { channels } = bucket;
  const undo = replace(channels, 'all', () => function* () {});
  original.call(this, bucket);
  undo();
});

/** A one-off that has fired is armed once more, and nobody looks whether it should be. */
const twice: Break = () => {
  const again = new Set<number>();
  const undoFold = replace(TimerIndex.prototype, 'fold', (original) => function fold(this: TimerIndex, record: RecordReader): boolean {
    const isChanged = original.call(this, record);
    const firing = firingOf(record);
    if (firing === null || again.has(timerKey(firing.timer))) return isChanged;
    again.add(timerKey(firing.timer));
    this.arm(timerKey(firing.timer), firing.dueMs);
    return isChanged;
  });
  const undoNext = replace(Firing.prototype, 'isNext', () => () => true);
  return () => {
    undoFold();
    undoNext();
  };
};

/** A checkpoint has no marks in it. */
const forgetsMarks: Break = () => replace(Channels.prototype as unknown as { encodeMarks(): void }, 'encodeMarks', () => () => undefined);

/** One engine after the other over one journal. */
class Run {
  private readonly findings = new Findings();
  private readonly check = new MessagesCheck(this.findings);
  private readonly disk = new MemoryStore();
  private readonly store = new MemoryBundleStore();
  private journal = createMemoryJournal(this.disk);
  private node: TestEngine | null = null;
  private life = { isOver: true };

  async start(bundle: Buffer | null): Promise<void> {
    this.journal = createMemoryJournal(this.disk);
    await this.journal.open();
    const life = (this.life = { isOver: false });
    // What is never taken in is sent again for ever, also by an engine that has ended.
    const alive = (task: () => void) => (): void => {
      if (!life.isOver) task();
    };
    const scheduler = { soon: (task: () => void) => systemScheduler.soon(alive(task)), later: (delayMs: number, task: () => void) => systemScheduler.later(delayMs, alive(task)) };
    this.node = await startEngine({ journal: this.journal, store: this.store, bucketBits: BITS, scheduler });
    if (bundle !== null) await this.node.engine.deploy(bundle);
  }

  /** Resolves when every bucket has one. */
  async checkpoint(): Promise<void> {
    const lacking = new Set([...this.disk.buckets.values()].map(({ id }) => id.index));
    const { journal } = this;
    const { putCheckpoints } = journal;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    journal.putCheckpoints = (puts) => {
      putCheckpoints.call(journal, puts);
      for (const { bucket } of puts) lacking.delete(bucket.index);
      if (lacking.size === 0) resolve();
    };
    journal.onCheckpointWanted!();
    await done;
  }

  async end(): Promise<void> {
    await this.node?.close();
    this.node = null;
    this.life.isOver = true;
    await this.journal.close();
  }

  async command(to: string, name: string, body: object): Promise<void> {
    const { error } = await this.node!.send(to, name, body);
    if (error !== null) throw new Error(`${error.code}: ${error.message}`);
  }

  /** Everybody tells everybody. */
  async talk(rounds: number): Promise<void> {
    for (let i = 0; i < rounds; i++) await Promise.all(ids.map((id) => this.command(id, 'Say', { to: ids })));
  }

  /** What the logs say when they grow no more. */
  async found(): Promise<readonly string[]> {
    await this.still(STILL_MS);
    await this.read();
    if (this.check.channels.inFlight !== 0) {
      await this.still(RETRY_MS);
      await this.read();
    }
    this.check.settle({ nowMs: Date.now(), timerGraceMs: 0 }, []);
    return this.findings.list;
  }

  get figures(): MessagesFigures {
    return this.check.figures;
  }

  private async read(): Promise<void> {
    for (const { id, incarnation } of this.disk.buckets.values()) {
      await this.check.bucket(id, incarnation, this.journal.readBucket(id, this.check.positionOf(id.index) + 1));
    }
  }

  private async still(ms: number): Promise<void> {
    const until = performance.now() + STILL_MAX_MS;
    const positions = (): string => [...this.disk.buckets.values()].map(({ records }) => records.length).join();
    let before = positions();
    // Looks, not time: a machine that stands still between two of them shows nothing.
    for (let alike = 0; alike * POLL_MS < ms && performance.now() < until; alike++) {
      await sleep(POLL_MS);
      if (positions() !== before) alike = -1;
      before = positions();
    }
  }
}

/** Three rounds of talk; a fourth whose messages are on their way when the engine ends; a fifth behind the restart. */
async function talked(t: Test, broken: Break | null): Promise<{ readonly run: Run; readonly found: readonly string[] }> {
  const run = new Run();
  let isDeaf = false;
  const undo = [
    replace(Intake.prototype, 'take', (original) => function take(this: Intake, bucket, delivery, acknowledge): boolean {
      return isDeaf ? false : original.call(this, bucket, delivery, acknowledge);
    }),
  ];
  if (broken !== null) undo.push(broken());
  try {
    await run.start(talkers);
    await run.talk(3);
    // Far enough that there is something to forget.
    await sleep(SETTLE_MS);
    await run.checkpoint();
    isDeaf = true;
    await run.talk(1);
    await run.end();
    isDeaf = false;
    await run.start(null);
    await run.talk(1);
    return { run, found: await run.found() };
  } finally {
    await run.end();
    for (const mend of undo.reverse()) mend();
    t.comment(JSON.stringify(run.figures));
  }
}

async function rung(broken: Break | null): Promise<{ readonly run: Run; readonly found: readonly string[] }> {
  const run = new Run();
  const mend = broken?.();
  try {
    await run.start(clockBundle());
    await run.command(clock('c'), 'Arm', { name: 't', in: RING_MS, word: 'once' });
    await sleep(2 * RING_MS);
    return { run, found: await run.found() };
  } finally {
    await run.end();
    mend?.();
  }
}

t.test('a healthy engine leaves nothing to find', async (t) => {
  const { run, found } = await talked(t, null);
  t.same(found, []);
  t.equal(run.figures.sent, 2 * 5 * ids.length ** 2, 'five rounds of words and echoes');
  const timed = await rung(null);
  t.same(timed.found, []);
  t.equal(timed.run.figures.timersFired, 1);
});

/** What never arrives is named: channel, number, sender, receiver, record. */
const named = /^C2: channel \d to \d: message \d+ has not arrived: send \w+ of test\.v1\.Talker:\d to test\.v1\.Talker:\d, entry \d+ of \d\/\d+/;

const breaks: readonly [what: string, broken: Break, finding: RegExp][] = [
  ['marks are not stored', marks(() => 0), named],
  ['marks are positions', marks(({ position }) => position), /^C2: .*takes in number/],
  ['a checkpoint has forgotten its marks', forgetsMarks, /^C2: channel \d to \d: \d\/\d+ takes in number 1 behind \d+/],
  ['an outbox goes on one message too far while it runs', Believing.live, named],
  ['an outbox goes on one message too far behind a restart', Believing.behindRestart, named],
  ['an outbox has forgotten at a restart what it has to deliver', forgets, named],
];

for (const [what, broken, finding] of breaks) {
  t.test(`it is found that ${what}`, async (t) => {
    const { found } = await talked(t, broken);
    t.ok(found.some((text) => finding.test(text)), found.join('\n') || 'nothing was found');
    t.comment(found.find((text) => finding.test(text)) ?? '');
  });
}

t.test('it is found that timers fire twice', async (t) => {
  const { run, found } = await rung(twice);
  t.equal(run.figures.timersFired, 2);
  t.ok(found.some((text) => /^C5: .* is a firing of timer t, which is not armed/.test(text)), found.join('\n') || 'nothing was found');
});
