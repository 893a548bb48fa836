/** What a node makes sure of before it joins: that the store is there, what it holds already, and that nobody has its name. */

import type { Logger } from 'pino';

import { TroupeError } from '../runtime/codec/errors.ts';
import { defaults } from '../runtime/config/defaults.ts';
import type { Settings } from '../runtime/config/defaults.ts';
import { journalKey } from '../runtime/journal/redis/keys.ts';
import type { StoreLinks } from '../runtime/journal/redis/links.ts';
import { asTroupeError, StoreError } from '../runtime/journal/redis/store-error.ts';
import { controlKeys } from './control/redis-store.ts';

/** How long a node that starts waits for its store. */
const STORE_WAIT_MAX_MS = 60_000;
const STORE_RETRY_MS = 500;
const TELL_EVERY = 20;

/**
 * Machines are started in any order: a node waits for its store for a while. It does not while it is to end: a try that is under way is not
 * waited for then either, as a server that takes connections and says nothing would hold it up.
 * @throws what `work` throws, and the reason of `ending`
 */
export async function whenStoreAnswers<T>(log: Logger, ending: AbortSignal, work: () => Promise<T>, waitMaxMs = STORE_WAIT_MAX_MS): Promise<T> {
  const until = performance.now() + waitMaxMs;
  for (let tries = 0; ; tries++) {
    ending.throwIfAborted();
    try {
      return await unlessEnding(ending, work());
    } catch (error) {
      ending.throwIfAborted();
      const isAway = error instanceof StoreError || (error instanceof TroupeError && error.code === 'STORE_UNAVAILABLE');
      if (!isAway || !error.retryable || performance.now() > until) throw givenUp(error);
      if (tries % TELL_EVERY === 0) log.warn({ reason: error.message }, 'the store does not answer; waiting for it (is --redis right?)');
      await unlessEnding(ending, new Promise((resolve) => setTimeout(resolve, STORE_RETRY_MS)));
    }
  }
}

function unlessEnding<T>(ending: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => reject(ending.reason);
    ending.addEventListener('abort', end, { once: true });
    void work.then(resolve, reject).finally(() => ending.removeEventListener('abort', end));
  });
}

/** The node that runs goes on when its store does; the one that could not be started is gone. */
function givenUp(error: unknown): unknown {
  const failure = asTroupeError(error);
  if (!(failure instanceof TroupeError) || failure.code !== 'STORE_UNAVAILABLE') return failure;
  return new TroupeError('STORE_UNAVAILABLE', failure.message, {
    cause: error, hint: 'The node was not started. Start the Redis that --redis names, or name the right one, and start the node again.',
  });
}

/** The number of buckets is fixed when a cluster is founded; a node that was not told any takes what is there. @throws StoreError */
export async function storedBuckets(links: StoreLinks, { namespace, buckets }: Pick<Settings, 'namespace' | 'buckets'>): Promise<number> {
  if (buckets !== defaults.buckets) return buckets;
  const key = journalKey(namespace);
  const bits = (await links.call('bulk', key, 'HGET', [key, 'bits'])) as Buffer | null;
  return bits === null ? buckets : 2 ** Number(bits);
}

/**
 * A process that runs under this name goes on counting its beats; one that has ended does not.
 * @throws TroupeError CONFIG_INVALID when one runs; STORE_UNAVAILABLE
 */
export async function refuseTwin(links: StoreLinks, namespace: string, id: string, heartbeatMs: number): Promise<void> {
  const [, nodes, , beats] = controlKeys(namespace) as [string, string, string, string];
  const read = async (key: string, field: string): Promise<string> => String((await links.call('bulk', key, 'HGET', [key, field]).catch(rethrow)) ?? '');
  const number = await read(nodes, id);
  if (number === '') return;
  const pauseMs = 2.5 * heartbeatMs;
  for (let tookMs = Infinity; tookMs > 2 * pauseMs; ) {
    const before = await read(beats, number);
    const since = performance.now();
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    const isGone = (await read(nodes, id)) === number && (await read(beats, number)) === before;
    if (!isGone) throw runsAlready(id);
    // Where this process stood still for longer than it meant to, the other one may have done so too: that says nothing.
    tookMs = performance.now() - since;
  }
}

function runsAlready(id: string): TroupeError {
  return new TroupeError('CONFIG_INVALID', `a node named ${id} is running in this cluster`, { hint: 'Give every node a name of its own with --node, or end the other one first.' });
}

function rethrow(error: unknown): never {
  throw asTroupeError(error);
}
