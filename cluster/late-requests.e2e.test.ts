/**
 * A command that is on its way from one node to another for seconds, while its client gets it done through the owner itself and the actor records so many
 * others that it has forgotten the key: what comes at last is the first try, and says nothing of another one.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';

import { Book, Findings } from '../runtime/faults/book.ts';
import { bodyOf, keyOf, nameOf } from '../runtime/faults/commands.ts';
import { Link } from '../runtime/faults/link.ts';
import { clusterActors } from './faults/cluster-actors.ts';
import { outcomeOf } from './faults/cluster-load.ts';
import { BUCKET_BITS, ClusterRig } from './faults/cluster-rig.ts';
import { proveAnswers, proveLog } from './faults/proof.ts';

const KEYS_MAX = 8;
const ON_THE_WAY_MS = 1_000;
const ACTORS = 4;
const ROUNDS = 3;

const actors = clusterActors(BUCKET_BITS, 1);
const findings = new Findings();
const book = new Book(actors.all, findings);

class Client {
  private readonly link: Link;
  private readonly waiting = new Map<string, { readonly n: number; resolve(): void }>();
  private requests = 0;

  constructor(link: Link) {
    this.link = link;
    link.onAnswer = (answer) => {
      const { n, resolve } = this.waiting.get(answer.id)!;
      const outcome = outcomeOf(book.actor(n), answer);
      if (outcome === null) findings.add(`command ${n} was answered with ${answer.error?.code}: ${answer.error?.message}`);
      else book.answered(n, outcome);
      resolve();
    };
  }

  ask(n: number, triedMs = 0): Promise<void> {
    const { address, kind } = book.actor(n);
    const id = String(++this.requests);
    this.link.command({ id, to: address, name: nameOf(kind), body: bodyOf(kind, n), key: keyOf(n), triedMs });
    return new Promise((resolve) => this.waiting.set(id, { n, resolve }));
  }

  close(): void {
    this.link.close();
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

await t.test('a first try that comes late is applied once', async (t) => {
  await rig.whole();
  const owner = rig.nodes[1]!;
  const owned = new Set(await rig.bucketsOf(owner));
  const some = actors.probes.filter((_actor, bucket) => owned.has(bucket)).slice(0, ACTORS);
  t.equal(some.length, ACTORS);
  await Promise.all(some.map((actor) => far.ask(book.add(actor))));
  for (let round = 1; round <= ROUNDS; round++) {
    owner.fromPeers.blackhole('up');
    const numbers = some.map((actor) => book.add(actor));
    const late = numbers.map((n) => far.ask(n));
    await sleep(ON_THE_WAY_MS);
    await Promise.all(numbers.map((n) => near.ask(n, ON_THE_WAY_MS)));
    for (let i = 0; i < 2 * KEYS_MAX; i++) await Promise.all(some.map((actor) => near.ask(book.add(actor))));
    const before = await searched();
    owner.fromPeers.heal();
    await Promise.all(late);
    t.ok((await searched()) > before, 'they were looked for in the log');
  }
  // In time they are not looked for: a thousand others may have been recorded meanwhile, and still nobody has to read them.
  const before = await searched();
  for (let i = 0; i < 2 * KEYS_MAX; i++) await Promise.all(some.flatMap((actor) => [far.ask(book.add(actor)), near.ask(book.add(actor))]));
  t.ok((await searched()) - before <= ACTORS, 'what is not late is not looked for');
  const ids = Array.from({ length: 2 ** BUCKET_BITS }, (_, index) => ({ bits: BUCKET_BITS, index }));
  t.ok((await proveLog(book, rig.redis.port, ids, null)) >= book.acknowledged);
  await proveAnswers(book, await Link.open(owner.port));
  t.same(findings.list, []);
});
