/**
 * The proof of the cluster's faults can fail: the mechanisms are switched off, one at a time, and it says what they are for.
 *
 * Two engines on one Redis, the second of which takes the buckets while the first does not know. What is switched off is a check in
 * the text of the journal's library that the first engine uses; the engines and the proof stay as they are.
 */

import t from 'tap';
import type { Test } from 'tap';

import { Address } from '../../runtime/actor/engine.ts';
import type { Engine } from '../../runtime/actor/engine.ts';
import { startEngine } from '../../runtime/actor/testing/harness.ts';
import { MemoryBundleStore } from '../../runtime/bundle/memory-store.ts';
import { packDirectory } from '../../runtime/bundle/pack.ts';
import { Book, Findings } from '../../runtime/faults/book.ts';
import { bodyOf, decodeReply, keyOf, nameOf } from '../../runtime/faults/commands.ts';
import type { FaultActor } from '../../runtime/faults/commands.ts';
import { BENCH_BEHAVIORS } from '../../runtime/faults/node-process.ts';
import { journalSource, luaLibrary } from '../../runtime/journal/redis/library.ts';
import type { LuaLibrary } from '../../runtime/journal/redis/library.ts';
import { createRedisJournal } from '../../runtime/journal/redis/redis-journal.ts';
import { FORMAT_PROTO } from '../../runtime/sandbox/sandbox.ts';
import { startRedis } from '../../runtime/testing/redis-server.ts';
import { bucketOf, clusterActors } from './cluster-actors.ts';
import { EpochWitness } from './epoch-witness.ts';
import { proveLog } from './proof.ts';
import { findStoreLoss } from './store-loss.ts';

const BITS = 1;
const ids = [{ bits: BITS, index: 0 }, { bits: BITS, index: 1 }];

/** The library without one of its checks. */
function libraryWithout(check: string, inPlace = ''): LuaLibrary {
  const source = journalSource();
  const patched = source.replace(check, inPlace);
  if (patched === source) throw new Error(`the library has no ${check}`);
  return luaLibrary(patched, 'patched');
}

const redis = await startRedis({ appendfsync: 'no' });
t.teardown(() => redis.remove());

class Rivals {
  readonly findings = new Findings();
  readonly book: Book;
  readonly witness: EpochWitness;
  readonly actors = clusterActors(BITS, 2);
  readonly engines: Engine[] = [];
  private readonly namespace: string;

  constructor(namespace: string) {
    this.namespace = namespace;
    this.book = new Book(this.actors.all, this.findings);
    this.witness = new EpochWitness(redis.port, ids, (what) => this.findings.add(what), namespace);
  }

  /** A new owner of all buckets, of which the others hear nothing. */
  async owner(t: Test, library?: LuaLibrary): Promise<Engine> {
    const node = `n${this.engines.length}`;
    const journal = createRedisJournal({ store: { addresses: [{ host: '127.0.0.1', port: redis.port }] }, namespace: this.namespace, bucketBits: BITS, node }, library === undefined ? {} : { library });
    await journal.open();
    const lost = ({ failed }: { failed(error: { code: 'NOT_OWNER'; message: string }): void }): void => failed({ code: 'NOT_OWNER', message: 'taken' });
    const { engine, close } = await startEngine({ journal, store: new MemoryBundleStore(), bucketBits: BITS, elsewhere: { command: lost, get: lost } });
    t.teardown(async () => {
      await close();
      await journal.close();
    });
    const { bundle, types } = await engine.prepare((await packDirectory(BENCH_BEHAVIORS)).content);
    await engine.ownership.acquire(ids.map(({ index }) => index), () => engine.putInService(bundle, types));
    this.engines.push(engine);
    return engine;
  }

  /** Resolves with the code of the error, or 'ok' when the book has the answer. */
  async send(engine: Engine, actor: FaultActor): Promise<string> {
    const n = this.book.add(actor);
    const body = Buffer.from(bodyOf(actor.kind, n));
    return new Promise((resolve) => {
      engine.submit({
        to: new Address(actor.address), name: nameOf(actor.kind), format: FORMAT_PROTO, body, bodyFrom: 0, bodyTo: body.length,
        key: keyOf(n), principal: '', session: 's',
        done: (seq, buffer, from, to) => {
          const bytes = Uint8Array.from(buffer.subarray(from, to));
          this.book.answered(n, { kind: 'accepted', seq, reply: decodeReply(actor.kind, bytes), bytes });
          resolve('ok');
        },
        failed: ({ code }) => resolve(code),
      });
    });
  }

  /** One command to each actor in turn. */
  async sendAll(engine: Engine, actors: readonly FaultActor[] = this.actors.all): Promise<string[]> {
    const answers: string[] = [];
    for (const actor of actors) answers.push(await this.send(engine, actor));
    return answers;
  }

  async prove(): Promise<string[]> {
    await proveLog(this.book, redis.port, ids, this.witness, this.namespace);
    this.witness.close();
    return [...new Set(this.findings.list.map((text) => text.slice(0, 2)))].sort();
  }
}

