/**
 * The router against nodes of paper: buckets that move at random, answers that take their time, connections that are lost with
 * what is on them, nodes that stand still while their buckets are given to others. Whatever happens, commands of one client to one actor take effect in their order and once, and each is answered once.
 */

import t from 'tap';

import { Address } from '../runtime/actor/engine.ts';
import type { CommandRequest } from '../runtime/actor/engine.ts';
import { Dice } from '../runtime/journal/contract-model.ts';
import { BucketMap } from './bucket-map.ts';
import { BucketOwners } from './bucket-owners.ts';
import { isCommand, ServedCommand } from './forward.ts';
import type { CommandValue } from './methods.ts';
import { Router } from './router.ts';
import type { RouterLimits } from './router.ts';
import { Refusals } from './refusals.ts';
import type { IncomingRequest, Peer, Pending } from './transport/transport.ts';

const BITS = 2;
const BUCKETS = 2 ** BITS;
const NODES = [1, 2, 3] as const;

/** Virtual time: what is due is done in order of time, then of asking. */
class Time {
  now = 0;
  private readonly due: { at: number; order: number; task: () => void }[] = [];
  private orders = 0;

  later(delayMs: number, task: () => void): void {
    this.due.push({ at: this.now + delayMs, order: this.orders++, task });
  }

  monotonic(): number {
    return this.now;
  }

  run(untilMs: number): void {
    for (;;) {
      this.due.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.due[0];
      if (next === undefined || next.at > untilMs) break;
      this.due.shift();
      this.now = next.at;
      next.task();
    }
    this.now = untilMs;
  }
}

/** One log for all nodes: who may write is who owns. */
class World {
  readonly time = new Time();
  readonly dice: Dice;
  readonly owner: number[] = Array.from({ length: BUCKETS }, (_, index) => NODES[index % 3]!);
  /** Keys per actor in the order in which they took effect. */
  readonly log = new Map<string, string[]>();
  readonly nodes = new Map<number, PaperNode>();
  version = 1;
  lost = 0;
  keepsKeys = true;
  keepsEras = true;

  constructor(seed: number, limits: Partial<RouterLimits> = {}) {
    this.dice = new Dice(seed);
    for (const number of NODES) this.nodes.set(number, new PaperNode(this, number, limits));
    this.publish();
  }

  apply(actor: string, key: string): void {
    const keys = this.log.get(actor) ?? [];
    this.log.set(actor, keys);
    if (!this.keepsKeys || !keys.includes(key)) keys.push(key);
  }

  /** Everybody learns the map, each in its own time. */
  publish(): void {
    const version = ++this.version;
    const map = BucketMap.empty(BITS).assigned(version, this.owner.map((owner, index) => ({ index, owner, next: 0 })));
    for (const node of this.nodes.values()) this.time.later(this.dice.below(40), () => node.learn(map));
  }

  /** The node says nothing for a while, and loses all its buckets. */
  stall(number: number, forMs: number): void {
    this.nodes.get(number)!.stall(forMs);
    const others = NODES.filter((other) => other !== number);
    for (let index = 0; index < BUCKETS; index++) if (this.owner[index] === number) this.owner[index] = this.dice.pick(others);
    this.publish();
  }

  move(): void {
    const index = this.dice.below(BUCKETS);
    const from = this.nodes.get(this.owner[index]!);
    this.owner[index] = 0;
    // Nobody owns it for a moment; what the former owner held comes back from its engine.
    from?.giveUp(index);
    const next = this.dice.pick(NODES);
    this.time.later(this.dice.below(20), () => {
      this.owner[index] = next;
      this.publish();
    });
  }
}

class PaperNode {
  readonly router: Router;
  readonly owners: BucketOwners;
  readonly number: number;
  /** Of the connection that another node made last (X2 of the transport: what is older is not heard any more). */
  readonly newest = new Map<number, Connection>();
  /** What is to be done when it goes on; null while it goes. */
  private stalled: (() => void)[] | null = null;
  private readonly world: World;
  private readonly refusals: Refusals;
  private readonly connections = new Map<number, Connection>();
  private readonly waiting: { request: CommandRequest; index: number; isDone: boolean }[] = [];

