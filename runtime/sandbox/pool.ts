/**
 * SandboxPool over processes: one active, one warm spare. S1 to S6 of sandbox.ts are kept here and in child.ts.
 *
 * O1  Whatever ends the active process, the spare is active before `onLost` is called, and a new spare starts behind it. A spare that
 *     is still starting is promoted all the same: what is sent to it waits in its pipe.
 * O2  Every process loads the installed bundles, in order, before anything else that is sent to it.
 * O3  A process that dies again and again before it is ready is started ever more slowly; `start` gives up and says what it wrote.
 */

import { TroupeError } from '../codec/errors.ts';
import { limits } from '../limits.ts';
import { BatchWriter, ResultReader } from './batch.ts';
import { SandboxChild } from './child.ts';
import type { ChildEnd, ChildOptions } from './child.ts';
import { allowanceOf } from './frame-watch.ts';
import type { Allowance } from './frame-watch.ts';
import { readLoaded } from './loaded-bundle.ts';
import { CHECKED_BUNDLE_FIRST } from './process-frames.ts';
import { FORMAT_PROTO } from './sandbox.ts';
import type { LoadedBundle, Sample, SampleMismatch, SandboxLoss, SandboxPool, SandboxStat, TrialEnd } from './sandbox.ts';

export interface SandboxPoolOptions {
  /** Program of the process; tests replace it. */
  readonly entry?: URL;
  readonly rssMaxBytes?: number;
  readonly decideTimeMaxMs?: number;
  readonly isolateMemoryMaxMib?: number;
}

export function createSandboxPool(options: SandboxPoolOptions = {}): SandboxPool {
  return new ProcessPool({
    entry: options.entry ?? new URL(import.meta.url.replace(/pool(\.[jt]s)$/, 'process$1')),
    rssMaxBytes: options.rssMaxBytes ?? limits.sandboxRssMaxMib * 1024 * 1024,
    isolateMemoryMaxMib: options.isolateMemoryMaxMib ?? limits.isolateMemoryMaxMib,
    decideTimeMaxMs: options.decideTimeMaxMs ?? limits.decideTimeMaxMs,
  });
}

const WATCH_MS = 10;
const IDLE_WATCHES_MAX = 100;
const START_FAILURES_MAX = 3;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
const SAMPLES_OPEN_MAX = 4;

const NOT_BLAMED = { early: false, item: null, isNobodys: true } as const;

/** Of a frame that the process says nothing about until it is answered. */
function oneStep(stepMs: number): Allowance {
  return { items: 0, stepMs, totalMs: stepMs };
}

interface PoolSettings extends ChildOptions {
  readonly decideTimeMaxMs: number;
}

interface Member {
  readonly child: SandboxChild;
  readonly loaded: Map<number, Promise<LoadedBundle>>;
  /** Ids of the engine's batches that are not answered. */
  readonly batches: number[];
  /** Rejects what waits for this member's answers. */
  readonly abandoned: Set<(end: ChildEnd) => void>;
  samples: number;
}

class ProcessPool implements SandboxPool {
  generation = 0;
  onResults: SandboxPool['onResults'] = () => {};
  onLost: SandboxPool['onLost'] = () => {};
  onMismatch: SandboxPool['onMismatch'] = () => {};

  private readonly options: PoolSettings;
  private readonly installed = new Map<number, Buffer>();
  private readonly results = new ResultReader();
  private readonly internal = new BatchWriter();
  private active: Member | null = null;
  private spare: Member | null = null;
  /** Frames sent while there was no process at all. */
  private unsent: { readonly id: number; readonly allowance: Allowance; readonly frame: Buffer }[] = [];
  private startFailures = 0;
  private lastStartFailure = '';
  private timer: NodeJS.Timeout | null = null;
  private retry: NodeJS.Timeout | null = null;
  private fast = false;
  private idleWatches = 0;
  private lastHeartbeat = performance.now();
  private closing = false;
  private checks = CHECKED_BUNDLE_FIRST;
  private checking: Promise<unknown> = Promise.resolve();
  private readonly counters = { losses: 0, samplesCompared: 0, samplesDifferent: 0 };
  private readonly changeListeners = new Set<() => void>();

