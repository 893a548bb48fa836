/**
 * The connections to a store: one server, or the masters of a Redis Cluster. Two to each: appends and ownership checks do not
 * stand behind the answers of large reads.
 *
 * A call goes to the master that has the key's slot. MOVED is a refusal that says where to go: the call is made again there, at
 * most `HOPS_MAX` times. Everything else is the caller's to decide.
 */

import calculateSlot from 'cluster-key-slot';

import { TroupeError } from '../../codec/errors.ts';
import { RedisLink } from './link.ts';
import type { Argument } from './link.ts';
import type { LuaLibrary } from './library.ts';
import { StoreError } from './store-error.ts';

export interface StoreAddress {
  readonly host: string;
  readonly port: number;
}

export interface StoreOptions {
  /** One server, or some of a cluster's. */
  readonly addresses: readonly StoreAddress[];
  readonly username?: string;
  readonly password?: string;
  readonly tls?: boolean;
  /** A server that is silent for so long costs the connection. */
  readonly answerTimeMaxMs?: number;
}

export type Lane = 'log' | 'bulk';

interface Master {
  readonly name: string;
  readonly log: RedisLink;
  readonly bulk: RedisLink;
}

const HOPS_MAX = 3;
/** Looked at in one step of the server. */
const KEYS_PER_SCAN = '1000';
/** Longer than Redis lets a script run before it answers BUSY to others. */
const ANSWER_TIME_MAX_MS = 8_000;

/** @throws TroupeError CONFIG_INVALID. "redis://[user:password@]host[:port][,host:port...]" or rediss:// for TLS. */
export function parseStoreUrl(text: string): StoreOptions {
  const match = /^(rediss?):\/\/(?:([^@/]*)@)?([^/]+)\/?$/.exec(text);
  if (match === null) throw new TroupeError('CONFIG_INVALID', `${JSON.stringify(text.replace(/\/\/[^@]*@/, '//...@'))} is not of the form redis://host:port[,host:port]`);
  const [username = '', password = ''] = match[2] === undefined ? [] : match[2].includes(':') ? splitOnce(match[2]) : ['', match[2]];
  const addresses = match[3]!.split(',').map((part) => {
    const address = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(part);
    const port = Number(address?.[2] ?? 6379);
    if (address === null || port < 1 || port > 65_535) throw new TroupeError('CONFIG_INVALID', `${JSON.stringify(part)} is not of the form host:port`);
    return { host: address[1]!.replace(/^\[|\]$/g, ''), port };
  });
  return { addresses, username: decodeURIComponent(username), password: decodeURIComponent(password), tls: match[1] === 'rediss' };
}

function splitOnce(text: string): [string, string] {
  const colon = text.indexOf(':');
  return [text.slice(0, colon), text.slice(colon + 1)];
}

export class StoreLinks {
  /** Called when a connection of the log's lane has ended. */
  onLost: ((name: string) => void) | null = null;
  /** Called when a server can be asked, for the first time or again. */
  onConnected: (() => void) | null = null;
  private readonly options: StoreOptions;
  private readonly masters = new Map<string, Master>();
  /** The master of each slot; one for all without a cluster. */
  private readonly slots: Master[] = [];
  private single: Master | null = null;
  private refreshing: Promise<void> | null = null;
  private isClosed = false;

  constructor(options: StoreOptions) {
    this.options = options;
  }

  get isCluster(): boolean {
    return this.single === null;
  }

  get names(): string[] {
    return [...this.masters.keys()];
  }

  /** @throws TroupeError STORE_UNAVAILABLE when none of the addresses answers, CONFIG_INVALID for a server that is too old or a wrong password */
  async connect(): Promise<void> {
    const failures: string[] = [];
    for (const address of this.options.addresses) {
      const master = this.masterAt(address);
      try {
        await Promise.all([master.log.connect(), master.bulk.connect()]);
        const info = String(await master.log.call('INFO', []));
        checkVersion(master.name, info);
        if (!/cluster_enabled:1/.test(info)) {
          this.single = master;
          return;
        }
        await this.readSlots(master);
        await Promise.all([...new Set(this.slots)].flatMap((one) => [one.log.connect(), one.bulk.connect()]));
        return;
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        if (!error.retryable) throw new TroupeError('CONFIG_INVALID', error.message, { hint: 'Check user and password of --redis.' });
        failures.push(error.message);
      }
    }
    throw new TroupeError('STORE_UNAVAILABLE', failures.join('; '));
  }

  /** Which calls go together: those of one key of a slot, or all of a server that stands alone. */
  slotOf(key: string): number {
    return this.single === null ? calculateSlot(key) : 0;
  }

