/**
 * A disk in memory that remembers what is durable and what is not, and gives out images of what a power cut may leave:
 * un-synchronised sectors in any subset and any of their versions, or spoilt, a file's end anywhere between its durable and its
 * written size, and un-synchronised names in any subset. See disk.ts for what is assumed of a disk.
 */

import assert from 'node:assert/strict';

import type { Blocks, Disk, DiskFile, Done, OpenMode } from '../sealed/disk.ts';

const SECTOR = 512;
/** Of the un-synchronised sectors of an image in which some are spoilt, one in so many is. */
const SPOILT_ONE_IN = 4;

interface Version {
  readonly order: number;
  readonly bytes: Uint8Array;
}

class Inode {
  /** As a reader sees it. */
  data = new Uint8Array(0);
  /** As the platter has it. */
  durable = new Uint8Array(0);
  /** What was written since, per sector, oldest first. */
  readonly dirty = new Map<number, Version[]>();

  write(bytes: Uint8Array, at: number, order: number): void {
    if (at + bytes.length > this.data.length) this.data = resized(this.data, at + bytes.length);
    this.data.set(bytes, at);
    for (let sector = Math.floor(at / SECTOR); sector * SECTOR < at + bytes.length; sector++) {
      const versions = this.dirty.get(sector) ?? [];
      versions.push({ order, bytes: this.data.slice(sector * SECTOR, (sector + 1) * SECTOR) });
      this.dirty.set(sector, versions);
    }
  }

  sync(): void {
    this.durable = this.data.slice();
    this.dirty.clear();
  }

  /** Only these bytes, as a write with O_DSYNC. */
  syncRange(at: number, length: number): void {
    if (at + length > this.durable.length) this.durable = resized(this.durable, at + length);
    for (let sector = Math.floor(at / SECTOR); sector * SECTOR < at + length; sector++) {
      this.durable.set(this.data.slice(sector * SECTOR, Math.min((sector + 1) * SECTOR, this.durable.length)), sector * SECTOR);
      this.dirty.delete(sector);
    }
  }

  /** `below(n)` draws a number; `page` is how many sectors reach the platter together. */
  image(below: (n: number) => number, page: number): Inode {
    const grown = Math.max(0, this.data.length - this.durable.length);
    // The whole growth often, or most images of a growing file would differ in little but their length.
    const size = this.durable.length + (below(2) === 0 ? grown : below(grown + 1));
    const bytes = resized(this.durable, size);
    const cuts = new Map<number, number>();
    const spoils = below(2) === 0;
    for (const [sector, versions] of this.dirty) {
      const pageNumber = Math.floor(sector / page);
      const at = sector * SECTOR;
      if (at >= size) continue;
      // Every page was written back at some moment, or never.
      if (!cuts.has(pageNumber)) cuts.set(pageNumber, this.cut(pageNumber, page, below));
      const kept = versions.findLast((version) => version.order <= cuts.get(pageNumber)!);
      if (kept !== undefined) bytes.set(kept.bytes.subarray(0, size - at), at);
      // The power failed while this very sector was being written.
      if (spoils && below(SPOILT_ONE_IN) === 0) bytes.fill(below(256), at, Math.min(at + SECTOR, size));
    }
    const image = new Inode();
    image.data = bytes;
    image.durable = bytes.slice();
    return image;
  }

  private cut(pageNumber: number, page: number, below: (n: number) => number): number {
    const orders = [-1];
    for (let sector = pageNumber * page; sector < (pageNumber + 1) * page; sector++) {
      for (const version of this.dirty.get(sector) ?? []) orders.push(version.order);
    }
    return orders[below(orders.length)]!;
  }
}

type NameChange =
  | { readonly kind: 'create'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'remove'; readonly path: string };

export type SimFault = 'ENOSPC' | 'EIO';

export class SimDisk implements Disk {
  /** Called at every moment at which a power cut would leave something new. */
  onMoment: () => void = () => undefined;
  /** Asked before every write and sync of a file. */
  fault: (operation: 'write' | 'sync', path: string) => SimFault | null = () => null;
  private names = new Map<string, Inode>();
  private durableNames = new Map<string, Inode>();
  private changes: NameChange[] = [];
  private order = 0;
  private readonly blockBytes: number;

  /** Other blocks than sectors are for the test that shows what whole blocks are for. */
  constructor(blockBytes = SECTOR) {
    this.blockBytes = blockBytes;
  }

  makeDirectory(): void {}

  blocksOf(): Blocks {
    return { bytes: this.blockBytes, direct: true };
  }

  list(directory: string): string[] {
    return [...this.names.keys()].filter((name) => name.startsWith(`${directory}/`)).map((name) => name.slice(directory.length + 1));
  }

