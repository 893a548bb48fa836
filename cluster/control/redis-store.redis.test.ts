import t from 'tap';

import { startRedis } from '../../runtime/testing/redis-server.ts';
import { BucketMap, NO_NODE } from '../bucket-map.ts';
import { controlLimits } from './control-store.ts';
import type { Lead } from './control-store.ts';
import { controlLibrary } from './redis-library.ts';
import type { ControlLibrary } from './redis-library.ts';
import { controlKeys, RedisControlStore } from './redis-store.ts';
import { controlContract, infoOf } from './testing/contract.ts';
import { IoredisCalls } from './testing/ioredis-calls.ts';

const redis = await startRedis();
// Patient: a machine that stands still for a second is no failure of the store.
const PATIENCE_MS = 30_000;
const calls = await new IoredisCalls(redis.port, PATIENCE_MS).open();
t.teardown(async () => {
  calls.close();
  await redis.remove();
});

let namespaces = 0;

function place(): { namespace: string; store: () => RedisControlStore } {
  const namespace = `n${++namespaces}`;
  return { namespace, store: () => new RedisControlStore(calls, namespace) };
}

async function leadOf(store: RedisControlStore, bucketBits = 8): Promise<Lead> {
  await store.found({ id: 'c-1', bucketBits });
  const answer = await store.beat({ id: 'a', incarnation: 'a-1', number: NO_NODE, info: infoOf('a'), knownMapVersion: 0 });
  if (answer.kind !== 'ok') throw new Error(answer.kind);
  const { term } = await store.campaign({ id: 'a', number: answer.number }, 0);
  return { term, node: answer.number };
}

async function versionOf(store: RedisControlStore): Promise<number> {
  const answer = await store.beat({ id: 'a', incarnation: 'a-1', number: NO_NODE, info: infoOf('a'), knownMapVersion: 0 });
  return answer.kind === 'ok' ? answer.mapVersion : 0;
}

await t.test('the contract', async (t) => {
  await controlContract(t, { place: async () => place(), seeds: [3, 4, 5, 6], stepsPerSeed: 300 });
});

await t.test('the keys are those that are named, all in one slot, and none expires (C1)', async (t) => {
  const { namespace, store: make } = place();
  const store = make();
  const lead = await leadOf(store);
  await store.publish(lead, 1, [{ index: 0, owner: lead.node, next: NO_NODE }]);
  await store.accept({ id: 'a', number: lead.node }, [{ index: 0, epoch: 1 }]);
  await store.drain('a', true);
  await store.pin(0, 'a');
  const keys = (await redis.command('KEYS', `{${namespace}}*`)) as string[];
  t.same(keys.sort(), controlKeys(namespace).sort());
  for (const key of keys) t.equal(await redis.command('PTTL', key), -1, key);
  t.throws(() => controlKeys('a}b'));
});

await t.test('the library is loaded when the server has none, and two versions live side by side', async (t) => {
  await redis.command('FUNCTION', 'FLUSH');
  const { namespace, store: make } = place();
  const store = make();
  const lead = await leadOf(store);
  const other: ControlLibrary = { text: controlLibrary.text.replaceAll(/_[0-9a-f]{12}\b/g, '_ffffffffffff'), functionName: (called) => `control_${called}_ffffffffffff` };
  const newer = new RedisControlStore(calls, namespace, other);
  await newer.found({ id: 'c-2', bucketBits: 8 });
  t.equal(await newer.drain('a', true), 'done');
  t.equal((await redis.command('FUNCTION', 'LIST') as unknown[]).length, 2);
  await redis.command('FUNCTION', 'FLUSH');
  t.match(await store.publish(lead, 1, []), { kind: 'published' }, 'a server that came back without functions');
});

await t.test('an incarnation leaves nothing behind', async (t) => {
  const { namespace, store: make } = place();
  const store = make();
  const lead = await leadOf(store);
  const beat = async (id: string, incarnation: string): Promise<number> => {
    const answer = await store.beat({ id, incarnation, number: NO_NODE, info: infoOf(id), knownMapVersion: 0 });
    return answer.kind === 'ok' ? answer.number : NO_NODE;
  };
  const numbers: Record<string, number> = {};
  for (const id of ['replaced', 'left', 'forgotten']) {
    numbers[id] = await beat(id, '1');
    await store.drain(id, true);
  }
  await beat('replaced', '2');
  await store.leave({ id: 'left', number: numbers['left']! });
  await store.forget(lead, { id: 'forgotten', number: numbers['forgotten']! });
  for (const key of ['nodes', 'incarnations', 'beats', 'infos']) t.equal(await redis.command('HLEN', `{${namespace}}:${key}`), 2, key);
  t.equal(await redis.command('HLEN', `{${namespace}}:drains`), 0);
});

/** How many bytes the answers to beats had for the map: of the whole, and of changes. */
class Weighed extends IoredisCalls {
  whole = 0;
  changes = 0;

  override async call(name: string, keys: readonly string[], args: readonly (string | Buffer)[]): Promise<unknown> {
    const answer = await super.call(name, keys, args);
    this.whole = 0;
    this.changes = 0;
    if (name.includes('_beat_')) [this.whole, this.changes] = (answer as Buffer[]).slice(7, 9).map((bytes) => bytes.length) as [number, number];
    return answer;
  }
}

