/**
 * Snapshots and bucket checkpoints: encoding, decoding, and when to take one. They are caches of folds; the journal returns one
 * only if the log agrees with it, and a damaged or unknown one is ignored here.
 */

import type { Hash64 } from '../codec/hash64.ts';
import type { TimerRef } from '../codec/record-timers.ts';
import { WireError, WireReader, WireWriter } from '../codec/wire.ts';
import type { CheckpointPut, SnapshotPut } from '../journal/journal.ts';
import { limits } from '../limits.ts';
import type { Activation } from './activation.ts';
import type { Bucket } from './bucket.ts';
import { KeyList } from './keys.ts';

/** Snapshots of another version are ignored; the fold runs from the log instead. */
export const SNAPSHOT_VERSION = 3;
const CHECKPOINT_VERSION = 2;

const scratch = new WireWriter();
const keyList = new KeyList();

/** The fold of one actor, as it stands, around the state that the sandbox just gave. */
export function encodeSnapshot(activation: Activation, state: Uint8Array): SnapshotPut {
  const wire = scratch;
  wire.reset();
  const { bucket, lastHead } = activation;
  wire.string(1, activation.address);
  wire.fixed64(2, bucket.incarnation.hi, bucket.incarnation.lo);
  wire.uint(3, activation.lastPosition);
  wire.fixed64(4, lastHead.hi, lastHead.lo);
  wire.uint(5, activation.seq);
  const bundle = activation.stateBundle!;
  wire.bytes(6, bundle.hashBytes);
  const foldHash = bundle.types.get(activation.type)!.foldHash;
  wire.fixed64(7, foldHash.hi, foldHash.lo);
  // Without events it is the initial state of whoever decides next, not of the bundle that was in service here.
  if (activation.seq > 0) wire.bytes(8, state);
  activation.keys.listTo(keyList);
  if (keyList.count > 0) writeKeys(wire, keyList);
  wire.uint(11, activation.strikes);
  if (activation.quarantined !== null) {
    wire.string(12, activation.quarantined.reason);
    wire.bytes(13, Buffer.from(activation.quarantined.bundle, 'hex'));
  }
  wire.uint(14, SNAPSHOT_VERSION);
  for (const [name, { position, index }] of activation.armed ?? []) {
    const start = wire.begin(16);
    wire.string(1, name);
    wire.uint(2, position);
    wire.uint(3, index);
    wire.end(start);
  }
  for (const [actor, number] of activation.linked ?? []) {
    const start = wire.begin(17);
    wire.string(1, actor);
    wire.uint(2, number);
    wire.end(start);
  }
  return {
    bucket: bucket.id,
    actor: activation.address,
    actorHash: activation.actorHash,
    position: activation.lastPosition,
    head: lastHead,
    bytes: wire.copy(),
  };
}

/** Of positions only the steps are written: they grow from key to key, mostly by little. */
function writeKeys(wire: WireWriter, keys: KeyList): void {
  const { count, hashes, positions } = keys;
  const start = wire.begin(15);
  const packed = wire.begin(1);
  for (let i = 0; i < count; i++) wire.rawFixed32(hashes[i]!);
  wire.end(packed);
  const steps = wire.begin(2);
  let before = 0;
  for (let i = 0; i < count; i++) {
    wire.varint(positions[i]! - before);
    before = positions[i]!;
  }
  wire.end(steps);
  wire.end(start);
}

export interface DecodedSnapshot {
  actor: string;
  position: number;
  head: Hash64;
  seq: number;
  bundle: string;
  state: Buffer | null;
  keys: KeyList;
  strikes: number;
  quarantined: string;
  quarantinedBundle: string;
  armed: Map<string, TimerRef>;
  linked: Map<string, number>;
}

