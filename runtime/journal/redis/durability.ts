/**
 * What a Redis server keeps, as its own settings say. A configuration that keeps nothing is refused unless the operator has
 * asked for it: an acknowledgement would be worth nothing.
 */

import { TroupeError } from '../../codec/errors.ts';
import type { DurabilityClass } from '../journal.ts';
import type { StoreLinks } from './links.ts';

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
  const settings = await links.callAll('CONFIG', ['GET', 'appendonly', 'appendfsync', 'maxmemory-policy', 'save']);
  for (const { name, answer } of settings) {
    const found = settingsOf(answer);
    const policy = found.get('maxmemory-policy') ?? '';
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