  constructor(world: World, number: number, limits: Partial<RouterLimits>) {
    this.world = world;
    this.number = number;
    this.owners = new BucketOwners(BITS, world.time);
    this.router = new Router({
      owners: this.owners,
      bucketBits: BITS,
      clock: world.time,
      scheduler: world.time,
      incarnation: `i${number}`,
      limits,
      peerOf: (other) => this.connectionTo(other).peer,
      nameOf: (other) => `n${other}`,
      numberOf: (name) => Number(name.slice(1)),
    });
    this.refusals = new Refusals((to) => this.router.indexOf(to as Address));
    this.router.engine = {
      owns: (index) => world.owner[index] === number,
      submit: (request) => this.decide(request),
      get: () => t.fail('nobody reads here'),
    };
  }

  learn(map: BucketMap): void {
    if (map.version <= this.owners.map.version) return;
    this.router.ownersChanged(this.owners.update(map, this.number));
  }

  connectionTo(other: number): Connection {
    let connection = this.connections.get(other);
    if (connection === undefined || connection.isLost) this.connections.set(other, (connection = new Connection(this.world, this.number, other)));
    return connection;
  }

  cut(other: number): void {
    this.connections.get(other)?.lose();
  }

  get isStalled(): boolean {
    return this.stalled !== null;
  }

  stall(forMs: number): void {
    if (this.stalled !== null) return;
    this.stalled = [];
    this.world.time.later(forMs, () => {
      const tasks = this.stalled!;
      this.stalled = null;
      for (const task of tasks) task();
    });
  }

  whenItGoes(task: () => void): void {
    if (this.stalled === null) task();
    else this.stalled.push(task);
  }

  serve(incoming: IncomingRequest): void {
    const command = new ServedCommand(incoming, this.refusals);
    if (this.world.keepsEras && this.refusals.covers(command)) this.router.command(command);
    else this.decide(command);
  }

  /** As the engine: in its order, after a moment, or given back when the bucket is not its own. */
  decide(request: CommandRequest): void {
    const { world } = this;
    const index = this.router.indexOf(request.to);
    if (world.owner[index] !== this.number) {
      this.router.command(request);
      return;
    }
    const entry = { request, index, isDone: false };
    this.waiting.push(entry);
    const finish = (): void => {
      if (entry.isDone) return;
      entry.isDone = true;
      this.waiting.splice(this.waiting.indexOf(entry), 1);
      if (world.owner[index] !== this.number) {
        this.router.command(request);
        return;
      }
      world.apply(request.to.text, request.key);
      request.done(1, Buffer.alloc(0), 0, 0);
    };
    world.time.later(1, () => this.whenItGoes(finish));
  }

  giveUp(index: number): void {
    for (const entry of this.waiting.filter((one) => one.index === index)) {
      entry.isDone = true;
      this.waiting.splice(this.waiting.indexOf(entry), 1);
      this.router.command(entry.request);
    }
  }
}

let connections = 0;

/** Requests arrive in order and take a while, answers too; a loss takes what is under way in either direction. */
class Connection {
  isLost = false;
  readonly number = connections++;
  readonly peer: Peer;
  private readonly world: World;
  private readonly open = new Set<Pending>();
  private readonly from: number;
  private lastArrival = 0;
  private lastAnswer = 0;

  constructor(world: World, from: number, to: number) {
    this.world = world;
    this.from = from;
    this.peer = {
      request: (pending: Pending, _method: number, value: unknown) => this.request(world.nodes.get(to)!, pending, value as CommandValue),
    } as unknown as Peer;
  }

  lose(): void {
    this.isLost = true;
    for (const pending of this.open) {
      this.world.lost++;
      pending.failed({ outcome: 'lost', code: 'UNKNOWN_OUTCOME', message: 'lost' });
    }
    this.open.clear();
  }

  private request(node: PaperNode, pending: Pending, value: CommandValue): void {
    const { time, dice } = this.world;
    this.open.add(pending);
    this.lastArrival = Math.max(this.lastArrival, time.now + dice.below(8));
    const answer = (say: () => void): void => {
      this.lastAnswer = Math.max(this.lastAnswer, time.now + dice.below(8));
      time.later(this.lastAnswer - time.now, () => {
        if (!this.open.delete(pending)) return;
        say();
      });
    };
    const incoming = {
      value, buffer: Buffer.alloc(0), bodyFrom: 0, bodyTo: 0,
      from: { node: `n${this.from}`, incarnation: 'i' },
      answer: (seq: unknown, buffer: Buffer) => answer(() => pending.answered(seq, buffer, 0, 0)),
      fail: (error: { code: 'NOT_OWNER'; message: string; reason?: string }) => answer(() => pending.failed({ outcome: 'answered', ...error })),
    } as unknown as IncomingRequest;
    // What was handed to a socket may arrive although its connection is lost meanwhile.
    time.later(this.lastArrival - time.now, () => node.whenItGoes(() => {
      const newest = node.newest.get(this.from);
      if (newest !== undefined && newest !== this && newest.number > this.number) return;
      node.newest.set(this.from, this);
      node.serve(incoming);
    }));
  }
}

