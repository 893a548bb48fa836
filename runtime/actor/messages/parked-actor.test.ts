/**
 * Parked messages taken up again by an engine that does to them whatever an engine does: a suspect proves itself while the next ones go ahead, jobs
 * are turned away, the sandbox dies, operators drop messages, others are parked behind. Held against a list of what was parked.
 */

import t from 'tap';

import { KIND_PARKED } from '../../codec/record.ts';
import type { Bucket } from '../bucket.ts';
import type { CommitGroup } from '../output-gate.ts';
import { Random } from '../testing/random-actor.ts';
import type { Letter } from './letter.ts';
import { ParkedActor } from './parked-actor.ts';
import type { Resumed } from './resumed.ts';

const ACTOR = 'test.v1.Listener:x';
const PARKED_FIRST = 12;
const PARKED_MAX = 60;
const STEPS = 400;
const SETTLE_MAX = 10_000;

class Engine {
  /** The fold of letters: positions of what is parked, the oldest first. */
  readonly parked: number[] = [];
  readonly claimed = new Set<number>();
  /** What had its effect, and what an operator has dropped, by position, in this order. */
  readonly effects: number[] = [];
  readonly dropped: number[] = [];
  /** How often one that stood in front came to its turn behind one that it should be in front of. */
  overtakings = 0;
  losses = 0;
  isCalm = false;
  private readonly random: Random;
  private position = 0;
  private isHeld = false;
  private actor: ParkedActor | null = null;
  /** Suspects go through a trial, one behind the other, while everybody else goes on. */
  private proving: Resumed[] = [];
  private ready: Resumed[] = [];
  private inSandbox: Resumed[] = [];
  private tasks: (() => void)[] = [];

  constructor(random: Random) {
    this.random = random;
    for (let i = 0; i < PARKED_FIRST; i++) this.park();
  }

  park(): void {
    this.parked.push(++this.position);
  }

  get isIdle(): boolean {
    return this.parked.length === 0;
  }

  step(): void {
    if (this.actor === null && !this.isIdle) this.start();
    const what = this.random.below(100);
    const isRough = !this.isCalm;
    if (what < 25) this.prove();
    else if (what < 50) this.admit();
    else if (what < 75) this.result();
    else if (what < 90) this.tasks.shift()?.();
    else if (isRough && what < 93 && this.position < PARKED_MAX) this.park();
    else if (isRough && what < 95) this.die();
    else if (isRough && what < 97) this.takeOut();
    else if (isRough && what < 98) this.drop();
    else if (isRough && what < 99) this.isHeld = true;
    else {
      this.isHeld = false;
      this.actor?.pump();
    }
  }

  private start(): void {
    const bucket = { letters: { parked: { get: () => (this.isIdle ? undefined : this.parked) } }, durablePosition: Infinity } as unknown as Bucket;
    this.actor = new ParkedActor({
      bucket, actor: ACTOR, claimed: this.claimed,
      read: (positions) => this.read(positions),
      enter: (resumed) => this.enter(resumed),
      soon: (task) => this.tasks.push(task),
      later: (_error, task) => this.tasks.push(task),
      recorded: () => undefined,
      ended: () => (this.actor = null),
    });
    this.actor.pump();
  }

  private async *read(positions: readonly number[]): AsyncGenerator<Letter> {
    for (const position of positions) {
      if (!this.isCalm && this.random.below(40) === 0) throw new Error('the log cannot be read now');
      yield {
        position, kind: KIND_PARKED, nowMs: 0, bundle: '', code: '', message: '', to: ACTOR, name: 'Hear', body: Buffer.alloc(0), from: '', onReply: '', cause: null, firing: null, resumes: 0,
      };
    }
  }

  private enter(resumed: Resumed): boolean {
    if (this.isHeld) return false;
    (this.random.below(8) === 0 ? this.proving : this.ready).push(resumed);
    return true;
  }

  private prove(): void {
    const resumed = this.proving.shift();
    if (resumed !== undefined) this.ready.push(resumed);
  }

  private admit(): void {
    const resumed = this.ready.shift();
    if (resumed === undefined) return;
    const { job } = resumed;
    if (!resumed.isNext(job)) {
      if (this.proving.length > 0) this.overtakings++;
      resumed.lost(job);
    } else if (!this.isCalm && this.random.below(20) === 0) resumed.refused(job, 'QUARANTINED', 'not now');
    else this.inSandbox.push(resumed);
  }

  private result(): void {
    const resumed = this.inSandbox.shift();
    if (resumed === undefined) return;
    if (!this.isCalm && this.inSandbox.length === 0 && this.random.below(20) === 0) {
      resumed.lost(resumed.job);
      return;
    }
    const { position } = resumed.letter;
    const at = this.parked.indexOf(position);
    this.effects.push(position);
    if (at >= 0) this.parked.splice(at, 1);
    resumed.recorded(++this.position, {} as CommitGroup);
  }

  /** The sandbox is lost; whoever proves himself hears of it when his trial is over. */
  private die(): void {
    this.losses++;
    const late = this.proving;
    this.proving = [];
    this.ready = [];
    this.inSandbox = [];
    this.actor?.interrupt();
    for (const resumed of late) this.tasks.push(() => resumed.lost(resumed.job));
    this.actor?.pump();
  }

  /** What waits in front of the sandbox is taken out of the queue. */
  private takeOut(): void {
    if (this.inSandbox.length > 0) return;
    this.ready = [];
    this.actor?.interrupt();
    this.actor?.pump();
  }

  /** An operator's order takes a moment, and has its message to itself for as long. */
  private drop(): void {
    const free = this.parked.filter((position) => !this.claimed.has(position));
    if (free.length === 0) return;
    const position = this.random.pick(free);
    this.claimed.add(position);
    this.tasks.push(() => {
      this.parked.splice(this.parked.indexOf(position), 1);
      this.claimed.delete(position);
      this.dropped.push(position);
    });
  }
}

async function run(seed: number): Promise<Engine> {
  const engine = new Engine(new Random(seed));
  const wholeStep = async (): Promise<void> => {
    engine.step();
    // Reading has an end of its own.
    await new Promise((resolve) => setImmediate(resolve));
  };
  for (let i = 0; i < STEPS; i++) await wholeStep();
  engine.isCalm = true;
  for (let i = 0; i < SETTLE_MAX && !engine.isIdle; i++) await wholeStep();
  return engine;
}

t.test('parked messages run once each, in the order in which they were parked', async (t) => {
  const sum = { effects: 0, dropped: 0, overtakings: 0, losses: 0 };
  for (let seed = 1; seed <= 60; seed++) {
    const engine = await run(seed);
    const { effects, dropped, overtakings, losses } = engine;
    const inOrder = [...effects].sort((a, b) => a - b);
    if (!engine.isIdle) t.fail(`seed ${seed}: ${engine.parked.length} stay parked although nothing keeps them from their actor`);
    if (effects.join() !== inOrder.join()) t.fail(`seed ${seed}: they ran in the order ${effects.join()}`);
    if (new Set([...effects, ...dropped]).size < effects.length + dropped.length) t.fail(`seed ${seed}: one had its effect twice, or was dropped as well: ${effects.join()}; ${dropped.join()}`);
    sum.effects += effects.length;
    sum.dropped += dropped.length;
    sum.overtakings += overtakings;
    sum.losses += losses;
  }
  t.ok(sum.effects > 1_000 && sum.dropped > 20 && sum.overtakings > 100 && sum.losses > 200, JSON.stringify(sum));
});
