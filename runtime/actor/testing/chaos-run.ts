/** One run of chaos: clients, kills, failing appends, deployments and duplicates over a whole engine, and the checker's verdict. */

import { setTimeout as sleep } from 'node:timers/promises';

import { MemoryBundleStore } from '../../bundle/memory-store.ts';
import { catalogue } from '../../codec/errors.ts';
import { createMemoryJournal, MemoryStore } from '../../journal/memory/memory-journal.ts';
import { FORMAT_JSON } from '../../sandbox/sandbox.ts';
import type { Answer, TestEngine } from './harness.ts';
import { makeBundle, startEngine } from './harness.ts';
import { ChaosJournal } from './chaos-journal.ts';
import { Oracle } from './chaos-oracle.ts';
import type { Sent } from './chaos-oracle.ts';
import { Random } from './random-actor.ts';

const BITS = 2;
/** So many attempts until a client gives a key up. */
const ATTEMPTS_MAX = 12;
/** A run goes on for so long at most until it has had its kills and a deployment, and watches have so long to see the last events. */
const WAIT_MAX_MS = 30_000;
const WAIT_WRONG_MS = 1_000;

const proto = `
syntax = "proto3";
package test.v1;
message AccountState { int64 balance = 1 [jstype = JS_NUMBER]; uint32 bundle = 2; }
message Deposit { int64 amount = 1 [jstype = JS_NUMBER]; string note = 2; }
message Withdraw { int64 amount = 1 [jstype = JS_NUMBER]; string note = 2; }
message DepositReply { int64 balance = 1 [jstype = JS_NUMBER]; }
message WithdrawReply { int64 balance = 1 [jstype = JS_NUMBER]; }
message Loop { int64 amount = 1 [jstype = JS_NUMBER]; string note = 2; }
message LoopReply {}
message Deposited { int64 amount = 1 [jstype = JS_NUMBER]; }
message Withdrawn { int64 amount = 1 [jstype = JS_NUMBER]; }
message AccountEvent { oneof event { Deposited deposited = 1; Withdrawn withdrawn = 2; } }
service AccountCommands { rpc Deposit(Deposit) returns (DepositReply); rpc Withdraw(Withdraw) returns (WithdrawReply);
  rpc Loop(Loop) returns (LoopReply); }
`;

function bundle(generation: number): Buffer {
  return makeBundle(proto, `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Account', {
  initialState: () => ({ bundle: ${generation} }),
  migrate: (old) => ({ ...old, bundle: ${generation} }),
  decide: {
    Deposit(state, { amount }, ctx) { ctx.emit('Deposited', { amount }); return { balance: state.balance + amount }; },
    Withdraw(state, { amount }, ctx) {
      if (amount > state.balance) ctx.reject('OVERDRAWN', 'only ' + state.balance);
      const part = Math.floor(amount / 2);
      ctx.emit('Withdrawn', { amount: part });
      ctx.emit('Withdrawn', { amount: amount - part });
      return { balance: state.balance - amount };
    },
    Loop() { for (;;) {} },
  },
  evolve: {
    Deposited: (state, { amount }) => ({ ...state, balance: state.balance + amount }),
    Withdrawn: (state, { amount }) => ({ ...state, balance: state.balance - amount }),
  },
});`);
}

export interface ChaosOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly clients: number;
  readonly actors: number;
  readonly failOneIn: number;
  readonly delayMaxMs: number;
  readonly killEveryMs: number;
  /** With fewer than these the run goes on. */
  readonly killsMin: number;
  readonly deployEveryMs: number;
  readonly poisonEveryMs: number;
  /** Switches a mechanism off. */
  readonly sabotage?: (node: TestEngine) => void;
}

export interface ChaosResult {
  readonly problems: readonly string[];
  readonly commands: number;
  readonly records: number;
  readonly duplicates: number;
  readonly kills: number;
  readonly failures: number;
  readonly landedLate: number;
  readonly deployments: number;
  readonly passivations: number;
}

class Chaos {
  readonly random: Random;
  readonly sent: Sent[] = [];
  readonly problems: string[] = [];
  private readonly options: ChaosOptions;
  private readonly node: TestEngine;
  private readonly watched = new Map<string, number[]>();
  done = false;
  kills = 0;
  deployments = 0;
  private notes = 0;