interface Outcome {
  readonly key: string;
  answers: string[];
}

function command(actor: string, key: string, outcome: Outcome): CommandRequest {
  return {
    to: new Address(actor), name: 'Do', format: 0 as CommandRequest['format'], body: Buffer.alloc(0), bodyFrom: 0, bodyTo: 0, key, principal: '', session: 's',
    done: () => outcome.answers.push('ok'),
    failed: ({ code }) => outcome.answers.push(code),
  };
}

function run(seed: number, { keepsKeys = true, keepsEras = true } = {}): { world: World; sent: Map<string, Outcome[]> } {
  const world = new World(seed);
  world.keepsKeys = keepsKeys;
  world.keepsEras = keepsEras;
  world.time.run(50);
  const { dice, time } = world;
  /** By gateway and actor. */
  const sent = new Map<string, Outcome[]>();
  for (let step = 0; step < 600; step++) {
    // What stands still takes nothing from its clients either.
    const gateway = dice.pick(NODES.filter((number) => !world.nodes.get(number)!.isStalled));
    const actor = `a.A:${dice.below(8)}`;
    const line = `${gateway} ${actor}`;
    const list = sent.get(line) ?? [];
    sent.set(line, list);
    const outcome: Outcome = { key: `${line} ${list.length}`, answers: [] };
    list.push(outcome);
    world.nodes.get(gateway)!.router.route(command(actor, outcome.key, outcome));
    if (dice.below(12) === 0) world.move();
    if (dice.below(25) === 0) world.nodes.get(dice.pick(NODES))!.cut(dice.pick(NODES));
    if (dice.below(100) === 0 && [...world.nodes.values()].every(({ isStalled }) => !isStalled)) world.stall(dice.pick(NODES), 50 + dice.below(300));
    time.run(time.now + dice.below(4));
  }
  time.run(time.now + 60_000);
  return { world, sent };
}

t.test('random moves and losses: every command once, in order, answered once', async (t) => {
  let redirected = 0;
  let lost = 0;
  let recalled = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const { world, sent } = run(seed);
    for (const [line, outcomes] of sent) {
      const actor = line.split(' ')[1]!;
      const log = (world.log.get(actor) ?? []).filter((key) => key.startsWith(`${line} `));
      t.same(log, outcomes.map(({ key }) => key), `seed ${seed}, ${line}: in order, once`);
      t.same(outcomes.filter(({ answers }) => answers.join() !== 'ok'), [], `seed ${seed}, ${line}: answered once`);
    }
    for (const node of world.nodes.values()) {
      redirected += node.router.redirected;
      recalled += node.router.recalled;
      t.equal(node.router.held, 0);
    }
    lost += world.lost;
  }
  t.ok(recalled > 50, `${recalled} were taken back from a former owner`);
  t.ok(redirected > 500 && lost > 50, `${redirected} were sent again, ${lost} of them because their connection was lost`);
});

t.test('an owner that says nothing and has lost its buckets is not waited for, and not heard later', async (t) => {
  const world = new World(1);
  world.time.run(50);
  const gateway = world.nodes.get(1)!;
  const index = world.owner.indexOf(2);
  const actor = Array.from({ length: 20 }, (_, i) => `a.A:${i}`).find((text) => gateway.router.indexOf(new Address(text)) === index)!;
  world.nodes.get(2)!.stall(5_000);
  const outcomes = Array.from({ length: 4 }, (_, i): Outcome => ({ key: `k${i}`, answers: [] }));
  for (const outcome of outcomes.slice(0, 2)) gateway.router.route(command(actor, outcome.key, outcome));
  world.time.run(1_000);
  t.same(outcomes.map(({ answers }) => answers.length), [0, 0, 0, 0]);
  world.stall(2, 4_000);
  world.time.run(1_100);
  for (const outcome of outcomes.slice(2)) gateway.router.route(command(actor, outcome.key, outcome));
  world.time.run(1_200);
  t.same(outcomes.map(({ answers }) => answers.join()), ['ok', 'ok', 'ok', 'ok']);
  t.same(world.log.get(actor), outcomes.map(({ key }) => key));
  t.equal(gateway.router.recalled, 2);
  world.time.run(20_000);
  t.same(outcomes.map(({ answers }) => answers.join()), ['ok', 'ok', 'ok', 'ok']);
  t.same(world.log.get(actor), outcomes.map(({ key }) => key));
});

