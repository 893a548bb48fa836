/**
 * What a Redis server keeps, as its own settings say. A configuration that keeps nothing is refused unless the operator has
 * asked for it: an acknowledgement would be worth nothing. The verdict is the same at start and later (settings-watch.ts), what follows from it is not.
 *
 * With `everysec` Redis answers before it has written while a synchronisation is under way, for up to two seconds (aof.c,
 * flushAppendOnlyFile): then the death of its process alone costs acknowledged records (slow-disk.redis.test.ts). They are found missing
 * (opening.ts), and a disk that does not keep up is told beforehand (sync-watch.ts).
 *
 * With `no-appendfsync-on-rewrite yes` Redis does not synchronise at all while a child of it rewrites the file or saves a snapshot, `always` or
 * not (aof.c, flushAppendOnlyFile; durability.redis.test.ts counts): for minutes, on a large store. So that counts as `no`.
 *
 * Where nobody may ask for the settings, as managed services have it, the server's report says whether there is an append-only file and
 * whether keys are evicted, but not when the file is synchronised: that counts as never.
 */

import { TroupeError } from '../../codec/errors.ts';
import type { DurabilityClass } from '../journal.ts';
import type { StoreLinks } from './links.ts';
import { StoreError } from './store-error.ts';

export type RedisClass = Extract<DurabilityClass, 'memory' | `redis-${string}`>;

/** The weakest first. */
const order: readonly RedisClass[] = ['memory', 'redis-no', 'redis-everysec', 'redis-always'];

const SETTINGS_OF_CLASS = ['appendonly', 'appendfsync', 'no-appendfsync-on-rewrite'];

export interface SettingsOfServer {
  readonly name: string;
  /** By the names of CONFIG GET; what the server does not say is left out. */
  readonly settings: ReadonlyMap<string, string>;
}

export interface Verdict {
  /** The weakest among the servers. */
  readonly durability: RedisClass;
  /** The server that it is the class of, and its settings. */
  readonly because: string;
  /** Its `appendfsync` promises more than that class. */
  readonly isDeceptive: boolean;
  /** CONFIG_INVALID for each server that evicts keys, or that keeps nothing while that is not allowed: no node starts with it. */
  readonly refusals: readonly TroupeError[];
}

/** What the settings of the store's masters amount to. */
export function judge(servers: readonly SettingsOfServer[], memoryAllowed: boolean): Verdict {
  let durability: RedisClass = 'redis-always';
  let because = '';
  let isDeceptive = false;
  const refusals: TroupeError[] = [];
  for (const { name, settings } of servers) {
    const found = classOf(settings);
    if (because === '' || order.indexOf(found) < order.indexOf(durability)) {
      durability = found;
      isDeceptive = found === 'redis-no' && neverOnRewrite(settings) && settings.get('appendfsync') !== 'no';
      because = `${name} has ${SETTINGS_OF_CLASS.map((setting) => `${setting} ${settings.get(setting) ?? 'unknown'}`).join(', ')}`;
    }
    const refusal = refusalOf(name, settings, memoryAllowed);
    if (refusal !== null) refusals.push(refusal);
  }
  return { durability, because, isDeceptive, refusals };
}

function refusalOf(name: string, settings: ReadonlyMap<string, string>, memoryAllowed: boolean): TroupeError | null {
  const policy = settings.get('maxmemory-policy');
  if (policy === undefined) {
    return new TroupeError('CONFIG_INVALID', `${name} does not say whether it evicts keys`, { hint: 'Allow this user the commands CONFIG GET and INFO.' });
  }
  if (policy !== 'noeviction') {
    return new TroupeError('CONFIG_INVALID', `${name} may evict keys (maxmemory-policy ${policy}), and with them acknowledged records`, {
      hint: `Set it with: redis-cli -u redis://${name} CONFIG SET maxmemory-policy noeviction`,
    });
  }
  if (classOf(settings) === 'memory' && !memoryAllowed) {
    return new TroupeError('CONFIG_INVALID', `${name} keeps no append-only file (appendonly no): what it acknowledged is gone when it ends`, {
      hint: 'Set appendonly yes in its configuration, or start with --durability memory if losing everything is acceptable.',
    });
  }
  return null;
}

/** Asks the store's masters how they are set. */
export class ServerSettings {
  private readonly links: Pick<StoreLinks, 'callAll'>;
  /** Redis notes every command that it denies a user; it is not asked every few seconds for what it has denied. */
  private isDenied = false;

  constructor(links: Pick<StoreLinks, 'callAll'>) {
    this.links = links;
  }

  /** What was denied is asked for again. */
  askAnew(): void {
    this.isDenied = false;
  }

  /** @throws StoreError */
  async read(): Promise<SettingsOfServer[]> {
    if (!this.isDenied) {
      try {
        const answers = await this.links.callAll('CONFIG', ['GET', ...SETTINGS_OF_CLASS, 'maxmemory-policy']);
        return answers.map(({ name, answer }) => ({ name, settings: settingsOf(answer) }));
      } catch (error) {
        // No such command, as it was renamed, or not for this user.
        if (!(error instanceof StoreError) || (error.code !== 'ERR' && error.code !== 'NOPERM')) throw error;
        this.isDenied = true;
      }
    }
    const answers = await this.links.callAll('INFO', []);
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
  if (neverOnRewrite(settings)) return 'redis-no';
  switch (settings.get('appendfsync')) {
    case 'always':
      return 'redis-always';
    case 'everysec':
      return 'redis-everysec';
    default:
      return 'redis-no';
  }
}

function neverOnRewrite(settings: ReadonlyMap<string, string>): boolean {
  return settings.get('no-appendfsync-on-rewrite') === 'yes';
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
