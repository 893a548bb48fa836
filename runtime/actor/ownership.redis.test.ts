/**
 * Buckets that change hands while commands flow: two engines on one Redis. Every command is answered once, none is lost or applied twice,
 * whether a bucket is handed over or taken away.
 */

import t from 'tap';

import { hashText } from '../codec/address.ts';
import { RecordReader } from '../codec/record.ts';
import type { Journal } from '../journal/journal.ts';
import { createRedisJournal } from '../journal/redis/redis-journal.ts';
import { startRedis } from '../testing/redis-server.ts';
import type { Bucket } from './bucket.ts';
import type { CommandRequest, Elsewhere } from './engine.ts';
import { Address } from './engine.ts';
import { MemoryBundleStore } from '../bundle/memory-store.ts';
import { FORMAT_JSON } from '../sandbox/sandbox.ts';
import { accountBundle, accountModule, accountProto, makeBundle, startEngine } from './testing/harness.ts';
import type { TestEngine } from './testing/harness.ts';

const BITS = 4;
const BUCKETS = 2 ** BITS;
const ACTORS = 40;

/** Where each bucket is said to be; what comes back from an engine goes to whoever is said to own it by then. */
class Crossing {
  readonly engines: TestEngine[] = [];
  readonly journals: Journal[] = [];
  readonly owner: number[] = Array.from({ length: BUCKETS }, () => 0);
  returned = 0;
  /** Commands of the loads that were answered well. */
  answered = 0;

  elsewhere(): Elsewhere {
    return {
      command: (request) => {
        this.returned++;
        setTimeout(() => this.submit(request), 1);
      },
      get: () => t.fail('nobody reads here'),
    };
  }

  submit(request: CommandRequest): void {
    this.engines[this.owner[hashText(request.to.text).lo & (BUCKETS - 1)]!]!.engine.submit(request);
  }

  async move(indexes: readonly number[], how: 'handOver' | 'take'): Promise<void> {
    for (const side of [0, 1]) {
      const moving = indexes.filter((index) => this.owner[index] === side);
      const other = 1 - side;
      const next = this.engines[other]!.engine.ownership;
      if (how === 'handOver') await this.engines[side]!.engine.ownership.release(moving, Infinity, (index, logIndex) => next.takeLogIndex(index, logIndex));
      for (const index of moving) this.owner[index] = other;
      await next.acquire(moving, async () => undefined);
    }
  }

  send(actor: string, key: string): Promise<string> {
    const bytes = Buffer.from('{"amount":1}');
    return new Promise((resolve) => {
      this.submit({
        to: new Address(actor), name: 'Open', key, principal: '', session: 's', format: FORMAT_JSON, body: bytes, bodyFrom: 0, bodyTo: bytes.length,
        done: () => resolve('ok'),
        failed: ({ code }) => resolve(code),
      });
    });
  }
}

async function setUp(port: number, namespace: string): Promise<Crossing> {
  const crossing = new Crossing();
  const store = new MemoryBundleStore();
  for (const node of ['n0', 'n1']) {
    const journal = createRedisJournal({ store: { addresses: [{ host: '127.0.0.1', port }] }, namespace, bucketBits: BITS, node });
    await journal.open();
    const engine = await startEngine({ journal, store, bucketBits: BITS, elsewhere: crossing.elsewhere() });
    const side = crossing.engines.length;
    // It was taken away while nothing was sent, and has come back since: the owner that never knew learns it now.
    engine.engine.ownership.onFenced = (index) => {
      if (crossing.owner[index] === side) void engine.engine.ownership.acquire([index], async () => undefined);
    };
    crossing.journals.push(journal);
    crossing.engines.push(engine);
  }
  const [first, second] = crossing.engines as [TestEngine, TestEngine];
  await first.engine.ownership.acquire([...crossing.owner.keys()], async () => undefined);
  const { bundle, types } = await first.engine.prepare(accountBundle());
  await first.engine.putInService(bundle, types);
  await second.engine.putInService(bundle, types);
  return crossing;
}