  open(path: string, mode: OpenMode): DiskFile {
    let inode = this.names.get(path);
    if (mode === 'create') {
      inode = new Inode();
      this.change({ kind: 'create', path, inode });
    }
    if (inode === undefined) throw withCode('ENOENT', path);
    return new SimFile(this, path, inode, mode.startsWith('durable'), mode.endsWith('direct') ? this.blockBytes : 1);
  }

  rename(from: string, to: string): void {
    this.change({ kind: 'rename', from, to });
  }

  remove(path: string): void {
    this.change({ kind: 'remove', path });
  }

  syncDirectory(): void {
    this.onMoment();
    this.check('sync', 'directory');
    this.durableNames = new Map(this.names);
    this.changes = [];
  }

  /** A disk as a power cut at this moment may leave it. `sectors` is how many reach the platter together. */
  image(below: (n: number) => number, sectors: number): SimDisk {
    const names = new Map(this.durableNames);
    for (const change of this.changes) if (below(2) === 0) apply(names, change);
    const images = new Map<Inode, Inode>();
    const disk = new SimDisk(this.blockBytes);
    for (const [name, inode] of names) {
      if (!images.has(inode)) images.set(inode, inode.image(below, sectors));
      disk.names.set(name, images.get(inode)!);
    }
    disk.durableNames = new Map(disk.names);
    return disk;
  }

  /** All that was written, as after a kill of the process alone. */
  copy(): SimDisk {
    const disk = new SimDisk(this.blockBytes);
    for (const [name, inode] of this.names) {
      const copy = new Inode();
      copy.data = inode.data.slice();
      copy.sync();
      disk.names.set(name, copy);
    }
    disk.durableNames = new Map(disk.names);
    return disk;
  }

  /** The bytes of a file, for tests that look at or damage them. */
  bytesOf(path: string): Uint8Array {
    return this.names.get(path)!.data;
  }

  nextOrder(): number {
    return this.order++;
  }

  check(operation: 'write' | 'sync', path: string): void {
    const fault = this.fault(operation, path);
    if (fault !== null) throw withCode(fault, path);
  }

  private change(change: NameChange): void {
    apply(this.names, change);
    this.changes.push(change);
    this.onMoment();
  }
}

class SimFile implements DiskFile {
  readonly path: string;
  private readonly disk: SimDisk;
  private readonly inode: Inode;
  private readonly durable: boolean;
  private readonly blockBytes: number;

  constructor(disk: SimDisk, path: string, inode: Inode, durable: boolean, blockBytes: number) {
    this.disk = disk;
    this.path = path;
    this.inode = inode;
    this.durable = durable;
    this.blockBytes = blockBytes;
  }

  size(): number {
    return this.inode.data.length;
  }

  read(buffer: Buffer, position: number): number {
    const bytes = this.inode.data.subarray(position, position + buffer.length);
    buffer.set(bytes);
    return bytes.length;
  }

  readLater(buffer: Buffer, position: number, done: (error: Error | null, bytes: number) => void): void {
    setImmediate(() => done(null, this.read(buffer, position)));
  }

  write(bytes: Uint8Array, position: number): void {
    this.begin(bytes, position);
    this.disk.onMoment();
    if (this.durable) this.end(bytes, position);
  }

  writeLater(bytes: Uint8Array, position: number, done: Done): void {
    this.attempt(done, () => this.begin(bytes, position), () => (this.durable ? this.end(bytes, position) : undefined));
  }

  sync(): void {
    this.disk.onMoment();
    this.disk.check('sync', this.path);
    this.inode.sync();
  }

  syncLater(done: Done): void {
    this.attempt(done, () => undefined, () => {
      this.disk.check('sync', this.path);
      this.inode.sync();
    });
  }

  close(): void {}

  private begin(bytes: Uint8Array, position: number): void {
    assert(position % this.blockBytes === 0 && bytes.length % this.blockBytes === 0, 'a direct write is whole blocks');
    this.disk.check('write', this.path);
    this.inode.write(bytes, position, this.disk.nextOrder());
  }

  private end(bytes: Uint8Array, position: number): void {
    this.disk.check('sync', this.path);
    this.inode.syncRange(position, bytes.length);
  }

  /** The first step happens at once, the second later; a power cut can come in between. */
  private attempt(done: Done, first: () => void, second: () => void): void {
    let failure: Error | null = null;
    try {
      first();
    } catch (error) {
      failure = error as Error;
    }
    setImmediate(() => {
      this.disk.onMoment();
      try {
        if (failure === null) second();
      } catch (error) {
        failure = error as Error;
      }
      done(failure);
    });
  }
}

function apply(names: Map<string, Inode>, change: NameChange): void {
  if (change.kind === 'create') names.set(change.path, change.inode);
  else if (change.kind === 'remove') names.delete(change.path);
  else {
    const inode = names.get(change.from);
    if (inode === undefined) return;
    names.delete(change.from);
    names.set(change.to, inode);
  }
}

function resized(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(size);
  result.set(bytes.subarray(0, size));
  return result;
}

function withCode(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
