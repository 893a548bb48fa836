/**
 * One of three nodes and the others do not reach each other any more, in neither direction, while all of them reach Redis. The others reach each
 * other. So nobody is dead, no bucket goes elsewhere, and every node goes on serving what it owns, and the two what the other one owns; what would
 * have to cross waits or fails in a way that allows it again, and is applied once.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { Book, Findings } from '../runtime/faults/book.ts';
import { bodyOf, keyOf, nameOf } from '../runtime/faults/commands.ts';
import type { FaultActor } from '../runtime/faults/commands.ts';
import { Link } from '../runtime/faults/link.ts';
import { LEASE_TTL_MS } from './faults/campaign.ts';
import { clusterActors } from './faults/cluster-actors.ts';
import { ClusterLoad, outcomeOf } from './faults/cluster-load.ts';
import type { RigNode } from './faults/cluster-rig.ts';
import { BUCKET_BITS, ClusterRig } from './faults/cluster-rig.ts';
import type { World } from './faults/fault.ts';
import { isolated, isolatedInSilence } from './faults/peer-faults.ts';
import { proveAnswers, proveLog } from './faults/proof.ts';

t.setTimeout(1_200_000);

/** Of the rig's nodes, by the number that the faults draw; the fault lasts for more than two leases, and longer than a node waits for a silent one. */
const CUT_OFF = 1;
const DRAWN = 0.6;
/** So long a request waits for an owner. */
const WAITS_MS = 10_000;
/** Told to a fault, it lasts for longer than that, and at last than a handshake may take. */
const LONG_LEASE_MS = 10_000;
const BUCKETS = 2 ** BUCKET_BITS;
/** An actor remembers so many keys: far less than it records while a fault lasts. */
const KEYS_MAX = 8;

const actors = clusterActors(BUCKET_BITS, 1);
const findings = new Findings();
const book = new Book(actors.all, findings);

/** A client of one node. */
class Client {
  private readonly link: Link;
  private readonly waiting = new Map<string, { readonly n: number; resolve(code: string): void }>();
  private requests = 0;

  static async of(port: number): Promise<Client> {
    return new Client(await Link.open(port));
  }

  private constructor(link: Link) {
    this.link = link;
    link.onAnswer = (answer) => {
      const { n, resolve } = this.waiting.get(answer.id)!;
      this.waiting.delete(answer.id);
      const outcome = outcomeOf(book.actor(n), answer);
      if (outcome !== null) book.answered(n, outcome);
      else if (answer.error?.retryable !== true) findings.add(`command ${n} was answered with ${answer.error?.code}: ${answer.error?.message}`);
      resolve(outcome === null ? answer.error!.code : 'ok');
    };
    link.onLost = () => findings.add('a node has dropped its client');
  }

  /** Resolves with 'ok', or with the code of an error. */
  ask(n: number, triedMs: number): Promise<string> {
    const { address, kind } = book.actor(n);
    const id = String(++this.requests);
    this.link.command({ id, to: address, name: nameOf(kind), body: bodyOf(kind, n), key: keyOf(n), triedMs });
    return new Promise((resolve) => this.waiting.set(id, { n, resolve }));
  }

  close(): void {
    this.link.close();
  }
}

interface Way {
  readonly client: Client;
  readonly actor: FaultActor;
  /** From the node that is cut off to another one, or back. */
  readonly crosses: boolean;
}

/** A command to an actor through a client of a node: until it is answered well, and what it was answered on the way. */
class Asked {
  readonly codes: string[] = [];
  readonly answered: Promise<void>;
  /** Until its first answer. */
  firstMs = 0;
  private isSent = false;

  constructor(client: Client, actor: FaultActor) {
    this.answered = this.ask(client, book.add(actor));
  }

  get isAnswered(): boolean {
    return this.codes.at(-1) === 'ok';
  }

  private async ask(client: Client, n: number): Promise<void> {
    const sinceMs = performance.now();
    while (!this.isAnswered) {
      this.codes.push(await client.ask(n, this.isSent ? Math.ceil(performance.now() - sinceMs) : 0));
      this.isSent = true;
      this.firstMs ||= performance.now() - sinceMs;
    }
  }
}

const directory = mkdtempSync(join(tmpdir(), 'troupe-isolated-'));
const rig = await ClusterRig.start({ directory, nodes: 3, redis: { appendfsync: 'no' }, startArgs: ['--keys-per-actor-max', String(KEYS_MAX)] });
const load = new ClusterLoad(book, actors.load, { perSecond: 1, repeatShare: 0, random: () => 0 });
const world: Omit<World, 'leaseTtlMs'> = { rig, load, book, actors, random: () => DRAWN, clock: null, disk: null, pauses: new Map(), movedShares: new Map() };
const clients: Client[] = [];
for (const { port } of rig.nodes) clients.push(await Client.of(port));
t.teardown(async () => {
  for (const client of clients) client.close();
  load.close();
  await rig.close();
  rmSync(directory, { recursive: true, force: true });
});

