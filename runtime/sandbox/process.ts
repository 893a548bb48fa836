/**
 * The sandbox process. Reads batches from descriptor 0 and answers on descriptor 1, both blocking: there is no event loop on the way
 * of a batch. Descriptor 3 is the node's life line. Started by child.ts with --permission, no environment, and nothing open
 * but its pipes.
 *
 * C1  It ends when the node does, whatever a script is doing: a thread blocks on the life line and kills the process at its end.
 * C2  After a timeout or a lack of memory it says which on descriptor 1 and kills itself: nothing of the batch is answered.
 * C3  It drops the right to read files and to start threads before it reads the first batch.
 * C4  The same thread answers the node's question how many items and steps were begun: nothing has to be sent while batches are quick.
 */

import fs from 'node:fs';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

import { WireReader, WireWriter } from '../codec/wire.ts';
import { limits } from '../limits.ts';
import { BundleError } from './bundle-error.ts';
import { IsolateEnded, SandboxIsolate } from './isolate.ts';
import { CHECKED_BUNDLE_FIRST, FAREWELL } from './process-frames.ts';
import type { LoadedBundle } from './sandbox.ts';

const LIFE_LINE = 3;
/** In a result: behind its length and the tag of the field. */
const CPU_AT = 5;

/** Least isolated-vm without the memory corruption of GHSA-864f-rcv7-6rh4. */
function checkVersion(): void {
  const { version } = createRequire(import.meta.url)('isolated-vm/package.json') as { version: string };
  const [major, minor, patch] = version.split('.').map(Number) as [number, number, number];
  if (major > 7 || (major === 7 && (minor > 0 || patch >= 1))) return;
  throw new Error(`isolated-vm ${version} is installed; 7.0.1 is the least that is safe`);
}

/** Besides, a byte on the life line asks how far the isolate is, whatever that is doing (C4). */
function watchLifeLine(progress: SharedArrayBuffer): void {
  const source = `
    const fs = require('node:fs');
    const byte = Buffer.alloc(1);
    const report = Buffer.alloc(8);
    const progress = new Uint32Array(require('node:worker_threads').workerData);
    try {
      while (fs.readSync(${LIFE_LINE}, byte, 0, 1) > 0) {
        report.writeUInt32LE(Atomics.load(progress, 0), 0);
        report.writeUInt32LE(Atomics.load(progress, 1), 4);
        fs.writeSync(${LIFE_LINE}, report, 0, 8);
      }
    } catch {}
    process.kill(process.pid, 'SIGKILL');`;
  // Without its own streams the worker would open those of the process, which makes descriptors 1 and 2 non-blocking.
  new Worker(source, { eval: true, workerData: progress, stdout: true, stderr: true, resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 } }).unref();
}

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

class Server {
  readonly isolate = new SandboxIsolate(Number(process.argv[2] ?? limits.isolateMemoryMaxMib));
  private readonly reader = new WireReader();
  private readonly out = new WireWriter();
  private input: Buffer = this.isolate.input;
  private held = 0;
  private lastCpuUs = 0;

  serve(): never {
    this.send(this.emptyResult());
    for (;;) {
      const end = this.nextFrame();
      try {
        this.answer(end);
      } catch (error) {
        this.farewell(error);
      }
      this.input.copyWithin(0, end, this.held);
      this.held -= end;
      if (this.held === 0) this.input = this.isolate.input;
    }
  }

  /** Reads until a whole frame stands at the head of `input`; returns where it ends. */
  private nextFrame(): number {
    for (;;) {
      if (this.held >= 4) {
        const end = this.input.readUInt32LE(0) + 4;
        if (this.held >= end) return end;
        if (this.input.length < end) this.grow(end);
      }
      const read = fs.readSync(0, this.input, this.held, this.input.length - this.held, null);
      if (read === 0) die();
      this.held += read;
    }
  }

  /** A frame that does not fit what the isolate shares is read elsewhere, and copied into the isolate. */
  private grow(bytes: number): void {
    const larger = Buffer.allocUnsafeSlow(bytes);
    this.input.copy(larger, 0, 0, this.held);
    this.input = larger;
  }

  private answer(end: number): void {
    const { deadlineMs, loads } = this.look(end);
    if (loads) return this.send(this.load(this.input.subarray(4, end), deadlineMs));
    const result = this.isolate.batch(this.input, 4, end);
    result.writeUInt32LE(this.cpuUs(), CPU_AT);
    result.writeUInt32LE(result.length - 4, 0);
    this.send(result);
  }

