/**
 * A command that is on its way for seconds, from one node to another or from its client, or in front of a node that stands still, while its client gets it done
 * through the owner itself and the actor records so many others that it has forgotten the key: what comes at last is the first try, and says nothing of another one.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { Book, Findings } from '../runtime/faults/book.ts';
import { bodyOf, keyOf, nameOf } from '../runtime/faults/commands.ts';
import type { FaultActor } from '../runtime/faults/commands.ts';
import { Link } from '../runtime/faults/link.ts';
import { startProxy } from '../runtime/testing/tcp-proxy.ts';
import { clusterActors } from './faults/cluster-actors.ts';
import { outcomeOf } from './faults/cluster-load.ts';
import { BUCKET_BITS, ClusterRig } from './faults/cluster-rig.ts';
import { proveAnswers, proveLog } from './faults/proof.ts';

const KEYS_MAX = 8;
const ON_THE_WAY_MS = 1_000;
const STOOD_STILL_MS = 2_200;
const ACTORS = 4;
const ROUNDS = 3;
const RETRY_MS = 20;

const actors = clusterActors(BUCKET_BITS, 1);
const findings = new Findings();
const book = new Book(actors.all, findings);

interface Waiting {
  readonly n: number;
  /** Since its client has sent it first. */
  readonly sinceMs: number;
  resolve(): void;
}

/** Sends again what it may, and then says so. */
class Client {
  private readonly link: Link;
  private readonly waiting = new Map<string, Waiting>();
  private requests = 0;

  constructor(link: Link) {
    this.link = link;
    link.onAnswer = (answer) => {
      const waiting = this.waiting.get(answer.id)!;
      const { n, sinceMs } = waiting;
      const outcome = outcomeOf(book.actor(n), answer);
      if (outcome === null && answer.error?.retryable === true) {
        setTimeout(() => this.send(waiting, Math.ceil(performance.now() - sinceMs)), RETRY_MS);
        return;
      }
      if (outcome === null) findings.add(`command ${n} was answered with ${answer.error?.code}: ${answer.error?.message}`);
      else book.answered(n, outcome);
      waiting.resolve();
    };
  }

  ask(n: number, triedMs = 0): Promise<void> {
    return new Promise((resolve) => this.send({ n, sinceMs: performance.now() - triedMs, resolve }, triedMs));
  }

  close(): void {
    this.link.close();
  }

  private send(waiting: Waiting, triedMs: number): void {
    const { address, kind } = book.actor(waiting.n);
    const id = String(++this.requests);
    this.waiting.set(id, waiting);
    this.link.command({ id, to: address, name: nameOf(kind), body: bodyOf(kind, waiting.n), key: keyOf(waiting.n), triedMs });
  }
}

const directory = mkdtempSync(join(tmpdir(), 'troupe-late-'));
const rig = await ClusterRig.start({ directory, nodes: 2, redis: { appendfsync: 'no' }, startArgs: ['--keys-per-actor-max', String(KEYS_MAX)] });
const [far, near] = (await Promise.all(rig.nodes.map(({ port }) => Link.open(port)))).map((link) => new Client(link)) as [Client, Client];
t.teardown(async () => {
  far.close();
  near.close();
  await rig.close();
  rmSync(directory, { recursive: true, force: true });
});

async function searched(): Promise<number> {
  const metrics = await (await fetch(`${rig.nodes[1]!.process!.admin}/metrics`)).text();
  return Number(/^troupe_engine_tries_searched_total (\d+)$/m.exec(metrics)![1]);
}

/** Actors of the second node's. */
async function someActors(): Promise<FaultActor[]> {
  await rig.whole();
  const owned = new Set(await rig.bucketsOf(rig.nodes[1]!));
  return actors.probes.filter((_actor, bucket) => owned.has(bucket)).slice(0, ACTORS);
}

/** First tries through somewhere else than the near node come late, between `delay` and `heal`. */
async function firstTriesLate(t: Test, through: Client, some: readonly FaultActor[], ms: number, delay: () => void, heal: () => void): Promise<void> {
  await Promise.all(some.map((actor) => through.ask(book.add(actor))));
  delay();
  const numbers = some.map((actor) => book.add(actor));
  const late = numbers.map((n) => through.ask(n));
  await sleep(ms);
  await Promise.all(numbers.map((n) => near.ask(n, ms)));
  for (let i = 0; i < 2 * KEYS_MAX; i++) await Promise.all(some.map((actor) => near.ask(book.add(actor))));
  const before = await searched();
  heal();
  await Promise.all(late);
  t.ok((await searched()) > before, 'they were looked for in the log');
}

/** A thousand others may have been recorded meanwhile, and still nobody has to read them. */
async function inTime(t: Test, through: Client, some: readonly FaultActor[]): Promise<void> {
  let most = Infinity;
  // Whatever stands still for a moment on the way makes a few late.
  for (let tries = 0; tries < 10 && most > ACTORS; tries++) {
    const before = await searched();
    for (let i = 0; i < 2 * KEYS_MAX; i++) await Promise.all(some.flatMap((actor) => [through.ask(book.add(actor)), near.ask(book.add(actor))]));
    most = Math.min(most, (await searched()) - before);
  }
  t.ok(most <= ACTORS, `what is not late is not looked for: ${most}`);
}

async function prove(t: Test): Promise<void> {
  const ids = Array.from({ length: 2 ** BUCKET_BITS }, (_, index) => ({ bits: BUCKET_BITS, index }));
  t.ok((await proveLog(book, rig.redis.port, ids, null)) >= book.acknowledged);
  await proveAnswers(book, await Link.open(rig.nodes[1]!.port));
  t.same(findings.list, []);
}

await t.test('a first try that a link held back is applied once', async (t) => {
  const some = await someActors();
  t.equal(some.length, ACTORS);
  const { fromPeers } = rig.nodes[1]!;
  for (let round = 1; round <= ROUNDS; round++) await firstTriesLate(t, far, some, ON_THE_WAY_MS, () => fromPeers.blackhole('up'), () => fromPeers.heal());
  await inTime(t, far, some);
  await prove(t);
});

await t.test('and so is one that the connection of its client held back', async (t) => {
  const proxy = await startProxy(rig.nodes[1]!.port);
  const slow = new Client(await Link.open(proxy.port));
  t.teardown(async () => {
    slow.close();
    await proxy.close();
  });
  const some = await someActors();
  // The first ones in the first moments of the connection, when there is little to compare with.
  for (let round = 1; round <= ROUNDS; round++) await firstTriesLate(t, slow, some, ON_THE_WAY_MS, () => proxy.blackhole('up'), () => proxy.heal());
  await inTime(t, slow, some);
  await prove(t);
});

await t.test('and so is one that waited in front of a node that stood still', async (t) => {
  const { pid } = rig.nodes[0]!.process!;
  for (let round = 1; round <= ROUNDS; round++) {
    // It may have been taken for dead, and buckets have moved.
    await firstTriesLate(t, far, await someActors(), STOOD_STILL_MS, () => process.kill(pid, 'SIGSTOP'), () => process.kill(pid, 'SIGCONT'));
  }
  await prove(t);
});