  constructor(options: PoolSettings) {
    this.options = options;
  }

  async start(): Promise<void> {
    this.fill();
    this.pace(true);
    await this.until(() => this.active?.child.ready === true && this.spare?.child.ready === true);
  }

  // --- processes ---

  /** Starts what is missing. */
  private fill(): void {
    if (this.closing || this.retry !== null) return;
    if (this.active === null) {
      this.active = this.spare ?? this.spawn();
      this.spare = null;
      this.generation++;
      this.flush(this.active);
    }
    if (this.spare === null) this.spare = this.spawn();
  }

  private spawn(): Member {
    const member: Member = { child: new SandboxChild(this.options), loaded: new Map(), batches: [], abandoned: new Set(), samples: 0 };
    member.child.onEnd = (end) => this.ended(member, end);
    member.child.onReady = () => {
      this.startFailures = 0;
      this.changed();
    };
    for (const [bundle, content] of this.installed) void this.load(member, bundle, content).catch(() => {});
    return member;
  }

  private flush(member: Member): void {
    const { unsent } = this;
    this.unsent = [];
    for (const { id, allowance, frame } of unsent) this.pass(member, id, allowance, frame);
  }

  private ended(member: Member, end: ChildEnd): void {
    if (this.closing) return;
    const wasActive = member === this.active;
    if (wasActive) this.active = null;
    if (member === this.spare) this.spare = null;
    if (end.early) {
      this.startFailures++;
      this.lastStartFailure = end.message;
      this.delayStart();
    }
    this.fill();
    for (const abandon of member.abandoned) abandon(end);
    if (wasActive) {
      this.counters.losses++;
      if (this.active === null) this.promoteLater();
      this.onLost({ code: end.code, message: end.message, item: end.item, isNobodys: end.isNobodys, unanswered: member.batches });
    }
    this.changed();
  }

  /** There is no process at the moment: the next one to come is already the next generation. */
  private promoteLater(): void {
    if (this.spare === null) return;
    this.active = this.spare;
    this.spare = null;
    this.generation++;
  }

