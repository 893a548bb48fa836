/**
 * One sandbox process as the node sees it: spawned, fed with frames, read frame by frame, watched, killed. What its end means to
 * actors and bundles is the pool's affair.
 *
 * N1  Frames are answered in order; a frame's answer is delivered whole, and synchronously from the read that completed it.
 * N2  `onEnd` is called once. Nothing is delivered after it.
 * N3  The deadline of a frame counts from when the process could begin with it: from the answer before it, or from ready. It is
 *     a time of CPU, as far as that can be read, or else a machine that is busy would count as a strike against a behaviour;
 *     by the clock it is `batchWallFactor` times as long. [A neighbour takes the CPUs for half a second, twice; the command
 *     that was being decided is recorded as failed for ever.]
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Readable, Writable } from 'node:stream';

import { limits } from '../limits.ts';
import { FAREWELL } from './process-frames.ts';
import type { SandboxLoss } from './sandbox.ts';

export type LossCode = SandboxLoss['code'];

export interface ChildEnd {
  readonly code: LossCode;
  readonly message: string;
  /** It never became ready. */
  readonly early: boolean;
}

export interface ChildOptions {
  readonly isolateMemoryMaxMib: number;
  /** Replaces the program that runs; tests give one that fails. */
  readonly entry: URL;
  readonly rssMaxBytes: number;
}

type Deliver = (buffer: Buffer, from: number, to: number) => void;

interface Waiting {
  readonly deadlineMs: number;
  readonly deliver: Deliver;
}

const STDERR_BYTES_MAX = 8 * 1024;
const PAGE_BYTES = 4096;
const MS_PER_TICK = 10;

/** Directories from which the process loads its code, before it gives up the right to read. */
function readableDirectories(): string[] {
  const require = createRequire(import.meta.url);
  const root = path.resolve(fileURLToPath(new URL('../..', import.meta.url)));
  const modules = path.dirname(path.dirname(require.resolve('isolated-vm/package.json')));
  // The loader of the native part looks for this file to tell one C library from another.
  return [path.join(root, 'runtime'), path.join(root, 'package.json'), modules, '/etc/alpine-release'];
}

export class SandboxChild {
  onEnd: (end: ChildEnd) => void = () => {};
  onReady: () => void = () => {};
  ready = false;
  ended = false;
  rssBytes = 0;
  private readonly process: ChildProcess;
  private readonly input: Writable;
  private readonly options: ChildOptions;
  private readonly waiting: Waiting[] = [];
  private headSince = performance.now();
  private partial: Buffer | null = null;
  private partialLength = 0;
  private stderr = '';
  private statm = -1;
  private stat = -1;
  /** The frame whose time was looked at last, and the CPU time of the process when that was first done. */
  private watched: Waiting | null = null;
  private watchedCpuMs = 0;
  private lastUse = performance.now();

