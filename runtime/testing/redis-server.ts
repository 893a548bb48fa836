/**
 * A real redis-server for a test: on a port of its own, in a folder of its own, to be killed, suspended and started again.
 *
 * R1  It is ready when it answers PING, its data loaded, as the process that was started here: the answer of another server,
 *     which took the port a moment earlier, does not count.
 * R2  It does not outlive the test, however that ends. A small shell reads from a pipe that only the test's process holds
 *     open; at the end of the pipe it kills the server and removes the folder. `remove` takes the same way. [A test that
 *     runs out of time is ended by SIGKILL, and no handler of its own runs.]
 * R3  It has its own process group, so that a Ctrl-C at the terminal reaches the test alone, and SIGKILL the children too in
 *     which the server writes its files.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { freePort } from './ports.ts';
import { RespClient } from './resp.ts';
import type { Reply } from './resp.ts';

/** Names and values as in redis.conf, unless said otherwise. */
export interface RedisOptions {
  /** Default true. */
  readonly appendonly?: boolean;
  /** Default everysec. */
  readonly appendfsync?: 'always' | 'everysec' | 'no';
  /** Default '': no dump file by itself. */
  readonly save?: string;
  readonly maxmemory?: string;
  readonly maxmemoryPolicy?: string;
  /** Default false. */
  readonly clusterEnabled?: boolean;
  readonly password?: string;
  /** Further lines of redis.conf, by name. They come last, so they win. */
  readonly config?: Readonly<Record<string, string>>;
  /** Beside this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

type Argument = string | number | Uint8Array;

const READY_MAX_MS = 20_000;
const STOP_MAX_MS = 15_000;
const POLL_MS = 5;
const TAIL_CHARACTERS = 2_000;
/** What a server says that has cut a file which is not its last one, and ends. */
const CUT = 'the truncated file is not the last file';
/** Each with another port. */
const STARTS_MAX = 5;

// Every line is the pid of the server that runs now, or empty for none.
const GUARD = 'pid=; while read -r line; do pid=$line; done; [ -n "$pid" ] && kill -s KILL -- "-$pid" 2>/dev/null; rm -rf -- "$1"';

/** Resolves when the server is ready (R1). @throws Error with the end of the server's log when it does not become so */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  for (let i = 1; ; i++) {
    const server = new RedisServer(await freePort(), options);
    try {
      await server.restart();
      return server;
    } catch (error) {
      const isTaken = server.log().includes('Address already in use');
      await server.remove();
      if (!isTaken || i === STARTS_MAX) throw error;
    }
  }
}

export class RedisServer {
  readonly port: number;
  readonly directory: string;
  private options: RedisOptions;
  private readonly guard: ChildProcess;
  private child: ChildProcess | null = null;
  private exited: Promise<unknown> = Promise.resolve();