async function triesSearched(node: RigNode): Promise<number> {
  const metrics = await (await fetch(`${node.process!.admin}/metrics`)).text();
  return Number(/^troupe_engine_tries_searched_total (\d+)$/m.exec(metrics)![1]);
}

/** Of each bucket the number of the node that owns it. */
async function owners(): Promise<number[]> {
  const owners = Array.from({ length: BUCKETS }, () => -1);
  for (const [i, node] of rig.nodes.entries()) for (const index of await rig.bucketsOf(node)) owners[index] = i;
  return owners;
}

let searchedBefore = 0;
for (const [fault, leaseTtlMs] of [[isolated, LEASE_TTL_MS], [isolatedInSilence, LONG_LEASE_MS]] as const) {
  const isLong = leaseTtlMs > LEASE_TTL_MS;
  await t.test(`${fault.name}${isLong ? ', for longer than a request waits' : ''}`, async (t) => {
    await rig.whole();
    const ownerOf = await owners();
    const waysTo = (list: readonly FaultActor[]): Way[] => {
      return clients.flatMap((client, i) => list.map((actor, bucket) => ({ client, actor, crosses: (i === CUT_OFF) !== (ownerOf[bucket] === CUT_OFF) })));
    };
    const ways = waysTo(actors.probes);
    const across = ways.filter(({ crosses }) => crosses);
    // To the same actors, which forget the keys of those that cross.
    const within = ways.filter(({ crosses }) => !crosses);
    t.ok(across.length > BUCKETS / 2 && within.length > BUCKETS / 2);
    const send = (list: readonly Way[]): Asked[] => list.map(({ client, actor }) => new Asked(client, actor));
    const answered = (list: readonly Asked[]): Promise<unknown> => Promise.all(list.map((asked) => asked.answered));

    // On their way when it strikes, some of them executed and not answered.
    const cuts = rig.nodes.map(({ fromPeers }) => fromPeers.cutBeforeReply((bytes) => bytes.includes('bench.v1.')));
    const early = send(ways);
    await Promise.all(cuts);
    const strike = await fault.strike({ ...world, leaseTtlMs });
    let isOver = false;
    const lasting = strike.lasts(Promise.resolve()).then(() => (isOver = true));
    const crossing = send(across);
    let rounds = 0;
    let worstMs = 0;
    for (; !isOver || rounds <= KEYS_MAX; rounds++) {
      const sinceMs = performance.now();
      const asked = send(within);
      await answered(asked);
      worstMs = Math.max(worstMs, performance.now() - sinceMs);
      if (asked.some(({ codes }) => codes.length > 1)) t.fail('who need not cross is answered at once and well');
    }
    await lasting;
    t.comment(`${rounds} rounds of ${within.length} commands that need not cross, the slowest took ${worstMs.toFixed(0)} ms`);
    t.ok(rounds > KEYS_MAX);
    t.equal(crossing.filter(({ isAnswered }) => isAnswered).length, 0, `none of ${crossing.length} has crossed`);

    await strike.heal();
    await answered([...early, ...crossing]);
    const codes = [...early, ...crossing].flatMap((asked) => asked.codes.slice(0, -1));
    t.comment(`answers that allowed it again: ${JSON.stringify(Object.fromEntries([...Map.groupBy(codes, (code) => code)].map(([code, list]) => [code, list.length])))}`);
    t.same(new Set(codes).difference(new Set(['UNKNOWN_OUTCOME', 'NOT_OWNER'])), new Set());
    const searched = (await Promise.all(rig.nodes.map(triesSearched))).reduce((sum, n) => sum + n, 0);
    t.comment(`${searched} commands that were sent again were looked for in the log`);
    t.ok(searched > searchedBefore);
    searchedBefore = searched;
    // On a machine that is slow, the rounds above alone may take longer than that.
    const given = [...early, ...crossing].filter((asked) => asked.codes.length > 1 && asked.firstMs < WAITS_MS);
    if (!isLong) t.same(given.map((asked) => asked.codes), [], 'what has to wait for two leases is not the client\'s business');
    if (isLong) {
      t.ok(crossing.every(({ codes }) => codes.length > 1), 'nobody waits for as long as that');
      t.comment(`the first of them after ${Math.min(...crossing.map(({ firstMs }) => firstMs)).toFixed(0)} ms, the last one after ${Math.max(...crossing.map(({ firstMs }) => firstMs)).toFixed(0)} ms`);
    }
    t.same(await owners(), ownerOf, 'no bucket has gone elsewhere');
    t.equal(rig.fenced, 0, 'and nobody was refused as stale');
    const ids = Array.from({ length: BUCKETS }, (_, index) => ({ bits: BUCKET_BITS, index }));
    t.ok((await proveLog(book, rig.redis.port, ids, null)) >= book.acknowledged);
    await proveAnswers(book, await Link.open(rig.nodes[0]!.port));
    t.same(findings.list, []);
  });
}
