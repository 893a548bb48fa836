/**
 * One connection to one Redis server. Fails fast: what cannot be sent now is refused, nothing is queued and nothing is sent again.
 *
 * C1  A call is either refused, and then never left this process or was answered in place of being executed, or it is answered, or its
 *     outcome is unknown. Which of the three is told (StoreError).
 * C2  Calls of one link are executed in the order in which they were made.
 * C3  A server that does not answer for `answerTimeMaxMs` costs the connection: every call on its way is then of unknown outcome. The same
 *     holds for one that takes a connection and then says nothing. [The network goes away between the two: the next connection would stand
 *     for a quarter of an hour.] The time is what this process has seen go by: while it stood still, the server may have done so too.
 * C4  A server that was started takes calls only when the end of its append-only file is sound (sound-tail.ts).
 */

import { Command, Redis } from 'ioredis';

import { makeTailSound } from './sound-tail.ts';
import { StoreError, storeErrorOf, textOf } from './store-error.ts';

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly tls: boolean;
  readonly answerTimeMaxMs: number;
}

const CONNECT_TIME_MAX_MS = 2_000;
/** For a server that has greeted us, until its file is sound (C4); longer than that, whoever wants to connect is told. */
const SOUND_TIME_MAX_MS = 8_000;
/** A server that has not said so much as goodbye is not waited for. */
const DISCONNECT_TIME_MAX_MS = 50;
const RECONNECT_MS_MAX = 500;
const FORGET_EVERY = 1_024;
const LOOKS_PER_ANSWER_TIME = 8;
const LOOK_MS_MIN = 20;
/** What lies between two looks counts for so many of them at most (C3). */
const LOOKS_COUNTED_MAX = 2;

export type Argument = string | Buffer;

/** A command whose bytes are there already. */
class PackedCommand extends Command {
  private readonly call: Buffer;

  constructor(call: Buffer) {
    super('FCALL', [], { replyEncoding: null });
    this.call = call;
  }

  override toWritable(): Buffer {
    return this.call;
  }
}

export class RedisLink {
  readonly name: string;
  /** Called when the connection has ended, whoever ended it. */
  onLost: (() => void) | null = null;
  /** Called when the server takes calls, for the first time or again. */
  onReady: (() => void) | null = null;
  callsSent = 0;
  private readonly redis: Redis;
  private readonly lookEveryMs: number;
  /** Time seen go by until the last look, and when that was. */
  private seenMs = 0;
  private lookedAt = performance.now();
  /** When the calls on their way were made, in time seen, the oldest first. */
  private readonly sentAt: number[] = [];
  private answered = 0;
  /** Since when, in time seen, a connection stands over which the server has not said yet that it is ready; null for none. */
  private greetingSince: number | null = null;
  private isGivenUp = false;
  private problem: unknown = null;
  /** C4. Of the connection that stands, and how many there were. */
  private isSound = false;
  private connections = 0;
  private readonly soundWaiters = new Set<() => void>();
  private readonly watchdog: NodeJS.Timeout;

  constructor(options: LinkOptions) {
    const { host, port, username, password, tls, answerTimeMaxMs } = options;
    this.name = `${host}:${port}`;
    this.redis = new Redis({
      host, port,
      ...(username === '' ? {} : { username }),
      ...(password === '' ? {} : { password }),
      ...(tls ? { tls: { servername: host } } : {}),
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      // Zero lets calls fail with their connection: with null they would be forgotten, neither sent again nor ever answered.
      maxRetriesPerRequest: 0,
      disableClientInfo: true,
      connectTimeout: CONNECT_TIME_MAX_MS,
      disconnectTimeout: DISCONNECT_TIME_MAX_MS,
      keepAlive: 5_000,
      retryStrategy: (times) => Math.min(20 * 2 ** Math.min(times, 10), RECONNECT_MS_MAX) * (0.75 + Math.random() / 2),
    });
    this.redis.on('error', (error) => {
      this.problem = error;
    });
    this.redis.on('connect', () => {
      this.greetingSince = this.seen();
    });
    this.redis.on('ready', () => {
      this.greetingSince = null;
      this.problem = null;
      void this.greeted();
    });
    this.redis.on('close', () => {
      this.isSound = false;
      this.connections++;
      this.greetingSince = null;
      this.isGivenUp = false;
      this.onLost?.();
    });
    this.lookEveryMs = Math.max(LOOK_MS_MIN, answerTimeMaxMs / LOOKS_PER_ANSWER_TIME);
    this.watchdog = setInterval(() => this.watch(answerTimeMaxMs), this.lookEveryMs);
    this.watchdog.unref();
  }