  /** Starts nothing yet; use `startRedis`. */
  constructor(port: number, options: RedisOptions) {
    this.port = port;
    this.options = options;
    this.directory = fs.mkdtempSync(join(tmpdir(), 'troupe-redis-'));
    this.guard = spawn('sh', ['-c', GUARD, 'sh', this.directory], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    // A test that forgets the server ends all the same, and the guard does the rest.
    this.guard.unref();
    (this.guard.stdin as Socket).unref();
  }

  get url(): string {
    const { password } = this.options;
    return `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}127.0.0.1:${this.port}`;
  }

  /** Of the process that runs, or ran last. */
  get pid(): number {
    return this.child!.pid!;
  }

  get isRunning(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** What the server has written since it was first started: warnings and worse. */
  log(): string {
    const file = join(this.directory, 'redis.log');
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  }

  /** Over a connection of its own. @throws RespError; Error when there is no connection, or it is lost */
  async command(...args: readonly Argument[]): Promise<Reply> {
    return this.ask(args, false);
  }

  /** As `command`, with buffers for strings. */
  async commandBytes(...args: readonly Argument[]): Promise<Reply> {
    return this.ask(args, true);
  }

  /** A connection that stays, for MULTI, SUBSCRIBE and the like; the caller closes it. */
  async connect(): Promise<RespClient> {
    return RespClient.open(this.port, { password: this.options.password });
  }

  /**
   * Starts the ended server again, at the same port, in the same folder, as a supervisor does: once more when it has only cut its file. [It died twice, the
   * second time while it wrote its append-only file anew.] `changes` hold from now on. @throws as `startRedis`
   */
  async restart(changes: RedisOptions = {}): Promise<void> {
    if (this.isRunning) throw new Error('the server is running; stop or kill it first');
    this.options = { ...this.options, ...changes };
    const before = this.log().length;
    try {
      await this.start();
    } catch (error) {
      if (!this.log().slice(before).includes(CUT)) throw error;
      await this.start();
    }
  }

  private async start(): Promise<void> {
    fs.writeFileSync(join(this.directory, 'redis.conf'), configuration(this.port, this.options));
    const log = fs.openSync(join(this.directory, 'redis.log'), 'a');
    const env = { ...process.env, ...this.options.env };
    const child = spawn('redis-server', ['redis.conf'], { cwd: this.directory, env, stdio: ['ignore', log, log], detached: true });
    fs.closeSync(log);
    this.child = child;
    this.exited = new Promise((resolve) => { child.once('exit', resolve).once('error', resolve); });
    child.unref();
    if (child.pid === undefined) {
      this.child = null;
      throw new Error('redis-server cannot be started: is it on the path? It comes with the package redis-server');
    }
    this.tellGuard(String(child.pid));
    await this.ready();
  }

  /** An end in order, by SIGTERM. @throws Error when it takes too long */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    this.resumeNow();
    process.kill(this.pid, 'SIGTERM');
    if (!(await this.ended(STOP_MAX_MS))) throw new Error(`redis-server did not end within ${STOP_MAX_MS} ms:\n${this.tail()}`);
  }

  /** SIGKILL; what the kernel has taken from the server is kept. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    process.kill(-this.pid, 'SIGKILL');
    await this.ended(STOP_MAX_MS);
  }

  /** The process stands still and its connections stay open. Resolves when it does; at once for a server that has ended. */
  async suspend(): Promise<void> {
    if (this.isRunning) process.kill(this.pid, 'SIGSTOP');
    while (this.isRunning && stateOf(this.pid) !== 'T') await sleep(POLL_MS);
  }

  /** A server that was killed meanwhile is left alone. */
  async resume(): Promise<void> {
    if (this.isRunning) this.resumeNow();
    while (this.isRunning && stateOf(this.pid) === 'T') await sleep(POLL_MS);
  }

  /** Ends the server if it runs, and removes its folder; it cannot be started again. */
  async remove(): Promise<void> {
    await this.kill();
    if (this.guard.exitCode !== null) return;
    const end = once(this.guard, 'exit');
    this.guard.ref();
    this.guard.stdin!.end();
    await end;
  }

  private resumeNow(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  private async ask(args: readonly Argument[], bytes: boolean): Promise<Reply> {
    const client = await RespClient.open(this.port, { password: this.options.password, bytes });
    try {
      return await client.command(...args);
    } finally {
      client.close();
    }
  }

  private async ready(): Promise<void> {
    const until = performance.now() + READY_MAX_MS;
    while (this.isRunning && performance.now() < until) {
      // Refused while nobody listens, and while the data is being loaded.
      const answer = await this.command('PING').catch(() => null);
      if (answer === 'PONG' && (await this.isOurs())) return;
      await sleep(POLL_MS);
    }
    await this.kill();
    throw new Error(`redis-server at port ${this.port} did not become ready:\n${this.tail()}`);
  }

  private async isOurs(): Promise<boolean> {
    const info = String(await this.command('INFO', 'server').catch(() => ''));
    return Number(/^process_id:(\d+)/m.exec(info)?.[1]) === this.pid;
  }

  /** Whether it ended in time. */
  private async ended(timeMaxMs: number): Promise<boolean> {
    const timer = new AbortController();
    await Promise.race([this.exited, sleep(timeMaxMs, null, { signal: timer.signal }).catch(() => null)]);
    timer.abort();
    if (this.isRunning) return false;
    this.tellGuard('');
    return true;
  }

  private tellGuard(line: string): void {
    this.guard.stdin!.write(`${line}\n`);
  }

  private tail(): string {
    return this.log().slice(-TAIL_CHARACTERS);
  }
}

function configuration(port: number, options: RedisOptions): string {
  const { password } = options;
  const settings: Record<string, string | undefined> = {
    bind: '127.0.0.1',
    port: String(port),
    // To standard output, which is redis.log: what is wrong with the configuration goes there in any case.
    logfile: '""',
    loglevel: 'warning',
    appendonly: (options.appendonly ?? true) ? 'yes' : 'no',
    appendfsync: options.appendfsync ?? 'everysec',
    save: options.save === undefined || options.save === '' ? '""' : options.save,
    maxmemory: options.maxmemory,
    'maxmemory-policy': options.maxmemoryPolicy,
    'cluster-enabled': (options.clusterEnabled ?? false) ? 'yes' : 'no',
    requirepass: password === undefined ? undefined : JSON.stringify(password),
    masterauth: password === undefined ? undefined : JSON.stringify(password),
    ...options.config,
  };
  return Object.entries(settings).flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}\n`])).join('');
}

/** The letter of the process's state, as the kernel tells it; null when there is no such process. */
function stateOf(pid: number): string | null {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] ?? null;
  } catch {
    return null;
  }
}
