/**
 * Baseline: what one durable write costs here. Appends 300 bytes and calls fdatasync, one after the other, in four ways: the
 * blocking and the asynchronous call, to a file that grows and to one that was written full of zeros before. Nobody who syncs
 * before each single answer can be faster than this.
 */

import { closeSync, fdatasync, fdatasyncSync, openSync, unlinkSync, write, writeSync } from 'node:fs';

import { Histogram } from '../driver/histogram.ts';

export type FsyncWay = 'blockingGrowing' | 'blockingPreallocated' | 'asyncGrowing' | 'asyncPreallocated';
/** Milliseconds per append and sync. */
export type FsyncMedians = Record<FsyncWay, { readonly p50: number; readonly p99: number; readonly count: number }>;

const RECORD = Buffer.alloc(300, 0x5a);
const PREALLOCATED_BYTES = 16 * 1024 * 1024;

if (process.argv[2] !== undefined) await main(process.argv[2], Number(process.argv[3]));

async function main(path: string, msPerWay: number): Promise<void> {
  const medians: FsyncMedians = {
    blockingGrowing: blocking(path, false, msPerWay),
    blockingPreallocated: blocking(path, true, msPerWay),
    asyncGrowing: await asynchronous(path, false, msPerWay),
    asyncPreallocated: await asynchronous(path, true, msPerWay),
  };
  process.send!({ medians });
  process.disconnect!();
}

function open(path: string, preallocated: boolean): number {
  const fd = openSync(path, 'w+');
  if (preallocated) {
    const zeros = Buffer.alloc(1 << 20);
    for (let at = 0; at < PREALLOCATED_BYTES; at += zeros.length) writeSync(fd, zeros, 0, zeros.length, at);
    fdatasyncSync(fd);
  }
  return fd;
}

function close(fd: number, path: string): void {
  closeSync(fd);
  unlinkSync(path);
}

function blocking(path: string, preallocated: boolean, ms: number): FsyncMedians[FsyncWay] {
  const fd = open(path, preallocated);
  const histogram = new Histogram();
  const until = performance.now() + ms;
  let at = 0;
  for (let now = performance.now(); now < until; ) {
    writeSync(fd, RECORD, 0, RECORD.length, at);
    fdatasyncSync(fd);
    const after = performance.now();
    histogram.record(after - now);
    now = after;
    at = next(at, preallocated);
  }
  close(fd, path);
  return summary(histogram);
}

async function asynchronous(path: string, preallocated: boolean, ms: number): Promise<FsyncMedians[FsyncWay]> {
  const fd = open(path, preallocated);
  const histogram = new Histogram();
  const until = performance.now() + ms;
  let at = 0;
  for (let now = performance.now(); now < until; ) {
    await appendAndSync(fd, at);
    const after = performance.now();
    histogram.record(after - now);
    now = after;
    at = next(at, preallocated);
  }
  close(fd, path);
  return summary(histogram);
}

function appendAndSync(fd: number, at: number): Promise<void> {
  return new Promise((resolve, reject) => {
    write(fd, RECORD, 0, RECORD.length, at, (error) => {
      if (error !== null) return reject(error);
      fdatasync(fd, (failure) => (failure === null ? resolve() : reject(failure)));
    });
  });
}

function next(at: number, preallocated: boolean): number {
  const behind = at + RECORD.length;
  return preallocated && behind + RECORD.length > PREALLOCATED_BYTES ? 0 : behind;
}

function summary(histogram: Histogram): FsyncMedians[FsyncWay] {
  return { p50: histogram.percentile(0.5), p99: histogram.percentile(0.99), count: histogram.count };
}