  private delayStart(): void {
    if (this.retry !== null) return;
    const delay = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(10, this.startFailures - 1));
    this.retry = setTimeout(() => {
      this.retry = null;
      this.fill();
      this.changed();
    }, delay);
  }

  private changed(): void {
    for (const listener of [...this.changeListeners]) listener();
  }

  private until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const failed = this.startFailures >= START_FAILURES_MAX;
        if (!condition() && !failed && !this.closing) return;
        this.changeListeners.delete(look);
        if (condition()) resolve();
        else if (this.closing) reject(new TroupeError('NOT_READY', 'the sandbox pool is closing'));
        else reject(new TroupeError('SANDBOX_LOST', `the sandbox process does not start: ${this.lastStartFailure}`));
      };
      this.changeListeners.add(look);
      look();
    });
  }

  // --- watching ---

  private pace(fast: boolean): void {
    this.idleWatches = 0;
    if (this.timer !== null && this.fast === fast) return;
    if (this.timer !== null) clearInterval(this.timer);
    this.fast = fast;
    this.timer = setInterval(() => this.watch(), fast ? WATCH_MS : limits.sandboxHeartbeatMs);
    this.timer.unref();
  }

  private watch(): void {
    const now = performance.now();
    const busy = (this.active?.child.open ?? 0) + (this.spare?.child.open ?? 0) > 0;
    this.active?.child.watch(now);
    this.spare?.child.watch(now);
    if (now - this.lastHeartbeat >= limits.sandboxHeartbeatMs) this.heartbeat(now);
    if (busy) this.pace(true);
    else if (++this.idleWatches > IDLE_WATCHES_MAX && this.fast) this.pace(false);
  }

  private heartbeat(now: number): void {
    this.lastHeartbeat = now;
    for (const member of [this.active, this.spare]) {
      if (member === null || member.child.idleSince(now) < limits.sandboxHeartbeatMs) continue;
      this.internal.begin(0, 0);
      member.child.send(this.internal.finish(limits.decideTimeMaxMs), oneStep(limits.sandboxHeartbeatMs), () => {});
      this.pace(true);
    }
  }

  // --- bundles ---

  check(content: Buffer): Promise<LoadedBundle> {
    const done = this.checking.then(() => this.checkNow(content));
    this.checking = done.catch(() => {});
    return done;
  }

  private async checkNow(content: Buffer): Promise<LoadedBundle> {
    await this.until(() => this.spare?.child.ready === true);
    const member = this.spare!;
    const bundle = this.checks++;
    let loaded: LoadedBundle;
    try {
      loaded = await this.load(member, bundle, content);
    } catch (error) {
      // The process has run code that nobody vouches for: it is not reused.
      member.child.kill('SANDBOX_LOST', 'it had loaded a bundle that was refused');
      throw error instanceof TroupeError && error.code !== 'BUNDLE_INVALID' ? new TroupeError('BUNDLE_INVALID', `the bundle ended its sandbox: ${error.message}`) : error;
    }
    member.loaded.delete(bundle);
    if (!member.child.ended) this.sendLoad(member, bundle, Buffer.alloc(0), () => {});
    return loaded;
  }

  async install(bundle: number, content: Buffer): Promise<LoadedBundle> {
    this.installed.set(bundle, content);
    for (let attempt = 0; ; attempt++) {
      await this.until(() => this.active !== null);
      try {
        if (this.spare !== null) await this.load(this.spare, bundle, content).catch(() => {});
        return await this.load(this.active!, bundle, content);
      } catch (error) {
        const refused = error instanceof TroupeError && error.code === 'BUNDLE_INVALID';
        if (!refused && attempt < START_FAILURES_MAX) continue;
        this.installed.delete(bundle);
        throw error;
      }
    }
  }

  private load(member: Member, bundle: number, content: Buffer): Promise<LoadedBundle> {
    const known = member.loaded.get(bundle);
    if (known !== undefined) return known;
    const loading = new Promise<LoadedBundle>((resolve, reject) => {
      const abandon = (end: ChildEnd): void => reject(new TroupeError(end.code, end.message));
      if (member.child.ended) return abandon({ ...NOT_BLAMED, code: 'SANDBOX_LOST', message: 'the process has ended' });
      member.abandoned.add(abandon);
      this.sendLoad(member, bundle, content, (results) => {
        member.abandoned.delete(abandon);
        results.next();
        const { error } = results;
        if (error === null) resolve(readLoaded(results.buffer, results.loadedFrom, results.loadedTo));
        else reject(new TroupeError('BUNDLE_INVALID', error.location === '' ? error.message : `${error.location}: ${error.message}`, { location: error.location }));
      });
    });
    member.loaded.set(bundle, loading);
    loading.catch(() => member.loaded.delete(bundle));
    return loading;
  }

  private sendLoad(member: Member, bundle: number, content: Buffer, done: (results: ResultReader) => void): void {
    const writer = new BatchWriter();
    writer.begin(0, 0);
    writer.load(bundle, content);
    const deadline = limits.bundleLoadTimeMaxMs;
    member.child.send(writer.finish(deadline), oneStep(deadline), (buffer, from, to) => {
      const results = new ResultReader();
      results.over(buffer, from, to);
      done(results);
    });
    this.pace(true);
  }

  // --- batches ---

  send(batch: BatchWriter): void {
    const allowance = this.allowanceOf(batch);
    const frame = batch.finish(allowance.stepMs);
    if (this.active === null) this.unsent.push({ id: batch.id, allowance, frame: Buffer.from(frame) });
    else this.pass(this.active, batch.id, allowance, frame);
    if (!this.fast) this.pace(true);
  }

  private allowanceOf(batch: BatchWriter): Allowance {
    return allowanceOf(batch.items, batch.bytes, batch.stateBytes, this.options.decideTimeMaxMs);
  }

  private pass(member: Member, id: number, allowance: Allowance, frame: Buffer): void {
    member.batches.push(id);
    member.child.send(frame, allowance, (buffer, from, to) => {
      member.batches.shift();
      this.results.over(buffer, from, to);
      this.onResults(this.results);
    });
  }

  sample(sample: Sample): void {
    const member = this.spare;
    if (member === null || !member.child.ready || member.samples >= SAMPLES_OPEN_MAX || !member.loaded.has(sample.bundle)) return;
    const writer = this.internal;
    writer.begin(0, 0);
    writer.activate(1, sample.type, sample.id, sample.bundle, sample.stateBefore, []);
    writer.decide(1, sample.bundle, sample.command, FORMAT_PROTO, sample.body, sample.nowMs, sample.seedHi, sample.seedLo, sample.caller, false, 0, sample.body.length, sample.firing);
    writer.drop(1);
    member.samples++;
    const allowance = this.allowanceOf(writer);
    member.child.send(writer.finish(allowance.stepMs), allowance, (buffer, from, to) => {
      member.samples--;
      this.compare(sample, buffer, from, to);
    });
    this.pace(true);
  }

  async trial(write: (batch: BatchWriter) => void, read?: (results: ResultReader) => void): Promise<TrialEnd | null> {
    await this.until(() => this.spare?.child.ready === true);
    const member = this.spare!;
    const writer = new BatchWriter();
    writer.begin(0, 0);
    write(writer);
    // It keeps nobody waiting who is served.
    const allowance = { ...this.allowanceOf(writer), totalMs: Infinity };
    return new Promise((resolve) => {
      const ended = (end: ChildEnd): void => resolve(end);
      member.abandoned.add(ended);
      member.child.send(writer.finish(allowance.stepMs), allowance, (buffer, from, to) => {
        member.abandoned.delete(ended);
        if (read !== undefined) {
          const results = new ResultReader();
          results.over(buffer, from, to);
          read(results);
        }
        resolve(null);
      });
      this.pace(true);
    });
  }

  private compare(sample: Sample, buffer: Buffer, from: number, to: number): void {
    const results = new ResultReader();
    results.over(buffer, from, to);
    if (!results.next() || results.error !== null || !results.next()) return;
    const tail = results.tailFrom < 0 ? Buffer.alloc(0) : Buffer.from(buffer.subarray(results.tailFrom, results.tailTo));
    this.counters.samplesCompared++;
    if (results.status === sample.status && tail.equals(sample.tail)) return;
    this.counters.samplesDifferent++;
    const mismatch: SampleMismatch = { sample, again: { status: results.status, tail } };
    this.onMismatch(mismatch);
  }

  // --- the rest ---

  stat(): SandboxStat {
    return {
      generation: this.generation,
      ...this.counters,
      activeRssBytes: this.active?.child.rssBytes ?? 0,
      spareRssBytes: this.spare?.child.rssBytes ?? 0,
      activePid: this.active?.child.pid ?? 0,
      sparePid: this.spare?.child.pid ?? 0,
    };
  }

  async close(): Promise<void> {
    this.closing = true;
    if (this.timer !== null) clearInterval(this.timer);
    if (this.retry !== null) clearTimeout(this.retry);
    this.changed();
    const members = [this.active, this.spare].filter((member) => member !== null);
    for (const member of members) for (const abandon of member.abandoned) abandon({ ...NOT_BLAMED, code: 'SANDBOX_LOST', message: 'the sandbox pool is closing' });
    await Promise.all(members.map((member) => member.child.close()));
    this.active = this.spare = null;
  }
}

export type { SandboxLoss };