  /** A function of `library` for keys of one slot. @throws StoreError */
  async callFunction(lane: Lane, library: LuaLibrary, name: string, keys: readonly string[], args: readonly Argument[], readOnly = false): Promise<unknown> {
    return this.atMaster(keys[0]!, (master) => master[lane].callFunction(readOnly, library.functionName(name), library.text, keys, args));
  }

  /** A call of a function of `library`, written by a CallWriter, at the master that has `key`. @throws StoreError */
  async callPacked(lane: Lane, library: LuaLibrary, key: string, call: Buffer): Promise<unknown> {
    return this.atMaster(key, (master) => master[lane].callPacked(library.text, call));
  }

  /** A plain command on the master that has the key. @throws StoreError */
  async call(lane: Lane, key: string, command: string, args: readonly Argument[]): Promise<unknown> {
    return this.atMaster(key, (master) => master[lane].call(command, args));
  }

  /** A command on every master. @throws StoreError */
  async callAll(command: string, args: readonly Argument[]): Promise<{ readonly name: string; readonly answer: unknown }[]> {
    const masters = this.single === null ? [...new Set(this.slots)] : [this.single];
    return Promise.all(masters.map(async (master) => ({ name: master.name, answer: await master.bulk.call(command, args) })));
  }

  /** The texts whose keys match a pattern of SCAN, on all masters. One that is there all the while is among them. @throws StoreError */
  async stringKeys(pattern: string): Promise<string[]> {
    const found = new Set<string>();
    for (const { bulk } of this.single === null ? new Set(this.slots) : [this.single]) {
      let cursor = '0';
      do {
        const [next, keys] = (await bulk.call('SCAN', [cursor, 'MATCH', pattern, 'COUNT', KEYS_PER_SCAN, 'TYPE', 'string'])) as [Buffer, Buffer[]];
        for (const key of keys) found.add(key.toString());
        cursor = next.toString();
      } while (cursor !== '0');
    }
    return [...found];
  }

  close(): void {
    this.isClosed = true;
    for (const master of this.masters.values()) {
      master.log.close();
      master.bulk.close();
    }
  }

  private async atMaster<T>(key: string, work: (master: Master) => Promise<T>): Promise<T> {
    for (let hops = 0; ; hops++) {
      const master = this.single ?? this.slots[calculateSlot(key)];
      if (master === undefined) {
        this.refreshSoon();
        throw new StoreError('refused', 'CLUSTERDOWN', `no master is known for ${key}`);
      }
      try {
        return await work(master);
      } catch (error) {
        if (!(error instanceof StoreError) || this.single !== null) throw error;
        if (error.code === 'MOVED' && hops < HOPS_MAX) {
          await this.refresh();
          continue;
        }
        this.refreshSoon();
        throw error;
      }
    }
  }

  private masterAt({ host, port }: StoreAddress): Master {
    const name = `${host}:${port}`;
    let master = this.masters.get(name);
    if (master !== undefined) return master;
    const { username = '', password = '', tls = false, answerTimeMaxMs = ANSWER_TIME_MAX_MS } = this.options;
    const options = { host, port, username, password, tls, answerTimeMaxMs };
    master = { name, log: new RedisLink(options), bulk: new RedisLink(options) };
    master.log.onLost = () => {
      if (this.isClosed) return;
      this.refreshSoon();
      this.onLost?.(name);
    };
    // What is asked of every master goes over the lane for reads.
    master.bulk.onReady = () => this.onConnected?.();
    this.masters.set(name, master);
    return master;
  }

  private refreshSoon(): void {
    if (this.single === null) this.refresh().catch(() => undefined);
  }

  /** Asks whoever answers where the slots are. */
  private refresh(): Promise<void> {
    this.refreshing ??= this.askAround().finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  private async askAround(): Promise<void> {
    for (const master of [...this.masters.values()]) {
      if (!master.bulk.isReady) continue;
      try {
        await this.readSlots(master);
        return;
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
      }
    }
  }

  private async readSlots(from: Master): Promise<void> {
    const ranges = (await from.bulk.call('CLUSTER', ['SLOTS'])) as [number, number, [Buffer, number, Buffer]][];
    for (const [first, last, [host, port]] of ranges) {
      const master = this.masterAt({ host: host.toString() || from.name.slice(0, from.name.lastIndexOf(':')), port });
      if (!master.log.isReady) void master.log.connect().catch(() => undefined);
      if (!master.bulk.isReady) void master.bulk.connect().catch(() => undefined);
      for (let slot = first; slot <= last; slot++) this.slots[slot] = master;
    }
  }
}

function checkVersion(name: string, info: string): void {
  const version = /redis_version:(\d+)\.(\d+)/.exec(info);
  if (version !== null && Number(version[1]) < 7) {
    throw new TroupeError('CONFIG_INVALID', `${name} is Redis ${version[1]}.${version[2]}; functions need 7.0 or later, or Valkey`);
  }
}