/** Commands with a key on every one, sent again until they are answered well, as a client does. */
async function load(crossing: Crossing, client: number, stop: () => boolean): Promise<{ keys: string[]; again: Record<string, number> }> {
  const keys: string[] = [];
  const again: Record<string, number> = {};
  for (let i = 0; !stop(); i++) {
    const key = `${client}-${i}`;
    for (;;) {
      const answer = await crossing.send(`test.v1.Account:${(client * 7 + i) % ACTORS}`, key);
      if (answer === 'ok') break;
      again[answer] = (again[answer] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    keys.push(key);
    crossing.answered++;
  }
  return { keys, again };
}

/** Every key of every record of the log, and whether epochs only grow. */
async function readLog(journal: Journal): Promise<{ keys: Map<string, number>; epochsGrow: boolean }> {
  const keys = new Map<string, number>();
  let epochsGrow = true;
  const record = new RecordReader();
  for (let index = 0; index < BUCKETS; index++) {
    let epoch = 0;
    for await (const stored of journal.readBucket({ bits: BITS, index }, 1)) {
      record.over(stored.bytes);
      if (record.epoch < epoch) epochsGrow = false;
      epoch = record.epoch;
      if (record.key !== '') keys.set(record.key, (keys.get(record.key) ?? 0) + 1);
    }
  }
  return { keys, epochsGrow };
}

const redis = await startRedis({ appendonly: true, appendfsync: 'no' });
t.teardown(() => redis.remove());

for (const how of ['handOver', 'take'] as const) {
  await t.test(how === 'handOver' ? 'buckets are handed over' : 'buckets are taken away from an owner that does not know', async (t) => {
    const crossing = await setUp(redis.port, how);
    let stopped = false;
    const loads = Array.from({ length: 16 }, (_, client) => load(crossing, client, () => stopped));
    const end = performance.now() + 60_000;
    for (let move = 0; move < 40 || (crossing.answered <= 500 && performance.now() < end); move++) {
      await crossing.move([move % BUCKETS, (move * 5 + 3) % BUCKETS, (move * 3 + 8) % BUCKETS].filter((index, i, all) => all.indexOf(index) === i), how);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    stopped = true;
    const results = await Promise.all(loads);
    const sent = results.flatMap(({ keys }) => keys);
    const { keys, epochsGrow } = await readLog(crossing.journals[0]!);
    t.same(sent.filter((key) => keys.get(key) !== 1), [], 'every acknowledged command is in the log once');
    t.ok(epochsGrow, 'epochs only grow along the log');
    t.ok(sent.length > 500, `${sent.length} commands`);
    const again = results.map((result) => result.again);
    const fenced = again.reduce((sum, one) => sum + (one['FENCED'] ?? 0), 0);
    t.ok(crossing.returned + fenced > 20, `${crossing.returned} commands were given back and went on elsewhere, ${fenced} were fenced`);
    t.comment('sent again after', JSON.stringify(again.reduce<Record<string, number>>((sum, one) => {
      for (const [code, count] of Object.entries(one)) sum[code] = (sum[code] ?? 0) + count;
      return sum;
    }, {})));
    if (how === 'handOver') t.same(again.filter((one) => Object.keys(one).length > 0), [], 'nobody sees an error');
    for (const engine of crossing.engines) await engine.close();
    for (const journal of crossing.journals) await journal.close();
  });
}

await t.test('deployments meet buckets on their way: every bucket gets the newest bundle, and nobody is told otherwise', async (t) => {
  const crossing = await setUp(redis.port, 'deploying');
  let stopped = false;
  const loads = Array.from({ length: 8 }, (_, client) => load(crossing, client, () => stopped));
  const moves = (async () => {
    for (let move = 0; !stopped; move++) await crossing.move([move % BUCKETS, (move * 7 + 5) % BUCKETS].filter((index, i, all) => all.indexOf(index) === i), 'handOver');
  })();
  let newest = '';
  for (let version = 1; version <= 12; version++) {
    const { bundle, types } = await crossing.engines[version % 2]!.engine.prepare(makeBundle(accountProto, `${accountModule}\n// version ${version}`));
    await Promise.all(crossing.engines.map(({ engine }) => engine.putInService(bundle, types)));
    newest = bundle;
  }
  stopped = true;
  await moves;
  const sent = (await Promise.all(loads)).flatMap(({ keys }) => keys);
  const { keys } = await readLog(crossing.journals[0]!);
  t.same(sent.filter((key) => keys.get(key) !== 1), []);
  const served: (string | undefined)[] = [];
  for (let index = 0; index < BUCKETS; index++) {
    const { buckets } = crossing.engines[crossing.owner[index]!]!.engine as unknown as { buckets: Bucket[] };
    served.push(buckets[index]!.served.get('test.v1.Account')?.bundle);
  }
  t.same(served, served.map(() => newest));
  t.ok(crossing.returned > 5, `${crossing.returned} commands were given back meanwhile`);
  for (const engine of crossing.engines) await engine.close();
  for (const journal of crossing.journals) await journal.close();
});

/** The owner is suspended, its successor takes the bucket and decides, the owner wakes and is asked. */
async function askFormerOwner(namespace: string, isChecked: boolean): Promise<string> {
  const crossing = await setUp(redis.port, namespace);
  const actor = 'test.v1.Account:read';
  const index = hashText(actor).lo & (BUCKETS - 1);
  await crossing.send(actor, 'k1');
  await crossing.engines[1]!.engine.ownership.acquire([index], async () => undefined);
  crossing.owner[index] = 1;
  await crossing.send(actor, 'k2');
  // The rule that a read is answered after an ownership check that began behind it, off.
  if (!isChecked) crossing.journals[0]!.confirm = async (owned) => owned.map(() => true);
  const { seq, error } = await crossing.engines[0]!.get(actor);
  for (const engine of crossing.engines) await engine.close();
  for (const journal of crossing.journals) await journal.close();
  return error === null ? `seq ${seq}` : error.code;
}

await t.test('a former owner that was suspended answers no read from its old state', async (t) => {
  t.equal(await askFormerOwner('read', true), 'FENCED');
  t.equal(await askFormerOwner('read-unchecked', false), 'seq 1', 'without the check it answers what is no longer so');
});

await t.test('a hand-off that takes longer than its budget is given up, and the bucket serves on', async (t) => {
  const crossing = await setUp(redis.port, 'budget');
  const actor = 'test.v1.Account:slow';
  const index = hashText(actor).lo & (BUCKETS - 1);
  const [journal] = crossing.journals as [Journal];
  const append = journal.append.bind(journal);
  const { promise: appends, resolve: goOn } = Promise.withResolvers<void>();
  const { promise: held, resolve: isHeld } = Promise.withResolvers<void>();
  journal.append = async (batch) => {
    isHeld();
    await appends;
    return append(batch);
  };
  const first = crossing.send(actor, 'k1');
  await held;
  const release = crossing.engines[0]!.engine.ownership.release([index], 100);
  const second = crossing.send(actor, 'k2');
  t.equal(await release, false);
  goOn();
  t.same([await first, await second], ['ok', 'ok']);
  t.equal(crossing.returned, 0, 'nothing was given back');
  t.equal(await crossing.engines[0]!.engine.ownership.release([index], 5_000), true);
  for (const engine of crossing.engines) await engine.close();
  for (const each of crossing.journals) await each.close();
});