await t.test('who has a map is given what changed since, and the whole when that is unknown, too much, or was made to another map', async (t) => {
  const { namespace, store: make } = place();
  const store = make();
  const lead = await leadOf(store, 11);
  const weighed = await new Weighed(redis.port, PATIENCE_MS).open();
  t.teardown(() => weighed.close());
  const other = new RedisControlStore(weighed, namespace);
  await other.found({ id: 'c-1', bucketBits: 11 });
  let known = BucketMap.empty(11);
  const look = async (): Promise<[whole: number, changes: number]> => {
    const answer = await other.beat({ id: 'b', incarnation: 'b-1', number: NO_NODE, info: infoOf('b'), knownMapVersion: known.version });
    if (answer.kind === 'ok' && answer.map !== null) known = answer.map;
    const truth = await store.beat({ id: 'a', incarnation: 'a-1', number: lead.node, info: infoOf('a'), knownMapVersion: 0 });
    t.same(truth.kind === 'ok' ? truth.map!.diff(known) : null, []);
    return [weighed.whole, weighed.changes];
  };
  const give = async (...indexes: readonly number[]): Promise<void> => {
    const version = await versionOf(store);
    t.match(await store.publish(lead, version, indexes.map((index) => ({ index, owner: lead.node, next: NO_NODE }))), { kind: 'published' });
  };
  const bytes = 2_048 * 12;
  t.same(await look(), [bytes, 0], 'none is known');
  await give(1, 2);
  t.same(await look(), [bytes, 0], 'of a founded cluster nothing changed, so there is no mark');
  await give(3);
  await give(2_047);
  await store.accept({ id: 'a', number: lead.node }, [{ index: 3, epoch: 9 }]);
  t.same(await look(), [0, 3 * 16]);
  t.same(await look(), [0, 0], 'nothing has changed');
  await give(...Array.from({ length: 1_900 }, (_, i) => 100 + i));
  t.same(await look(), [bytes, 0], 'more than the map itself');
  await give(4);
  t.same(await look(), [0, 16]);
  for (let i = 0; i < 1_024; i++) await give(i);
  t.same(await look(), [bytes, 0], 'more versions than are kept');

  // The store goes back, and comes to the same version another way.
  const places = ['cluster', 'map', 'changes'].map((key) => `{${namespace}}:${key}`);
  const saved = await Promise.all(places.map((key) => redis.commandBytes('DUMP', key)));
  await give(5);
  t.same(await look(), [0, 16]);
  for (const [i, key] of places.entries()) await redis.command('RESTORE', key, '0', saved[i] as Buffer, 'REPLACE');
  await give(6);
  await give(7);
  t.same(await look(), [bytes, 0], 'changes of a map that this node never had');

  // A node of another version of Troupe changes the map, and knows nothing of marks.
  await redis.command('HINCRBY', `{${namespace}}:cluster`, 'version', '1');
  await give(8);
  t.same(await look(), [bytes, 0], 'a version is missing');
  await give(9);
  t.same(await look(), [0, 16]);
});

await t.test('a server that is short of memory still takes beats', async (t) => {
  const store = place().store();
  const lead = await leadOf(store);
  await redis.command('CONFIG', 'SET', 'maxmemory', '1');
  t.teardown(() => redis.command('CONFIG', 'SET', 'maxmemory', '0'));
  await t.rejects(redis.command('SET', 'x', '1'), /OOM/);
  t.match(await store.publish(lead, 1, [{ index: 0, owner: lead.node, next: NO_NODE }]), { kind: 'published' });
  t.equal(await versionOf(store), 2);
});

await t.test('a server that holds another cluster, or lost this one, is refused', async (t) => {
  const { namespace, store: make } = place();
  const store = make();
  const lead = await leadOf(store);
  await redis.command('DEL', ...controlKeys(namespace));
  await t.rejects(store.publish(lead, 1, []), /another cluster, or none/);
  await make().found({ id: 'c-9', bucketBits: 8 });
  await t.rejects(versionOf(store), /another cluster, or none/);
});

await t.test('a server that stands still costs a call, not a node', async (t) => {
  const hasty = await new IoredisCalls(redis.port, 1_000).open();
  t.teardown(() => hasty.close());
  const store = new RedisControlStore(hasty, place().namespace);
  await leadOf(store);
  await redis.suspend();
  await t.rejects(versionOf(store), /timed out/);
  await redis.resume();
  // What was on its way is executed after all; asking again is harmless (C7).
  t.equal(await versionOf(store), 1);
});

await t.test('65,536 buckets: each call is short', async (t) => {
  const store = place().store();
  const lead = await leadOf(store, 16);
  const entries = Array.from({ length: controlLimits.bucketsPerCallMax }, (_, i) => ({ index: 65_535 - i, owner: lead.node, next: NO_NODE }));
  const from = performance.now();
  t.match(await store.publish(lead, 1, entries), { kind: 'published' });
  const outcomes = await store.accept({ id: 'a', number: lead.node }, entries.map(({ index }) => ({ index, epoch: 4_294_967_295 })));
  t.ok(outcomes.every((outcome) => outcome === 'accepted'));
  const answer = await store.beat({ id: 'b', incarnation: 'b-1', number: NO_NODE, info: infoOf('b'), knownMapVersion: 0 });
  const tookMs = performance.now() - from;
  const map = answer.kind === 'ok' ? answer.map! : BucketMap.empty(0);
  t.same(map.entryOf(65_535), { owner: lead.node, next: NO_NODE, epoch: 4_294_967_295 });
  t.equal(map.diff(null).length, controlLimits.bucketsPerCallMax);
  t.comment(`publish, accept and beat took ${tookMs.toFixed(0)} ms together`);
  await t.rejects(store.accept({ id: 'a', number: lead.node }, [{ index: 0, epoch: 2 ** 32 }]), RangeError);
});
