/**
 * Loaded into a node with --import by the fault runner: keeps, outside the node's directory, what every write to a file of that
 * directory overwrote, until a sync has made the write durable. After a SIGKILL the runner puts those bytes back
 * (power-loss.ts), so that the directory is what a power cut would have left at worst: kill -9 alone takes nothing that
 * is in the page cache.
 *
 * Only what the journal uses of `fs` is covered. Names (created, renamed, removed) are taken as durable at once, which a
 * power cut may do too. The node under test is not changed: it calls the same functions.
 */

import * as fsNamespace from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { sep } from 'node:path';

import type { UndoEntry } from './power-loss.ts';

const fs = (fsNamespace as unknown as { default: typeof fsNamespace }).default;
const parameters = new URL(import.meta.url).searchParams;
const directory = parameters.get('directory')! + sep;
const real = {
  openSync: fs.openSync, closeSync: fs.closeSync, writeSync: fs.writeSync, write: fs.write, fdatasync: fs.fdatasync,
  fdatasyncSync: fs.fdatasyncSync, fsync: fs.fsync, fsyncSync: fs.fsyncSync, readSync: fs.readSync, fstatSync: fs.fstatSync,
};
const log = real.openSync(parameters.get('log')!, 'a');

interface OpenFile {
  readonly path: string;
  readonly inode: number;
  /** O_DSYNC: a write is durable when it is over. */
  readonly durable: boolean;
}

const files = new Map<number, OpenFile>();
/** Per inode: numbers of writes that are over and not yet durable. */
const pending = new Map<number, number[]>();
let numbers = 0;

function note(entry: UndoEntry, before: Buffer | null = null): void {
  const head = Buffer.from(JSON.stringify(entry));
  const frame = Buffer.alloc(8);
  frame.writeUInt32LE(head.length, 0);
  frame.writeUInt32LE(before?.length ?? 0, 4);
  real.writeSync(log, before === null ? Buffer.concat([frame, head]) : Buffer.concat([frame, head, before]));
}

/** Notes what a write is about to overwrite; its number, or 0 for a file that is none of ours. */
function before(fd: number, length: number, position: number): number {
  const file = files.get(fd);
  if (file === undefined) return 0;
  const size = real.fstatSync(fd).size;
  const there = Buffer.alloc(Math.max(0, Math.min(length, size - position)));
  // The node may have the file open for writing only; what was there is read through a descriptor of its own.
  const reader = real.openSync(file.path, 'r');
  if (there.length > 0) real.readSync(reader, there, 0, there.length, position);
  real.closeSync(reader);
  const number = ++numbers;
  note({ number, inode: file.inode, position, length, sizeBefore: size }, there);
  return number;
}

function after(fd: number, number: number): void {
  const file = files.get(fd);
  if (number === 0 || file === undefined) return;
  if (file.durable) {
    note({ durable: [number] });
    return;
  }
  const list = pending.get(file.inode);
  if (list === undefined) pending.set(file.inode, [number]);
  else list.push(number);
}

/** Takes the writes that a sync beginning now will cover; call the result when it has succeeded. */
function covered(fd: number): () => void {
  const file = files.get(fd);
  const numbersCovered = file === undefined ? [] : (pending.get(file.inode) ?? []);
  const taken = [...numbersCovered];
  return () => {
    if (taken.length === 0) return;
    const left = (pending.get(file!.inode) ?? []).filter((number) => !taken.includes(number));
    pending.set(file!.inode, left);
    note({ durable: taken });
  };
}

/** The form the journal uses: (buffer, offset, length, position). null for any other, whose bytes count as durable at once. */
function place(args: unknown[]): { length: number; position: number } | null {
  const [buffer, offset, length, position] = args;
  if (typeof offset !== 'number' || typeof length !== 'number' || typeof position !== 'number' || !(buffer instanceof Uint8Array)) return null;
  return { length, position };
}

type Loose = (...args: any[]) => any;

const patched: Record<string, Loose> = {
  openSync(path: unknown, flags: unknown, ...rest: unknown[]): number {
    const fd = (real.openSync as Loose)(path, flags, ...rest) as number;
    const writes = typeof flags === 'number' ? (flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR)) !== 0 : typeof flags === 'string' && flags !== 'r';
    if (writes && typeof path === 'string' && path.startsWith(directory)) {
      const durable = typeof flags === 'number' && (flags & fs.constants.O_DSYNC) === fs.constants.O_DSYNC;
      files.set(fd, { path, inode: real.fstatSync(fd).ino, durable });
      if (typeof flags === 'number' && (flags & fs.constants.O_CREAT) !== 0) note({ created: real.fstatSync(fd).ino });
    }
    return fd;
  },
  closeSync(fd: number): void {
    files.delete(fd);
    real.closeSync(fd);
  },
  writeSync(fd: number, ...args: unknown[]): number {
    const range = place(args);
    const number = range === null ? 0 : before(fd, range.length, range.position);
    const written = (real.writeSync as Loose)(fd, ...args) as number;
    after(fd, number);
    return written;
  },
  write(fd: number, ...args: unknown[]): void {
    const done = args.pop() as Loose;
    const range = place(args);
    const number = range === null ? 0 : before(fd, range.length, range.position);
    (real.write as Loose)(fd, ...args, (error: Error | null, ...results: unknown[]) => {
      after(fd, number);
      done(error, ...results);
    });
  },
  fdatasyncSync(fd: number): void {
    const settle = covered(fd);
    real.fdatasyncSync(fd);
    settle();
  },
  fsyncSync(fd: number): void {
    const settle = covered(fd);
    real.fsyncSync(fd);
    settle();
  },
  fdatasync(fd: number, done: Loose): void {
    const settle = covered(fd);
    real.fdatasync(fd, (error) => {
      if (error === null) settle();
      done(error);
    });
  },
  fsync(fd: number, done: Loose): void {
    const settle = covered(fd);
    real.fsync(fd, (error) => {
      if (error === null) settle();
      done(error);
    });
  },
};

Object.assign(fs, patched);
syncBuiltinESMExports();