/** null when the bytes are not a snapshot of this version of this actor. */
export function decodeSnapshot(bytes: Buffer, actor: string): DecodedSnapshot | null {
  const out: DecodedSnapshot = {
    actor: '',
    position: 0,
    head: { hi: 0, lo: 0 },
    seq: 0,
    bundle: '',
    state: null,
    keys: new KeyList(),
    strikes: 0,
    quarantined: '',
    quarantinedBundle: '',
    armed: new Map(),
    linked: new Map(),
  };
  try {
    const version = readSnapshot(bytes, out);
    return version === SNAPSHOT_VERSION && out.actor === actor ? out : null;
  } catch (error) {
    if (error instanceof WireError) return null;
    throw error;
  }
}

function readSnapshot(bytes: Buffer, out: DecodedSnapshot): number {
  const wire = new WireReader().over(bytes);
  let version = 1;
  while (wire.next()) {
    switch (wire.field) {
      case 1:
        out.actor = wire.string();
        break;
      case 3:
        out.position = wire.varint();
        break;
      case 4:
        wire.fixed64();
        out.head = { hi: wire.hi, lo: wire.lo };
        break;
      case 5:
        out.seq = wire.varint();
        break;
      case 6:
        out.bundle = wire.bytes().toString('hex');
        break;
      case 8:
        out.state = wire.bytes();
        break;
      case 11:
        out.strikes = wire.varint();
        break;
      case 12:
        out.quarantined = wire.string();
        break;
      case 13:
        out.quarantinedBundle = wire.bytes().toString('hex');
        break;
      case 14:
        version = wire.varint();
        break;
      case 15:
        wire.span();
        readKeys(bytes, wire.from, wire.to, out.keys);
        break;
      case 16: case 17:
        wire.span();
        readNamed(bytes, wire.field, wire.from, wire.to, out);
        break;
      default:
        wire.skip();
    }
  }
  return version;
}

function readNamed(bytes: Buffer, field: number, from: number, to: number, out: DecodedSnapshot): void {
  const wire = new WireReader().over(bytes, from, to);
  let name = '';
  let number = 0;
  let index = 0;
  while (wire.next()) {
    if (wire.field === 1) name = wire.string();
    else if (wire.field === 2) number = wire.varint();
    else if (wire.field === 3) index = wire.varint();
    else wire.skip();
  }
  if (field === 16) out.armed.set(name, { position: number, index });
  else out.linked.set(name, number);
}

function readKeys(bytes: Buffer, from: number, to: number, keys: KeyList): void {
  const wire = new WireReader().over(bytes, from, to);
  const spans: { from: number; to: number }[] = [];
  while (wire.next()) {
    if (wire.wireType !== 2) throw new WireError(`wire type ${wire.wireType}`);
    wire.span();
    spans[wire.field] = { from: wire.from, to: wire.to };
  }
  const [, hashes, steps] = spans;
  if (hashes === undefined || steps === undefined) throw new WireError('a column is missing');
  const step = new WireReader().over(bytes, steps.from, steps.to);
  let position = 0;
  for (let at = hashes.from; at < hashes.to; at += 4) {
    if (at + 4 > hashes.to) throw new WireError('truncated hash');
    position += step.varint();
    keys.add(bytes.readInt32LE(at), position);
  }
  if (step.at < step.end) throw new WireError('columns differ in length');
}

/**
 * Whether what stands behind the last snapshot is too much to fold again. A snapshot of a large state costs about what a turn of it costs: not after each
 * of them, however long that was.
 */
export function snapshotDue(activation: Activation, recordsMax: number): boolean {
  const records = activation.recordsSinceSnapshot;
  if (activation.snapshotOnItsWay || records === 0) return false;
  return records >= recordsMax || (records >= limits.recordsPerSnapshotMin && activation.replayUs >= limits.replayTimePerActorMaxMs * 1_000);
}

