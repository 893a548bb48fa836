/** Makes valid records and appends for the contract suite and for the adapters' own tests. */

import { hashText } from '../codec/address.ts';
import type { BucketId } from '../codec/address.ts';
import { chain } from '../codec/chain.ts';
import type { Hash64 } from '../codec/hash64.ts';
import { WireWriter } from '../codec/wire.ts';
import type { Append, BucketHead, StoredRecord } from './journal.ts';

export interface MadeRecord extends StoredRecord {
  readonly actor: string;
}

/** A record of an actor ('' for the bucket itself) with a payload of some length and content. */
export function recordBytes(actor: string, position: number, payload: Uint8Array | string): Buffer {
  const wire = new WireWriter(256);
  wire.uint(1, actor === '' ? 6 : 1);
  wire.string(4, actor);
  wire.uint(8, position);
  wire.bytes(32, typeof payload === 'string' ? Buffer.from(payload) : payload);
  return wire.copy();
}

/** One bucket's log as its owner sees it: what to append next, and all that was made. */
export class LogMaker {
  readonly bucket: BucketId;
  readonly incarnation: Hash64;
  epoch: number;
  position: number;
  head: Hash64;
  readonly records: MadeRecord[] = [];

  constructor(head: BucketHead) {
    this.bucket = head.bucket;
    this.incarnation = head.incarnation;
    this.epoch = head.epoch;
    this.position = head.position;
    this.head = head.head;
  }

  /** The next append, with one record per entry of `actors`. */
  next(actors: readonly string[], payload: (i: number) => Uint8Array | string = (i) => `payload ${i}`): Append {
    const wire = new WireWriter(1024);
    const actorHashes: number[] = [];
    const headBefore = this.head;
    const position = this.position + 1;
    for (const [i, actor] of actors.entries()) {
      const bytes = recordBytes(actor, position + i, payload(i));
      const head = { hi: 0, lo: 0 };
      chain(head, this.head, bytes);
      this.head = head;
      this.records.push({ actor, position: position + i, head, bytes });
      wire.varint(bytes.length);
      wire.raw(bytes);
      const hash = actor === '' ? { hi: 0, lo: 0 } : hashText(actor);
      actorHashes.push(hash.hi, hash.lo);
    }
    this.position += actors.length;
    const bytes = wire.copy();
    return {
      bucket: this.bucket,
      epoch: this.epoch,
      position,
      count: actors.length,
      headBefore,
      headAfter: this.head,
      bytes,
      from: 0,
      to: bytes.length,
      actorHashes,
      hashesFrom: 0,
    };
  }

  of(actor: string, from = 1, to = Infinity): StoredRecord[] {
    return this.records.filter((r) => r.actor === actor && r.position >= from && r.position < to).map(toStored);
  }

  all(from = 1, to = Infinity): StoredRecord[] {
    return this.records.filter((r) => r.position >= from && r.position < to).map(toStored);
  }

  headAt(position: number): Hash64 {
    return position === 0 ? this.incarnation : this.records[position - 1]!.head;
  }
}

function toStored({ position, head, bytes }: MadeRecord): StoredRecord {
  return { position, head, bytes };
}
