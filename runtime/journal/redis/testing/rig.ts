/** One server behind a proxy, journals on it, and the oracle at hand: what every fault test begins with. */

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Test } from 'tap';

import type { BucketId } from '../../../codec/address.ts';
import type { TroupeError } from '../../../codec/errors.ts';
import { startRedis } from '../../../testing/redis-server.ts';
import type { RedisOptions, RedisServer } from '../../../testing/redis-server.ts';
import { startProxy } from '../../../testing/tcp-proxy.ts';
import type { TcpProxy } from '../../../testing/tcp-proxy.ts';
import type { Journal } from '../../journal.ts';
import { connectOperations } from '../operations.ts';
import type { JournalOperations } from '../operations.ts';
import { createRedisJournal } from '../redis-journal.ts';
import type { JournalSeams, RedisJournalOptions } from '../redis-journal.ts';
import { History } from './history.ts';
import { complaintsOf } from './oracle.ts';
import { Owner } from './owner.ts';
import type { OwnerOptions } from './owner.ts';

export const BITS = 4;
/** A server that is silent for so long costs the connection, unless a journal is made with other options. */
export const ANSWER_TIME_MAX_MS = 15_000;
/** Four buckets, in as many groups of keys. */
export const ids: readonly BucketId[] = [0, 3, 7, 14].map((index) => ({ bits: BITS, index }));

export interface Rig {
  readonly redis: RedisServer;
  readonly proxy: TcpProxy;
  readonly history: History;
  /** An open journal through the proxy; closed when the test ends. */
  journal(name: string, options?: Partial<RedisJournalOptions>, seams?: JournalSeams): Promise<Journal>;
  /** An owner that has taken its buckets through a journal of its own. */
  owner(name: string, options?: Partial<OwnerOptions>, journal?: Partial<RedisJournalOptions>, seams?: JournalSeams): Promise<Owner>;
  complaints(): Promise<string[]>;
}

/** What the server answers it has written, unless the options say otherwise; with everysec it has not when the disk is slow. */
export async function rigFor(t: Test, options: RedisOptions = {}): Promise<Rig> {
  const redis = await startRedis({ appendfsync: 'no', ...options });
  const proxy = await startProxy(redis.port);
  const history = new History();
  const ends: (() => Promise<unknown>)[] = [];
  t.teardown(async () => {
    proxy.heal();
    for (const end of ends) await end();
    await proxy.close();
    await redis.remove();
  });
  const journal: Rig['journal'] = async (name, more = {}, seams = {}) => {
    const store = { addresses: [{ host: '127.0.0.1', port: proxy.port }], answerTimeMaxMs: ANSWER_TIME_MAX_MS, ...more.store };
    // One that could not be opened is no more: each time it is another.
    const opened = await insist(async () => {
      const made = createRedisJournal({ bucketBits: BITS, node: name, ...more, store }, seams);
      await made.open();
      return made;
    });
    ends.push(() => opened.close());
    return opened;
  };
  const owner: Rig['owner'] = async (name, more = {}, journalOptions = {}, seams = {}) => {
    const made = new Owner({ name, journal: await journal(name, journalOptions, seams), ids, history, ...more });
    await insist(() => made.take());
    ends.unshift(() => made.stop());
    return made;
  };
  return { redis, proxy, history, journal, owner, complaints: () => complaintsOf(history, BITS, async () => redis) };
}

/** A store that gives up after so long, for tests in which it is silent. */
export function quickStore(port: number, answerTimeMaxMs: number): Pick<RedisJournalOptions, 'store'> {
  return { store: { addresses: [{ host: '127.0.0.1', port }], answerTimeMaxMs } };
}

const WAIT_MAX_MS = 60_000;

/** @throws Error when it does not hold in time */
export async function until(holds: () => boolean | Promise<boolean>, what = String(holds), waitMaxMs = WAIT_MAX_MS): Promise<void> {
  const end = performance.now() + waitMaxMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${waitMaxMs} ms: ${what}`);
    await sleep(2);
  }
}

/** Resolves when the journal, which has opened the bucket, is connected again on both its lanes. */
export async function connected(journal: Journal, bucket = ids[0]!): Promise<void> {
  // One that nobody opens is looked at in the store.
  const read = (): Promise<unknown> => journal.readActor({ bits: BITS, index: 2 }, 'a.A:1', { hi: 1, lo: 1 });
  await until(async () => (await isThere(() => confirm(journal, bucket))) && (await isThere(read)), 'the journal is connected');
}

/** Resolves when the journal, which has opened the bucket, has heard that the connection for its appends is gone. */
export async function disconnected(journal: Journal, bucket = ids[0]!): Promise<void> {
  await until(async () => !(await isThere(() => confirm(journal, bucket))), 'the journal is not connected');
}

/** Resolves with what the work comes to, which begins again for as long as the store does not answer it. */
export async function insist<T>(work: () => Promise<T>): Promise<T> {
  let result: T;
  await until(() => isThere(async () => {
    result = await work();
  }), 'the store answers');
  return result!;
}

function confirm(journal: Journal, bucket: BucketId): Promise<unknown> {
  return journal.confirm([{ bucket, epoch: 0 }]);
}

/** Whether the store answers what is asked. */
async function isThere(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await ask();
    return true;
  } catch (error) {
    if ((error as TroupeError).code === 'STORE_UNAVAILABLE') return false;
    throw error;
  }
}

/** Resolves when the owners have so many more acknowledged appends each. */
export async function progress(history: History, owners: readonly Owner[], appends = 20): Promise<void> {
  const goals = owners.map(({ name }) => history.count('appended', name) + appends);
  await until(() => owners.every(({ name }, i) => history.count('appended', name) >= goals[i]!), `${appends} more appends of ${owners.map(({ name }) => name).join()}`);
}

/** Whether these bytes hold a call of the append function. */
export function isAppend(bytes: Buffer): boolean {
  return bytes.includes('append_');
}

/** An empty folder, for as long as the test lasts. */
export function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-witness-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Keeps a copy of what the server holds now. */
export async function copyOf(t: Test, redis: RedisServer): Promise<string> {
  const copy = folderOf(t);
  // With everything it has acknowledged, as after a shutdown.
  await redis.stop();
  cpSync(join(redis.directory, 'appendonlydir'), join(copy, 'appendonlydir'), { recursive: true });
  await redis.restart();
  return copy;
}

/** The server comes back with the copy in place of what it had. */
export async function restore(redis: RedisServer, copy: string): Promise<void> {
  await redis.kill();
  rmSync(join(redis.directory, 'appendonlydir'), { recursive: true });
  cpSync(join(copy, 'appendonlydir'), join(redis.directory, 'appendonlydir'), { recursive: true });
  await redis.restart();
}

export async function operationsOn(t: Test, { proxy }: Rig, witness: string | null = null): Promise<JournalOperations> {
  const operations = await connectOperations({ store: { addresses: [{ host: '127.0.0.1', port: proxy.port }] }, bucketBits: BITS, node: 'operator', witness });
  t.teardown(() => operations.close());
  return operations;
}