t.test('without the keys, what is sent again is applied twice: the check sees it', async (t) => {
  let doubled = 0;
  for (let seed = 1; seed <= 10; seed++) {
    const { world } = run(seed, { keepsKeys: false });
    for (const keys of world.log.values()) doubled += keys.length - new Set(keys).size;
  }
  t.ok(doubled > 0, `${doubled} commands were applied twice`);
});

t.test('without the eras, what was on its way overtakes what is sent again: the check sees it', async (t) => {
  let overtaken = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const { world, sent } = run(seed, { keepsEras: false });
    for (const [line, outcomes] of sent) {
      const log = (world.log.get(line.split(' ')[1]!) ?? []).filter((key) => key.startsWith(`${line} `));
      if (log.join() !== outcomes.map(({ key }) => key).join()) overtaken++;
    }
  }
  t.ok(overtaken > 0, `${overtaken} orders were not kept`);
});

t.test('a command without a key gets one on its way to another node, and only then', async (t) => {
  const world = new World(1);
  world.time.run(50);
  const outcome: Outcome = { key: '', answers: [] };
  for (let actor = 0; actor < 8; actor++) world.nodes.get(1)!.router.route(command(`a.A:${actor}`, '', outcome));
  world.time.run(1_000);
  const keys = [...world.log.values()].flat();
  t.equal(keys.length, 8);
  t.ok(keys.includes(''), 'those of this node');
  const minted = keys.filter((key) => key !== '');
  t.ok(minted.length > 0 && minted.every((key) => key.startsWith('\u0001i1.')));
  t.equal(new Set(minted).size, minted.length);
});

t.test('what finds no owner is answered in time, and what waits is bounded', async (t) => {
  const world = new World(1, { routeTimeMaxMs: 500, requestsHeldMax: 3 });
  world.time.run(50);
  for (let index = 0; index < BUCKETS; index++) world.owner[index] = 0;
  world.publish();
  world.time.run(200);
  const outcomes = Array.from({ length: 5 }, (_, i): Outcome => ({ key: `k${i}`, answers: [] }));
  for (const outcome of outcomes) world.nodes.get(1)!.router.route(command('a.A:1', outcome.key, outcome));
  t.ok(outcomes.every(({ answers }) => answers.length === 0), 'nobody is answered at once');
  world.time.run(world.time.now + 2_000);
  t.same(outcomes.map(({ answers }) => answers.join()), ['NOT_OWNER', 'NOT_OWNER', 'NOT_OWNER', 'OVERLOADED', 'OVERLOADED']);
  t.equal(world.nodes.get(1)!.router.held, 0);
});

t.test('a request of another node is not passed on', async (t) => {
  const world = new World(1);
  world.time.run(50);
  const answers: string[] = [];
  const node = world.nodes.get(1)!;
  const index = [0, 1, 2, 3].find((one) => world.owner[one] === 2)!;
  const actor = Array.from({ length: 20 }, (_, i) => `a.A:${i}`).find((text) => node.router.indexOf(new Address(text)) === index)!;
  const value: CommandValue = [actor, 'Do', 0 as CommandValue[2], 'k', '', '', 1];
  const incoming = { value, buffer: Buffer.alloc(0), bodyFrom: 0, bodyTo: 0, fail: ({ code, reason }: { code: string; reason: string }) => answers.push(`${code} ${reason}`) };
  const from = { node: 'n3', incarnation: 'i' };
  const served = new ServedCommand({ ...incoming, from } as unknown as IncomingRequest, new Refusals((to) => node.router.indexOf(to as Address)));
  t.ok(isCommand(served));
  node.router.command(served);
  t.same(answers, ['NOT_OWNER n2']);
});