  constructor(options: ChildOptions) {
    this.options = options;
    const reads = readableDirectories().map((directory) => `--allow-fs-read=${directory}`);
    const flags = ['--no-node-snapshot', '--no-warnings', '--permission', '--allow-addons', '--allow-worker', ...reads];
    this.process = spawn(process.execPath, [...flags, fileURLToPath(options.entry), String(options.isolateMemoryMaxMib)], {
      cwd: '/',
      env: { LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    this.input = this.process.stdin!;
    this.input.on('error', () => {});
    (this.process.stdio[3] as Writable).on('error', () => {});
    this.process.stdout!.on('error', () => {});
    this.process.stdout!.on('data', (chunk: Buffer) => this.read(chunk));
    (this.process.stderr as Readable).on('data', (chunk: Buffer) => {
      if (this.stderr.length < STDERR_BYTES_MAX) this.stderr += chunk.toString('latin1');
    });
    this.process.on('error', (error) => this.end('SANDBOX_LOST', `it did not start: ${error.message}`));
    this.process.on('close', (code, signal) => this.closed(code, signal));
    this.waiting.push({ deadlineMs: limits.sandboxStartTimeMaxMs, deliver: () => this.becomeReady() });
    this.openProc();
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Frames that are sent and not answered. */
  get open(): number {
    return this.waiting.length;
  }

  /** The bytes are copied if the pipe does not take them at once. */
  send(frame: Buffer, deadlineMs: number, deliver: Deliver): void {
    if (this.ended) return;
    if (this.waiting.length === 0) this.headSince = performance.now();
    this.waiting.push({ deadlineMs, deliver });
    this.lastUse = this.headSince;
    this.input.write(Buffer.from(frame));
  }

  /** Looks at the clock and at the size of the process; `now` is performance.now(). */
  watch(now: number): void {
    if (this.ended) return;
    const head = this.waiting[0];
    if (head !== undefined && this.isLate(head, now)) {
      const code = this.ready ? 'BEHAVIOR_TIMEOUT' : 'SANDBOX_LOST';
      return this.kill(code, `no answer within ${head.deadlineMs} ms`);
    }
    this.rssBytes = this.readRss();
    if (this.rssBytes > this.options.rssMaxBytes) this.kill('BEHAVIOR_MEMORY', `the sandbox process grew to ${this.rssBytes} bytes`);
  }

  private isLate(head: Waiting, now: number): boolean {
    const cpu = this.readCpuMs();
    if (head !== this.watched) {
      this.watched = head;
      this.watchedCpuMs = cpu;
    }
    const wall = now - this.headSince;
    if (wall > head.deadlineMs * limits.batchWallFactor + limits.sandboxDeadlineSlackMs) return true;
    return cpu - this.watchedCpuMs > head.deadlineMs;
  }

  idleSince(now: number): number {
    return this.waiting.length === 0 ? now - this.lastUse : 0;
  }

  kill(code: LossCode, message: string): void {
    if (this.ended) return;
    this.process.kill('SIGKILL');
    this.end(code, message);
  }

  /** Ends it without a word; resolves when it is gone. */
  async close(): Promise<void> {
    this.ended = true;
    this.closeProc();
    if (this.process.exitCode !== null || this.process.signalCode !== null || this.process.pid === undefined) return;
    const gone = new Promise((resolve) => this.process.once('close', resolve));
    this.process.kill('SIGKILL');
    await gone;
  }

  private becomeReady(): void {
    this.ready = true;
    this.onReady();
  }

  private read(chunk: Buffer): void {
    if (this.ended) return;
    let buffer = chunk;
    if (this.partial !== null) {
      buffer = this.join(chunk);
      if (this.partial !== null) return;
    }
    let at = 0;
    while (buffer.length - at >= 4) {
      const size = buffer.readUInt32LE(at);
      if (size === FAREWELL) return this.farewell(buffer, at);
      if (buffer.length - at < size + 4) break;
      this.deliver(buffer, at + 4, at + 4 + size);
      at += size + 4;
      if (this.ended) return;
    }
    if (at < buffer.length) this.keep(buffer, at);
  }

  /** Keeps the beginning of a frame in a buffer that will hold all of it. */
  private keep(buffer: Buffer, at: number): void {
    const held = buffer.length - at;
    const size = held >= 4 ? buffer.readUInt32LE(at) : 0;
    this.partial = Buffer.allocUnsafeSlow(Math.max(size === FAREWELL ? 0 : size + 4, held, 64));
    buffer.copy(this.partial, 0, at);
    this.partialLength = held;
  }

  /** Adds a chunk to the frame that had begun; what it returns is to be read when `partial` is null again. */
  private join(chunk: Buffer): Buffer {
    const before = this.partial!;
    const total = this.partialLength + chunk.length;
    let joined = before;
    if (total > before.length) {
      joined = Buffer.allocUnsafeSlow(total);
      before.copy(joined, 0, 0, this.partialLength);
    }
    chunk.copy(joined, this.partialLength);
    this.partialLength = total;
    const size = total >= 4 ? joined.readUInt32LE(0) : FAREWELL;
    if (total >= 4 && size !== FAREWELL && total < size + 4) {
      if (joined.length < size + 4) {
        const whole = Buffer.allocUnsafeSlow(size + 4);
        joined.copy(whole, 0, 0, total);
        joined = whole;
      }
      this.partial = joined;
      return joined;
    }
    this.partial = null;
    return joined.subarray(0, total);
  }

  private deliver(buffer: Buffer, from: number, to: number): void {
    const item = this.waiting.shift();
    if (item === undefined) return this.kill('SANDBOX_LOST', 'it answered what nobody asked');
    this.headSince = performance.now();
    this.lastUse = this.headSince;
    item.deliver(buffer, from, to);
  }

  private farewell(buffer: Buffer, at: number): void {
    if (buffer.length - at < 8 || buffer.length - at < 8 + buffer.readUInt32LE(at + 4)) return this.keep(buffer, at);
    const text = buffer.toString('utf8', at + 8, at + 8 + buffer.readUInt32LE(at + 4));
    const space = text.indexOf(' ');
    this.kill(text.slice(0, space) as LossCode, text.slice(space + 1));
  }

  private closed(code: number | null, signal: string | null): void {
    const memory = /out of memory|memory limit|Array buffer allocation failed/i.test(this.stderr);
    const how = signal === null ? `it ended with code ${code}` : `it ended by ${signal}`;
    const said = this.stderr.trim();
    this.end(memory ? 'BEHAVIOR_MEMORY' : 'SANDBOX_LOST', said === '' ? how : `${how}: ${said}`);
  }

  private end(code: LossCode, message: string): void {
    this.closeProc();
    if (this.ended) return;
    this.ended = true;
    this.waiting.length = 0;
    this.onEnd({ code, message, early: !this.ready });
  }

  /** On systems without /proc neither size nor CPU time is known; the clock alone counts then. */
  private openProc(): void {
    if (this.process.pid === undefined) return;
    try {
      this.statm = fs.openSync(`/proc/${this.process.pid}/statm`, 'r');
      this.stat = fs.openSync(`/proc/${this.process.pid}/stat`, 'r');
    } catch {
      this.closeProc();
    }
  }

  private closeProc(): void {
    for (const file of [this.statm, this.stat]) if (file >= 0) fs.closeSync(file);
    this.statm = this.stat = -1;
  }

  /** User and system time. */
  private readCpuMs(): number {
    if (this.stat < 0) return 0;
    try {
      const length = fs.readSync(this.stat, this.procBytes, 0, this.procBytes.length, 0);
      const line = this.procBytes.latin1Slice(0, length);
      const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
    } catch {
      return this.watchedCpuMs;
    }
  }

  private readonly procBytes = Buffer.alloc(1_024);

  private readRss(): number {
    if (this.statm < 0) return 0;
    try {
      const length = fs.readSync(this.statm, this.procBytes, 0, 128, 0);
      return Number(this.procBytes.latin1Slice(0, length).split(' ')[1]) * PAGE_BYTES;
    } catch {
      return this.rssBytes;
    }
  }
}
