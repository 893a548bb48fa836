/**
 * One sandbox process as the node sees it: spawned, fed with frames, read frame by frame, watched, killed. What its end means to
 * actors and bundles is the pool's affair.
 *
 * N1  Frames are answered in order; a frame's answer is delivered whole, and synchronously from the read that completed it.
 * N2  `onEnd` is called once. Nothing is delivered after it.
 * N3  The time of a frame counts from when the process could begin with it: from the answer before it, or from ready. It is a time of CPU, as
 *     far as that can be read (frame-watch.ts). [A neighbour takes the CPUs for half a second, twice; the command that was being
 *     decided is recorded as failed for ever.]
 * N4  A process that has not answered for a while is asked over the life line how far it is; one question is open at a time.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Duplex, Readable, Writable } from 'node:stream';

import { limits } from '../limits.ts';
import type { Allowance, Verdict } from './frame-watch.ts';
import { FrameWatch } from './frame-watch.ts';
import { FAREWELL } from './process-frames.ts';
import type { SandboxLoss } from './sandbox.ts';

export type LossCode = SandboxLoss['code'];

export interface ChildEnd {
  readonly code: LossCode;
  readonly message: string;
  /** It never became ready. */
  readonly early: boolean;
  /** As in SandboxLoss. */
  readonly item: number | null;
  readonly isNobodys: boolean;
}

export interface ChildOptions {
  readonly isolateMemoryMaxMib: number;
  /** Replaces the program that runs; tests give one that fails. */
  readonly entry: URL;
  readonly rssMaxBytes: number;
}

type Deliver = (buffer: Buffer, from: number, to: number) => void;

interface Waiting {
  readonly allowance: Allowance;
  readonly deliver: Deliver;
}

const QUESTION = Buffer.alloc(1);
const STDERR_BYTES_MAX = 8 * 1024;
const PAGE_BYTES = 4096;
const MS_PER_TICK = 10;
/** Hardly a batch takes so long: so long nothing is asked. */
const ASK_AFTER_MS = 20;
const REPORT_BYTES = 8;

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
  private readonly lifeLine: Duplex;
  private readonly options: ChildOptions;
  private readonly waiting: Waiting[] = [];
  private headSince = performance.now();
  private partial: Buffer | null = null;
  private partialLength = 0;
  private stderr = '';
  private statm = -1;
  private stat = -1;
  private readonly times = new FrameWatch();
  private lastCpuMs = 0;
  /** Items of all frames that are answered, as the process counts them: 32 bits. */
  private itemsAnswered = 0;
  private isAsked = false;
  private reports: Buffer = Buffer.alloc(0);
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
    this.lifeLine = this.process.stdio[3] as Duplex;
    this.lifeLine.on('error', () => {});
    this.lifeLine.on('data', (bytes: Buffer) => this.readReport(bytes));
    this.process.stdout!.on('error', () => {});
    this.process.stdout!.on('data', (chunk: Buffer) => this.read(chunk));
    (this.process.stderr as Readable).on('data', (chunk: Buffer) => {
      if (this.stderr.length < STDERR_BYTES_MAX) this.stderr += chunk.toString('latin1');
    });
    this.process.on('error', (error) => this.end('SANDBOX_LOST', `it did not start: ${error.message}`));
    this.process.on('close', (code, signal) => this.closed(code, signal));
    const startMs = limits.sandboxStartTimeMaxMs;
    this.waiting.push({ allowance: { items: 0, stepMs: startMs, totalMs: startMs }, deliver: () => this.becomeReady() });
    this.beginHead();
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
  send(frame: Buffer, allowance: Allowance, deliver: Deliver): void {
    if (this.ended) return;
    this.waiting.push({ allowance, deliver });
    if (this.waiting.length === 1) this.beginHead();
    this.lastUse = this.headSince;
    this.input.write(Buffer.from(frame));
  }

  /** Looks at the clock and at the size of the process; `now` is performance.now(). */
  watch(now: number): void {
    if (this.ended) return;
    const head = this.waiting[0];
    if (head !== undefined) {
      const cpu = this.readCpuMs();
      const verdict = this.times.look(now, cpu, this.stat < 0);
      if (verdict !== null) return this.convict(verdict);
      if (this.ready && !this.isAsked && head.allowance.items > 0 && now - this.headSince > ASK_AFTER_MS) this.ask(cpu);
    }
    this.rssBytes = this.readRss();
    if (this.rssBytes > this.options.rssMaxBytes) this.kill('BEHAVIOR_MEMORY', `the sandbox process grew to ${this.rssBytes} bytes`);
  }

  private beginHead(): void {
    this.headSince = performance.now();
    this.times.begin(this.waiting[0]?.allowance ?? null, this.headSince);
  }

  /** N4 */
  private ask(cpuMs: number): void {
    this.isAsked = true;
    this.times.asked(cpuMs);
    this.lifeLine.write(QUESTION);
  }

  private readReport(bytes: Buffer): void {
    if (this.ended) return;
    this.reports = this.reports.length === 0 ? bytes : Buffer.concat([this.reports, bytes]);
    if (this.reports.length < REPORT_BYTES) return;
    const { reports } = this;
    this.reports = reports.subarray(REPORT_BYTES);
    this.isAsked = false;
    const verdict = this.times.reported((reports.readUInt32LE(0) - this.itemsAnswered) | 0, reports.readUInt32LE(4), this.readCpuMs());
    if (verdict !== null) this.convict(verdict);
  }

  private convict({ code, message, item, isNobodys }: Verdict): void {
    this.kill(this.ready ? code : 'SANDBOX_LOST', message, item, isNobodys);
  }

  idleSince(now: number): number {
    return this.waiting.length === 0 ? now - this.lastUse : 0;
  }

  kill(code: LossCode, message: string, item: number | null = null, isNobodys = false): void {
    if (this.ended) return;
    this.process.kill('SIGKILL');
    this.end(code, message, item, isNobodys);
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
    this.itemsAnswered = (this.itemsAnswered + item.allowance.items) | 0;
    this.beginHead();
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

  private end(code: LossCode, message: string, item: number | null = null, isNobodys = false): void {
    this.closeProc();
    if (this.ended) return;
    this.ended = true;
    this.waiting.length = 0;
    this.onEnd({ code, message, early: !this.ready, item, isNobodys });
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
      return (this.lastCpuMs = (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK);
    } catch {
      return this.lastCpuMs;
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
