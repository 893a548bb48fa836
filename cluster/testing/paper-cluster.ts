/**
 * A cluster of paper for tests of the router: buckets that move at random, answers that take their time, connections that are lost with what is on
 * them, nodes that stand still while their buckets are given to others; in virtual time.
 */

import assert from 'node:assert/strict';

import { Address } from '../../runtime/actor/engine.ts';
import type { CommandRequest, LogPlace } from '../../runtime/actor/engine.ts';
import { Dice } from '../../runtime/journal/contract-model.ts';
import { BucketMap } from '../bucket-map.ts';
import { BucketOwners } from '../bucket-owners.ts';
import { ServedCommand } from '../forward.ts';
import type { CommandValue } from '../methods.ts';
import { Refusals } from '../refusals.ts';
import { Router } from '../router.ts';
import type { RouterLimits } from '../router.ts';
import type { IncomingRequest, Peer, Pending } from '../transport/transport.ts';

export const BITS = 2;
export const BUCKETS = 2 ** BITS;
const BEGINNING: LogPlace = { incarnation: { hi: 1, lo: 1 }, position: 0 };
export const NODES = [1, 2, 3] as const;

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
export class World {
  readonly time = new Time();
  readonly dice: Dice;
  readonly owner: number[] = Array.from({ length: BUCKETS }, (_, index) => NODES[index % 3]!);
  /** Of each bucket: taken so often. */
  readonly epochs: number[] = Array.from({ length: BUCKETS }, () => 1);
  /** Keys per actor in the order in which they took effect. */
  readonly log = new Map<string, string[]>();
  /** The same of each bucket: the position is the index. */
  private readonly buckets: string[][] = Array.from({ length: BUCKETS }, () => []);
  /** How many keys of an actor its owner remembers. */
  keysMax = Infinity;
  searched = 0;
  readonly nodes = new Map<number, PaperNode>();
  version = 1;
  lost = 0;
  keepsKeys = true;
  keepsEras = true;
  keepsPlaces = true;

  constructor(seed: number, limits: Partial<RouterLimits> = {}) {
    this.dice = new Dice(seed);
    for (const number of NODES) this.nodes.set(number, new PaperNode(this, number, limits));
    this.publish();
  }

  apply({ to, key, triedSince }: CommandRequest, index: number): void {
    const keys = this.log.get(to.text) ?? [];
    this.log.set(to.text, keys);
    if (this.keepsKeys && keys.slice(-this.keysMax).includes(key)) return;
    const bucket = this.buckets[index]!;
    if (this.keepsPlaces && triedSince !== undefined) {
      this.searched++;
      if (bucket.slice(triedSince.position).includes(`${to.text} ${key}`)) return;
    }
    keys.push(key);
    bucket.push(`${to.text} ${key}`);
  }

  /** As it was told some time ago. */
  placeOf(index: number): LogPlace {
    return { incarnation: { hi: 1, lo: 1 }, position: Math.max(0, this.buckets[index]!.length - this.dice.below(20)) };
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
    for (let index = 0; index < BUCKETS; index++) if (this.owner[index] === number) this.take(index, this.dice.pick(others));
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
      this.take(index, next);
      this.publish();
    });
  }

  private take(index: number, owner: number): void {
    this.owner[index] = owner;
    this.epochs[index]!++;
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
  /** While it does so: under which epochs it believes to own its buckets. What came in before is fenced when they are higher by now, even if it owns them again. */
  private epochs: readonly number[] | null = null;
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
      places: { of: (index) => world.placeOf(index), firstTryMs: () => undefined, at: () => undefined },
      limits,
      peerOf: (other) => this.connectionTo(other).peer,
      nameOf: (other) => `n${other}`,
      numberOf: (name) => Number(name.slice(1)),
    });
    this.refusals = new Refusals((to) => this.router.indexOf(to as Address));
    this.router.engine = {
      owns: (index) => world.owner[index] === number,
      submit: (request) => this.decide(request),
      get: () => assert.fail('nobody reads here'),
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
    const epochs = [...this.world.epochs];
    this.world.time.later(forMs, () => {
      const tasks = this.stalled!;
      this.stalled = null;
      this.epochs = epochs;
      for (const task of tasks) task();
      this.epochs = null;
    });
  }

  whenItGoes(task: () => void): void {
    if (this.stalled === null) task();
    else this.stalled.push(task);
  }

  serve(incoming: IncomingRequest): void {
    const command = new ServedCommand(incoming, this.refusals);
    if (this.world.keepsEras && this.refusals.covers(command)) this.router.refuse(command);
    else this.decide(command);
  }

  /** As the engine: in its order, after a moment, or given back when the bucket is not its own. */
  decide(request: CommandRequest): void {
    const { world } = this;
    const index = this.router.indexOf(request.to);
    if (!this.owns(index)) {
      this.router.command(request, BEGINNING);
      return;
    }
    const entry = { request, index, isDone: false };
    this.waiting.push(entry);
    const finish = (): void => {
      if (entry.isDone) return;
      entry.isDone = true;
      this.waiting.splice(this.waiting.indexOf(entry), 1);
      if (!this.owns(index)) {
        this.router.command(request, BEGINNING);
        return;
      }
      world.apply(request, index);
      request.done(1, Buffer.alloc(0), 0, 0);
    };
    world.time.later(1, () => this.whenItGoes(finish));
  }

  private owns(index: number): boolean {
    const { owner, epochs } = this.world;
    return owner[index] === this.number && (this.epochs === null || this.epochs[index] === epochs[index]);
  }

  giveUp(index: number): void {
    for (const entry of this.waiting.filter((one) => one.index === index)) {
      entry.isDone = true;
      this.waiting.splice(this.waiting.indexOf(entry), 1);
      this.router.command(entry.request, BEGINNING);
    }
  }
}

let connections = 0;

/** Requests arrive in order and take a while, answers too; a loss takes what is under way in either direction. */
export class Connection {
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

export interface Outcome {
  readonly key: string;
  answers: string[];
}

export function command(actor: string, key: string, outcome: Outcome): CommandRequest {
  return {
    to: new Address(actor), name: 'Do', format: 0 as CommandRequest['format'], body: Buffer.alloc(0), bodyFrom: 0, bodyTo: 0, key, principal: '', session: 's',
    done: () => outcome.answers.push('ok'),
    failed: ({ code }) => outcome.answers.push(code),
  };
}