  /** Since the last batch; in between the process waits. */
  private cpuUs(): number {
    const { user, system } = process.cpuUsage();
    const sum = user + system;
    const spent = sum - this.lastCpuUs;
    this.lastCpuUs = sum;
    return Math.min(spent, 0xffff_ffff);
  }

  /**
   * The deadline stands behind the items. It is a time of CPU, which the node watches; for a load the isolate is given one too, which
   * can only be a time of the wall, and longer. A batch that loads does nothing else.
   */
  private look(end: number): { readonly deadlineMs: number; readonly loads: boolean } {
    const { reader, input } = this;
    let deadlineMs = 0;
    let loads = false;
    reader.over(input, 4, end);
    while (reader.next()) {
      if (reader.field === 3) deadlineMs = reader.varint();
      else if (reader.field === 4) {
        reader.span();
        if (input[reader.from] === ((1 << 3) | 2)) loads = true;
      } else reader.skip();
    }
    return { deadlineMs: Math.max(1, deadlineMs) * limits.batchWallFactor, loads };
  }

  private emptyResult(): Buffer {
    this.out.reset();
    this.out.rawFixed32(0);
    return this.finished();
  }

  private finished(): Buffer {
    this.out.buffer.writeUInt32LE(this.out.length - 4, 0);
    return this.out.view();
  }

  private load(frame: Buffer, deadlineMs: number): Buffer {
    const { out } = this;
    out.reset();
    out.rawFixed32(0);
    const batch = new WireReader().over(frame);
    while (batch.next()) {
      if (batch.field === 1) out.uint(1, batch.varint());
      else if (batch.field === 2) out.uint(2, batch.varint());
      else if (batch.field === 4) {
        batch.span();
        const item = new WireReader().over(frame, batch.from, batch.to);
        item.next();
        item.span();
        const result = out.begin(3);
        this.loadItem(new WireReader().over(frame, item.from, item.to), deadlineMs);
        out.end(result);
      } else batch.skip();
    }
    return this.finished();
  }

  /** A load without content forgets the bundle of that number: how the pool takes back what it only checked. */
  private loadItem(item: WireReader, deadlineMs: number): void {
    let bundle = 0;
    let content: Buffer = Buffer.alloc(0);
    while (item.next()) {
      if (item.field === 1) bundle = item.varint();
      else if (item.field === 2) content = item.bytes();
      else item.skip();
    }
    if (content.length === 0) return this.isolate.unload(bundle);
    try {
      this.writeLoaded(this.isolate.load(bundle, content, deadlineMs, bundle >= CHECKED_BUNDLE_FIRST));
    } catch (error) {
      if (!(error instanceof BundleError)) throw error;
      const { out } = this;
      out.uint(1, 2);
      const start = out.begin(8);
      out.string(1, 'BUNDLE_INVALID');
      out.string(2, error.message.toWellFormed());
      out.string(3, error.location.toWellFormed());
      out.end(start);
    }
  }

  private writeLoaded(loaded: LoadedBundle): void {
    const { out } = this;
    const start = out.begin(9);
    for (const type of loaded.types) {
      const item = out.begin(1);
      out.string(1, type.type);
      out.fixed64(2, type.foldHash.hi, type.foldHash.lo);
      for (const command of type.commands) out.string(3, command);
      for (const event of type.events) out.string(4, event);
      if (type.migrates) out.uint(5, 1);
      out.end(item);
    }
    out.fixed64(2, loaded.engineHash.hi, loaded.engineHash.lo);
    out.end(start);
  }

  private send(bytes: Buffer): void {
    let sent = 0;
    while (sent < bytes.length) sent += fs.writeSync(1, bytes, sent, bytes.length - sent);
  }

  private farewell(error: unknown): never {
    const code = error instanceof IsolateEnded ? error.code : 'SANDBOX_LOST';
    const text = Buffer.from(`${code} ${error instanceof Error ? error.message : String(error)}`.slice(0, 1_000));
    const frame = Buffer.alloc(8 + text.length);
    frame.writeUInt32LE(FAREWELL, 0);
    frame.writeUInt32LE(text.length, 4);
    text.copy(frame, 8);
    try {
      this.send(frame);
    } catch {
      // The node is gone; there is nobody to tell.
    }
    die();
  }
}

checkVersion();
const server = new Server();
watchLifeLine(server.isolate.progress);
const { permission } = process as { permission?: { drop?: (scope: string) => void } };
permission?.drop?.('fs.read');
permission?.drop?.('worker');
server.serve();