  get isReady(): boolean {
    return this.isSound && this.redis.status === 'ready' && !this.isGivenUp && this.redis.stream.writable;
  }

  /** @throws StoreError when the server cannot be reached now; it goes on trying all the same */
  async connect(): Promise<void> {
    if (this.isReady) return;
    try {
      if (this.redis.status === 'wait') await this.redis.connect();
      if (!this.isReady) await this.ready();
    } catch (error) {
      // What the server said, when it has turned us away.
      const cause = this.problem ?? error;
      const refusal = storeErrorOf(cause, this.name);
      if (refusal.kind === 'refused') throw refusal;
      throw new StoreError('refused', 'UNREACHABLE', `${this.name}: ${textOf(cause)}`);
    }
  }

  /** A plain command. Answers come as buffers, integers, null and lists of them. @throws StoreError */
  call(command: string, args: readonly Argument[]): Promise<unknown> {
    return this.send(new Command(command, args as Argument[], { replyEncoding: null }));
  }

  private async send(command: Command): Promise<unknown> {
    if (!this.isReady) throw new StoreError('refused', 'UNREACHABLE', `${this.name}: not connected`);
    return this.sendNow(command);
  }

  private async sendNow(command: Command): Promise<unknown> {
    this.callsSent++;
    this.sentAt.push(this.seen());
    try {
      return await this.redis.sendCommand(command);
    } catch (error) {
      throw storeErrorOf(error, this.name);
    } finally {
      // Answers come in the order of the calls (C2).
      this.answered++;
      if (this.answered === this.sentAt.length) this.answered = this.sentAt.length = 0;
      else if (this.answered === FORGET_EVERY) {
        this.sentAt.splice(0, this.answered);
        this.answered = 0;
      }
    }
  }

  /** A function of a library, which is loaded when the server lacks it: its absence is a refusal, so asking again is safe. */
  async callFunction(readOnly: boolean, name: string, library: string, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    const command = readOnly ? 'FCALL_RO' : 'FCALL';
    const all = [name, String(keys.length), ...keys, ...args];
    return this.withLibrary(library, () => this.call(command, all));
  }

  /** As `callFunction`, of a call that was written by a CallWriter. */
  async callPacked(library: string, call: Buffer): Promise<unknown> {
    return this.withLibrary(library, () => this.send(new PackedCommand(call)));
  }

  private async withLibrary(library: string, call: () => Promise<unknown>): Promise<unknown> {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'NOFUNCTION') throw error;
      await this.call('FUNCTION', ['LOAD', 'REPLACE', library]);
      return call();
    }
  }

  close(): void {
    clearInterval(this.watchdog);
    this.redis.disconnect();
  }

  private ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const hasGreeted = this.redis.status === 'ready';
      const problem = hasGreeted ? 'it was started, and writes its append-only file anew' : 'no connection';
      const timer = setTimeout(() => settle(new Error(problem)), hasGreeted ? SOUND_TIME_MAX_MS : CONNECT_TIME_MAX_MS);
      const onReady = (): void => settle(null);
      const settle = (error: Error | null): void => {
        clearTimeout(timer);
        this.soundWaiters.delete(onReady);
        if (error === null) resolve();
        else reject(error);
      };
      this.soundWaiters.add(onReady);
    });
  }

  /** C4 */
  private async greeted(): Promise<void> {
    const { connections } = this;
    try {
      await makeTailSound((command, args) => this.sendNow(new Command(command, args as string[], { replyEncoding: null })));
    } catch (error) {
      // A connection that is lost comes again; one that says something else is of no use.
      this.problem = error;
      if (connections === this.connections) this.redis.disconnect(true);
      return;
    }
    if (connections !== this.connections) return;
    this.isSound = true;
    for (const wake of [...this.soundWaiters]) wake();
    this.onReady?.();
  }

  /** C3. What has arrived while this process stood still, or had other things to do, is read first. */
  private watch(answerTimeMaxMs: number): void {
    const now = performance.now();
    this.seenMs = this.seen(now);
    this.lookedAt = now;
    if (!this.isSilent(answerTimeMaxMs)) return;
    setImmediate(() => {
      if (this.isGivenUp || !this.isSilent(answerTimeMaxMs)) return;
      this.isGivenUp = true;
      this.redis.disconnect(true);
    });
  }

  private isSilent(answerTimeMaxMs: number): boolean {
    const oldest = this.greetingSince ?? this.sentAt[this.answered];
    return oldest !== undefined && this.seen() - oldest >= answerTimeMaxMs;
  }

  private seen(now = performance.now()): number {
    return this.seenMs + Math.min(now - this.lookedAt, LOOKS_COUNTED_MAX * this.lookEveryMs);
  }
}