  constructor(options: ChaosOptions, node: TestEngine, random: Random) {
    this.options = options;
    this.node = node;
    this.random = random;
  }

  address(i: number): string {
    return `test.v1.Account:${i % 3 === 0 ? `{root${i % 6}}` : ''}${i}`;
  }

  /** Sends commands to one actor without waiting for answers, then waits for all of them. */
  async client(name: string): Promise<void> {
    const counts = new Map<string, number>();
    const { random } = this;
    while (!this.done) {
      const actor = this.address(random.below(this.options.actors));
      const burst: Promise<void>[] = [];
      for (let i = 1 + random.below(9); i > 0; i--) {
        const n = (counts.get(actor) ?? 0) + 1;
        counts.set(actor, n);
        const note = `${name} ${this.notes++}`;
        const key = random.below(4) === 0 ? '' : note;
        const command: Sent = { note, client: name, actor, key, n, name: random.pick(['Deposit', 'Withdraw']), amount: 1 + random.below(20), answers: [] };
        this.sent.push(command);
        burst.push(this.attempts(command));
        if (key !== '' && random.below(8) === 0) burst.push(this.attempt(command).then(() => {}));
        if (random.below(3) === 0) await sleep(random.below(3));
      }
      if (random.below(10) === 0) burst.push(this.node.get(this.address(random.below(this.options.actors))).then(() => {}));
      await Promise.all(burst);
      if (random.below(4) === 0) await sleep(random.below(4));
    }
  }

  private async attempts(command: Sent): Promise<void> {
    for (let i = 0; i < ATTEMPTS_MAX; i++) {
      const { error } = await this.attempt(command);
      if (error === null || error.code === 'REJECTED' || error.code === 'BEHAVIOR_FAILED' || command.key === '') break;
      await sleep(this.random.below(10));
    }
    // Much later, somebody asks again.
    if (command.key !== '' && this.random.below(10) === 0) {
      await sleep(this.random.below(60));
      await this.attempt(command);
    }
  }

  private async attempt(command: Sent): Promise<Answer> {
    const at = command.answers.push(null) - 1;
    const { actor, name, amount, note, key, client } = command;
    const answer = await this.node.send(actor, name, { amount, note }, key, client);
    if (command.answers[at] !== null) this.problems.push(`${note}: answered twice`);
    command.answers[at] = { seq: answer.seq, balance: answer.body === null ? null : Number(answer.body.balance ?? 0), code: answer.error?.code ?? 'ok' };
    return answer;
  }

  async killer(): Promise<void> {
    const { killEveryMs } = this.options;
    let answered = 0;
    while (!this.done && killEveryMs > 0) {
      await sleep(killEveryMs / 2 + this.random.below(killEveryMs));
      const { activePid } = this.node.pool.stat();
      const { commandsAnswered } = this.node.engine.stat();
      // A process that is killed while it starts is started ever more slowly; that is not what is looked for here.
      if (this.done || activePid === 0 || commandsAnswered < answered + 100) continue;
      answered = commandsAnswered;
      process.kill(activePid, 'SIGKILL');
      this.kills++;
    }
  }

  /** Commands that never return, in the middle of everything. */
  async poisoner(): Promise<void> {
    const { poisonEveryMs, actors } = this.options;
    for (let n = 0; poisonEveryMs > 0; n++) {
      await sleep(poisonEveryMs / 2 + this.random.below(poisonEveryMs));
      if (this.done) return;
      const command: Sent = { note: `poison ${n}`, client: 'poisoner', actor: this.address(this.random.below(actors)), key: `p${n}`, n, name: 'Loop', amount: 1, answers: [] };
      this.sent.push(command);
      await this.attempts(command);
    }
  }

  async deployer(): Promise<void> {
    const { deployEveryMs } = this.options;
    for (let generation = 2; !this.done; generation++) {
      await sleep(deployEveryMs / 2 + this.random.below(deployEveryMs));
      try {
        await this.node.engine.deploy(bundle(generation % 4));
        this.deployments++;
      } catch (error) {
        const { code } = error as { code?: string };
        if (!['UNKNOWN_OUTCOME', 'NOT_READY', 'SANDBOX_LOST', 'BUNDLE_INVALID'].includes(code ?? '')) throw error;
      }
    }
  }

