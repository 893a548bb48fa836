/**
 * What a Redis server keeps, as its own settings say. A configuration that keeps nothing is refused unless the operator has
 * asked for it: an acknowledgement would be worth nothing.
 *
 * With `everysec` Redis answers before it has written while a synchronisation is under way, for up to two seconds (aof.c,
 * flushAppendOnlyFile): then the death of its process alone costs acknowledged records (slow-disk.redis.test.ts). They are found missing
 * (opening.ts), and a disk that does not keep up is told beforehand (sync-watch.ts).
 *
 * Where nobody may ask for the settings, as managed services have it, the server's report says whether there is an append-only file and
 * whether keys are evicted, but not when the file is synchronised: that counts as never.
 */

import { TroupeError } from '../../codec/errors.ts';
import type { DurabilityClass } from '../journal.ts';
import type { StoreLinks } from './links.ts';
import { StoreError } from './store-error.ts';

type RedisClass = Extract<DurabilityClass, 'memory' | `redis-${string}`>;

/** The weakest first. */
const order: readonly RedisClass[] = ['memory', 'redis-no', 'redis-everysec', 'redis-always'];

/**
 * The weakest class among the store's masters.
 * @throws TroupeError CONFIG_INVALID for a server that evicts keys, or that keeps nothing while `memoryAllowed` is false
 * @throws StoreError
 */
export async function findDurability(links: StoreLinks, memoryAllowed: boolean): Promise<RedisClass> {
  let weakest: RedisClass = 'redis-always';
  for (const { name, settings: found } of await settingsOfAll(links)) {
    const policy = found.get('maxmemory-policy');
    if (policy === undefined) {
      throw new TroupeError('CONFIG_INVALID', `${name} does not say whether it evicts keys`, { hint: 'Allow this user the commands CONFIG GET and INFO.' });
    }
    if (policy !== 'noeviction') {
      throw new TroupeError('CONFIG_INVALID', `${name} may evict keys (maxmemory-policy ${policy}), and with them acknowledged records`, {
        hint: `Set it with: redis-cli -u redis://${name} CONFIG SET maxmemory-policy noeviction`,
      });
    }
    const kept = classOf(found);
    if (kept === 'memory' && !memoryAllowed) {
      throw new TroupeError('CONFIG_INVALID', `${name} keeps no append-only file (appendonly no): what it acknowledged is gone when it ends`, {
        hint: 'Set appendonly yes in its configuration, or start with --durability memory if losing everything is acceptable.',
      });
    }
    if (order.indexOf(kept) < order.indexOf(weakest)) weakest = kept;
  }
  return weakest;
}

interface ServerSettings {
  readonly name: string;
  readonly settings: ReadonlyMap<string, string>;
}

async function settingsOfAll(links: StoreLinks): Promise<ServerSettings[]> {
  try {
    const answers = await links.callAll('CONFIG', ['GET', 'appendonly', 'appendfsync', 'maxmemory-policy']);
    return answers.map(({ name, answer }) => ({ name, settings: settingsOf(answer) }));
  } catch (error) {
    // No such command, as it was renamed, or not for this user.
    if (!(error instanceof StoreError) || (error.code !== 'ERR' && error.code !== 'NOPERM')) throw error;
    const answers = await links.callAll('INFO', []);
    return answers.map(({ name, answer }) => ({ name, settings: settingsInReport(String(answer)) }));
  }
}

/** The same names as in CONFIG GET, for what INFO tells. */
function settingsInReport(report: string): Map<string, string> {
  const settings = new Map<string, string>();
  const isKept = /^aof_enabled:([01])/m.exec(report)?.[1];
  const policy = /^maxmemory_policy:(\S+)/m.exec(report)?.[1];
  if (isKept !== undefined) settings.set('appendonly', isKept === '1' ? 'yes' : 'no');
  if (policy !== undefined) settings.set('maxmemory-policy', policy);
  return settings;
}

function classOf(settings: ReadonlyMap<string, string>): RedisClass {
  if (settings.get('appendonly') !== 'yes') return 'memory';
  switch (settings.get('appendfsync')) {
    case 'always':
      return 'redis-always';
    case 'everysec':
      return 'redis-everysec';
    default:
      return 'redis-no';
  }
}

/** CONFIG GET answers a flat list under the second version of the protocol, and what the client library makes of a map under the third. */
function settingsOf(answer: unknown): Map<string, string> {
  const flat: string[] = [];
  if (Array.isArray(answer)) for (const part of answer.flat() as unknown[]) flat.push(String(part));
  else if (answer instanceof Map) for (const [name, value] of answer) flat.push(String(name), String(value));
  else for (const [name, value] of Object.entries(answer as object)) flat.push(name, String(value));
  const settings = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) settings.set(flat[i]!, flat[i + 1]!);
  return settings;
}
