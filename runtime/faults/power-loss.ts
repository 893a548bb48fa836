/**
 * What a power cut takes: puts back, newest first, what un-synced writes overwrote (power-loss-preload.ts noted it). With
 * `keep`, some of those writes stay, since a disk may have got to any of them.
 */

import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, readdirSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** One entry of the undo log. The bytes that a write overwrote follow it. */
export type UndoEntry =
  | { readonly number: number; readonly inode: number; readonly position: number; readonly length: number; readonly sizeBefore: number }
  | { readonly durable: readonly number[] }
  /** The inode was opened for creation: entries before belong to a file that is gone or was emptied. */
  | { readonly created: number };

interface Range {
  readonly from: number;
  readonly to: number;
}

interface Write extends Range {
  readonly number: number;
  readonly inode: number;
  readonly sizeBefore: number;
  readonly before: Buffer;
}

/** Argument for the Node binary. */
export function powerLossImport(directory: string, log: string): string {
  const url = pathToFileURL(join(import.meta.dirname, 'power-loss-preload.ts'));
  url.searchParams.set('directory', directory);
  url.searchParams.set('log', log);
  return `--import=${url.href}`;
}

export interface Loss {
  readonly writes: number;
  readonly undone: number;
  readonly bytes: number;
}

/** How far the undo log has come; for `writtenBack`. */
export function undoLogBytes(log: string): number {
  return statSync(log).size;
}

/**
 * Applies the loss to `directory`. `keep` decides for each un-synced write whether it reached the disk all the same; writes noted
 * in the first `writtenBack` bytes of the log did, as they do when the kernel has had time to write them back.
 */
export function losePower(directory: string, log: string, keep: () => boolean, writtenBack = 0): Loss {
  const { open, durable, total } = readNotes(log, writtenBack);
  const paths = new Map(filesBelow(directory).map((path) => [statSync(path).ino, path]));
  let undone = 0;
  let bytes = 0;
  for (const write of open.reverse()) {
    const path = paths.get(write.inode);
    if (path === undefined || keep()) continue;
    // What a later write made durable stays, although an earlier one to the same place is taken back.
    const later = durable.filter((one) => one.inode === write.inode && one.number > write.number);
    undo(path, write, later);
    undone++;
    bytes += write.before.length;
  }
  return { writes: total, undone, bytes };
}

function undo(path: string, write: Write, later: readonly Range[]): void {
  const fd = openSync(path, 'r+');
  const size = statSync(path).size;
  // Beyond the old end there was nothing, which reads as zeros where something later keeps the file long.
  const old = Buffer.concat([write.before, Buffer.alloc(write.to - write.from - write.before.length)]);
  for (const { from, to } of without({ from: write.from, to: Math.min(write.to, size) }, later)) {
    writeSync(fd, old, from - write.from, to - from, from);
  }
  const end = Math.max(write.sizeBefore, ...later.map((one) => one.to));
  if (size > end && write.to > write.sizeBefore) ftruncateSync(fd, end);
  fsyncSync(fd);
  closeSync(fd);
}

/** The parts of `range` that none of `holes` covers. */
export function without(range: Range, holes: readonly Range[]): Range[] {
  let parts = range.from < range.to ? [range] : [];
  for (const hole of holes) {
    parts = parts.flatMap((part) => {
      if (hole.to <= part.from || hole.from >= part.to) return [part];
      const left = { from: part.from, to: hole.from };
      const right = { from: hole.to, to: part.to };
      return [left, right].filter(({ from, to }) => from < to);
    });
  }
  return parts;
}

function readNotes(log: string, writtenBack: number): { open: Write[]; durable: Write[]; total: number } {
  const open = new Map<number, Write>();
  const durable: Write[] = [];
  let total = 0;
  const all = existsSync(log) ? readFileSync(log) : Buffer.alloc(0);
  let at = 0;
  while (at + 8 <= all.length) {
    const headBytes = all.readUInt32LE(at);
    const end = at + 8 + headBytes + all.readUInt32LE(at + 4);
    // The note of a write that never began.
    if (end > all.length) break;
    const entry = JSON.parse(all.toString('utf8', at + 8, at + 8 + headBytes)) as UndoEntry;
    const before = all.subarray(at + 8 + headBytes, end);
    at = end;
    if ('durable' in entry) {
      for (const number of entry.durable) {
        const write = open.get(number);
        if (write !== undefined) durable.push(write);
        open.delete(number);
      }
    } else if ('created' in entry) {
      for (const [number, write] of open) if (write.inode === entry.created) open.delete(number);
    } else {
      total++;
      const { number, inode, position, length, sizeBefore } = entry;
      const write = { number, inode, from: position, to: position + length, sizeBefore, before };
      if (at <= writtenBack) durable.push(write);
      else open.set(number, write);
    }
  }
  return { open: [...open.values()], durable, total };
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