  /** A watch that ends with its sandbox is opened again behind what it has seen, as a client does. */
  watch(actor: string): void {
    const seqs = this.watched.get(actor) ?? [];
    this.watched.set(actor, seqs);
    this.node.engine.watch({
      to: actor, format: FORMAT_JSON, from: seqs.length + 1,
      opened: () => {},
      event: (seq) => (seqs.push(seq), true),
      failed: (error) => {
        if (catalogue[error.code].retryable) this.watch(actor);
        else this.problems.push(`watch of ${actor}: ${error.code} ${error.message}`);
      },
    });
  }

  /** A watch has seen every event once, in order. Once something is wrong, it may never see them. */
  async watchesEnd(oracle: Oracle): Promise<void> {
    const isWrong = this.problems.length + oracle.problems.length > 0;
    const end = performance.now() + (isWrong ? WAIT_WRONG_MS : WAIT_MAX_MS);
    for (const [actor, seqs] of this.watched) {
      const { seq } = oracle.accounts.get(actor) ?? { seq: 0 };
      while (seqs.length < seq && performance.now() < end) await sleep(5);
      if (seqs.length !== seq || seqs.some((at, i) => at !== i + 1)) this.problems.push(`watch of ${actor}: ${seqs.length} events of ${seq}`);
    }
  }
}

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const random = new Random(options.seed);
  const disk = new MemoryStore();
  const inner = createMemoryJournal(disk);
  const rates = { failOneIn: 0, delayMaxMs: options.delayMaxMs };
  const faulty = new ChaosJournal(inner, random, rates);
  const journal = faulty.asJournal();
  await journal.open();
  const store = new MemoryBundleStore();
  const node = await startEngine({
    journal, store, bucketBits: BITS,
    limits: { activationsMax: 25, recordsPerSnapshotMax: 7, sampleOneIn: 50, keysPerActorMax: 1_024 },
  });
  const chaos = new Chaos(options, node, random);
  await node.engine.deploy(bundle(1));
  rates.failOneIn = options.failOneIn;
  options.sabotage?.(node);
  for (const i of [0, 1, 2]) chaos.watch(chaos.address(i));
  const pests = [chaos.killer(), chaos.deployer(), chaos.poisoner()];
  const clients = Array.from({ length: options.clients }, (_, i) => chaos.client(`c${i}`));
  await sleep(options.seconds * 1_000);
  const end = performance.now() + WAIT_MAX_MS;
  while ((chaos.kills < options.killsMin || chaos.deployments === 0 || (options.failOneIn > 0 && faulty.failures === 0)) && performance.now() < end) await sleep(20);
  chaos.done = true;
  await Promise.all([...clients, ...pests]);
  rates.failOneIn = 0;

  const oracle = new Oracle();
  await oracle.read(inner, BITS);
  oracle.judge(chaos.sent);
  const problems = [...chaos.problems, ...oracle.problems];
  await chaos.watchesEnd(oracle);
  problems.push(...(await balances(node, oracle, 'live')));
  const stat = node.engine.stat();
  if (stat.commandsWaiting !== 0 || stat.commandBytesWaiting !== 0) problems.push(`${stat.commandsWaiting} commands still wait`);
  await node.close();
  await inner.close();
  const again = createMemoryJournal(disk);
  await again.open();
  const next = await startEngine({ journal: again, store, bucketBits: BITS });
  problems.push(...(await balances(next, oracle, 'after a restart')));
  await next.close();
  return {
    problems: [...new Set([...problems, ...chaos.problems])],
    commands: chaos.sent.length,
    records: oracle.records,
    duplicates: stat.duplicatesAnswered,
    kills: chaos.kills,
    failures: faulty.failures,
    landedLate: faulty.landedLate,
    deployments: chaos.deployments,
    passivations: stat.passivations,
  };
}

/** States as the engine shows them against the sums of the log. */
async function balances(node: TestEngine, oracle: Oracle, when: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const [actor, account] of oracle.accounts) {
    const { seq, body, error } = await node.get(actor);
    const balance = Number(body?.balance ?? 0);
    if (error !== null || seq !== account.seq || balance !== account.balance) {
      wrong.push(`${actor} ${when}: ${error?.code ?? ''} ${seq}/${balance}, the log has ${account.seq}/${account.balance}`);
    }
  }
  return wrong;
}