/** The fold of a bucket as it stands behind the last encoded record. */
export function encodeCheckpoint(bucket: Bucket): CheckpointPut {
  const wire = scratch;
  wire.reset();
  wire.fixed64(1, bucket.incarnation.hi, bucket.incarnation.lo);
  wire.uint(2, bucket.position);
  wire.fixed64(3, bucket.head.hi, bucket.head.lo);
  wire.uint(4, bucket.epoch);
  wire.uint(5, bucket.nowMs);
  for (const [type, served] of bucket.served) {
    const start = wire.begin(6);
    wire.string(1, type);
    wire.bytes(2, Buffer.from(served.bundle, 'hex'));
    wire.fixed64(3, served.foldHash.hi, served.foldHash.lo);
    wire.uint(4, served.sinceMs);
    wire.end(start);
  }
  bucket.channels.encode(wire);
  bucket.letters.encode(wire);
  bucket.linked.encode(wire);
  bucket.timers.encode(wire);
  const keys = new Set([...bucket.typeStrikes.keys(), ...bucket.typeQuarantines.keys()]);
  for (const key of keys) {
    const [type, bundle] = key.split(' ') as [string, string];
    const start = wire.begin(8);
    wire.string(1, type);
    wire.bytes(2, Buffer.from(bundle, 'hex'));
    wire.uint(3, bucket.typeStrikes.get(key) ?? 0);
    wire.string(4, bucket.typeQuarantines.get(key) ?? '');
    wire.end(start);
  }
  wire.uint(9, CHECKPOINT_VERSION);
  return {
    bucket: bucket.id,
    position: bucket.position,
    head: { hi: bucket.head.hi, lo: bucket.head.lo },
    bytes: wire.copy(),
  };
}

/** Takes a checkpoint's fold over into a bucket that was just opened; false, and nothing taken, when it is of another version. @throws WireError */
export function restoreCheckpoint(bucket: Bucket, bytes: Buffer): boolean {
  if (versionOf(bytes) !== CHECKPOINT_VERSION) return false;
  const wire = new WireReader().over(bytes);
  while (wire.next()) {
    const { field } = wire;
    if (field === 5) bucket.nowMs = wire.varint();
    else if (wire.wireType === 2) {
      wire.span();
      if (field === 6 || field === 8) restoreEntry(bucket, field, bytes, wire.from, wire.to);
      else if (field === 7 || field === 10) bucket.channels.restore(field, bytes, wire.from, wire.to, bucket.incarnation);
      else if (field === 11 || field === 12) bucket.timers.restore(field, bytes, wire.from, wire.to);
      else if (field === 13 || field === 14) bucket.letters.restore(field, bytes, wire.from, wire.to);
      else if (field === 15 || field === 16) bucket.linked.restore(field, bytes, wire.from, wire.to);
    } else wire.skip();
  }
  return true;
}

function versionOf(bytes: Buffer): number {
  const wire = new WireReader().over(bytes);
  while (wire.next()) {
    if (wire.field === 9) return wire.varint();
    wire.skip();
  }
  return 1;
}

function restoreEntry(bucket: Bucket, field: number, bytes: Buffer, from: number, to: number): void {
  const wire = new WireReader().over(bytes, from, to);
  let type = '';
  let bundle = '';
  let foldHash: Hash64 = { hi: 0, lo: 0 };
  let third = 0;
  let reason = '';
  let sinceMs = 0;
  while (wire.next()) {
    if (wire.field === 1) type = wire.string();
    else if (wire.field === 2) bundle = wire.bytes().toString('hex');
    else if (wire.field === 3 && wire.wireType === 1) {
      wire.fixed64();
      foldHash = { hi: wire.hi, lo: wire.lo };
    } else if (wire.field === 3) third = wire.varint();
    else if (wire.field === 4 && wire.wireType === 2) reason = wire.string();
    else if (wire.field === 4 && wire.wireType === 0) sinceMs = wire.varint();
    else wire.skip();
  }
  if (field === 6) bucket.served.set(type, { bundle, foldHash, sinceMs });
  else {
    if (third > 0) bucket.typeStrikes.set(`${type} ${bundle}`, third);
    if (reason !== '') bucket.typeQuarantines.set(`${type} ${bundle}`, reason);
  }
}