await t.test('an owner that was overtaken is refused, and there is nothing to find', async (t) => {
  const rivals = new Rivals('whole');
  const first = await rivals.owner(t);
  t.same(await rivals.sendAll(first), rivals.actors.all.map(() => 'ok'));
  const second = await rivals.owner(t);
  await rivals.witness.look();
  t.ok((await rivals.sendAll(first)).every((code) => code === 'FENCED' || code === 'NOT_OWNER'));
  t.same(await rivals.sendAll(second), rivals.actors.all.map(() => 'ok'));
  t.same(await rivals.prove(), []);
});

await t.test('without the check of the epoch it goes on writing: W1 says so', async (t) => {
  const rivals = new Rivals('unfenced');
  const first = await rivals.owner(t, libraryWithout('m[1] == args[a] and m[2] == owner and'));
  await rivals.sendAll(first);
  await rivals.owner(t);
  await rivals.witness.look();
  t.same(await rivals.sendAll(first), rivals.actors.all.map(() => 'ok'));
  t.same(await rivals.prove(), ['W1']);
});

await t.test('without the checks of epoch, position and head two owners tear the log: L1, L3, L4 and B2 say so', async (t) => {
  const rivals = new Rivals('torn');
  const first = await rivals.owner(t, libraryWithout('m[1] == args[a] and m[2] == owner and m[3] == args[a + 1] and m[4] == args[a + 3] and not m[5]', 'true'));
  await rivals.sendAll(first);
  const probe = rivals.actors.probes[0]!;
  // Two turns that are taken to be costly do not come in one batch; what they cost is learned, from a machine that may be slow.
  (first as unknown as { loop: { costs: { hasRoomFor(): boolean } } }).loop.costs.hasRoomFor = () => true;
  const second = await rivals.owner(t);
  await rivals.witness.look();
  t.equal(await rivals.send(second, probe), 'ok');
  // Together, so that they are one append: it reaches further than the other owner's.
  t.same(await Promise.all([rivals.send(first, probe), rivals.send(first, probe)]), ['ok', 'ok']);
  const rules = await rivals.prove();
  t.same(['B2', 'L1', 'L3', 'L4', 'W1'].filter((rule) => !rules.includes(rule)), []);
});

await t.test('a record that is gone, though its command was answered: L6 and L3 say so', async (t) => {
  const rivals = new Rivals('lost');
  const first = await rivals.owner(t);
  await rivals.sendAll(first);
  const log = `{lost:0}:${BITS}.0:log`;
  const [[entry]] = (await redis.command('XREVRANGE', log, '+', '-', 'COUNT', 1)) as [[string]];
  await redis.command('XDEL', log, entry);
  t.same(await rivals.prove(), ['L1', 'L3', 'L6']);
});

await t.test('a log that has lost its end in order: what is lost is counted, and whether anybody has noticed', async (t) => {
  const rivals = new Rivals('shorter');
  const first = await rivals.owner(t);
  await rivals.sendAll(first);
  const look = async (): Promise<unknown> => findStoreLoss(rivals.book, redis.port, ids, rivals.findings, 'shorter');
  t.same(await look(), { lost: 0, unnoticed: 0, refused: [] });
  const keys = [`{shorter:0}:${BITS}.0:meta`, `{shorter:0}:${BITS}.0:log`] as const;
  const before = await Promise.all(keys.map((key) => redis.commandBytes('DUMP', key)));
  const sent = rivals.actors.all.filter((actor) => bucketOf(actor.address, BITS) === 0);
  t.same(await rivals.sendAll(first, sent), sent.map(() => 'ok'));
  for (const [i, key] of keys.entries()) await redis.command('RESTORE', key, 0, before[i] as Buffer, 'REPLACE');
  t.same(await look(), { lost: sent.length, unnoticed: sent.length, refused: [] });
  t.equal(await rivals.send(first, sent[0]!), 'ROLLED_BACK');
  t.same(await look(), { lost: sent.length, unnoticed: 0, refused: [0] });
  t.same(rivals.findings.list, [], 'what is left is in order');
});

await t.test('an entry that was exchanged for another of the same length: L3 says so', async (t) => {
  const rivals = new Rivals('forged');
  const first = await rivals.owner(t);
  await rivals.sendAll(first);
  const log = `{forged:0}:${BITS}.0:log`;
  const [[entry, fields]] = (await redis.commandBytes('XREVRANGE', log, '+', '-', 'COUNT', 1)) as [[Buffer, Buffer[]]];
  const [, head, , run] = fields as [Buffer, Buffer, Buffer, Buffer];
  run[run.length - 1]! ^= 1;
  await redis.command('XDEL', log, entry.toString());
  // A stream takes nothing behind its newest name; that one may be set back.
  await redis.command('XSETID', log, `${Number.parseInt(entry.toString(), 10) - 1}-0`);
  await redis.command('XADD', log, entry.toString(), 'h', head, 'r', run);
  t.ok((await rivals.prove()).includes('L3'));
});

await t.test('an epoch that went back: W2 says so', async (t) => {
  const rivals = new Rivals('back');
  await rivals.owner(t);
  await rivals.owner(t);
  await rivals.witness.look();
  await redis.command('HSET', `{back:0}:${BITS}.0:meta`, 'e', 1);
  t.same(await rivals.prove(), ['W2']);
});
