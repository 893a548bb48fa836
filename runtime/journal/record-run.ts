/**
 * Walking records without decoding them: a run is records one after the other, each with its length in front as a protobuf
 * varint (see `Append.bytes`), and of a record the journal reads one field, the actor.
 */

import { WireError, WireReader } from '../codec/wire.ts';

const RECORD_ACTOR = 4;
const reader = new WireReader();

/** Steps over the records of one run. `from` and `to` are the range of the record that `next` moved to. */
export class RunWalker {
  from = 0;
  to = 0;
  private buffer: Uint8Array = new Uint8Array(0);
  private end = 0;

  over(buffer: Uint8Array, from = 0, to = buffer.length): this {
    this.buffer = buffer;
    this.to = from;
    this.end = to;
    return this;
  }

  /** False at the end. @throws WireError when a length leads out of the run */
  next(): boolean {
    const { buffer, end } = this;
    let at = this.to;
    if (at >= end) return false;
    let length = 0;
    let scale = 1;
    for (;;) {
      if (at >= end || scale > 0x1000_0000) throw new WireError('length of a record');
      const byte = buffer[at++]!;
      length += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    if (length > end - at) throw new WireError('a record leads out of its run');
    this.from = at;
    this.to = at + length;
    return true;
  }
}

/** Whether the record `buffer[from, to)` is of the actor with this address in UTF-8. */
export function isRecordOf(buffer: Buffer, from: number, to: number, actor: Buffer): boolean {
  return isFieldEqual(buffer, from, to, RECORD_ACTOR, actor);
}

/** Where the record `buffer[from, to)` names its actor; null for a record of the bucket itself. */
export function actorRange(buffer: Buffer, from: number, to: number): { readonly from: number; readonly to: number } | null {
  reader.over(buffer, from, to);
  while (reader.next()) {
    if (reader.field === RECORD_ACTOR && reader.wireType === 2) {
      reader.span();
      return reader.from === reader.to ? null : { from: reader.from, to: reader.to };
    }
    reader.skip();
  }
  return null;
}

/** Two actors can share a 64-bit hash, so the address itself decides; without decoding it into a string. */
function isFieldEqual(buffer: Buffer, from: number, to: number, field: number, expected: Buffer): boolean {
  reader.over(buffer, from, to);
  while (reader.next()) {
    if (reader.field === field && reader.wireType === 2) {
      reader.span();
      return buffer.compare(expected, 0, expected.length, reader.from, reader.to) === 0;
    }
    // Fields stand in ascending order in every record we write, but a reader must not rest on it.
    reader.skip();
  }
  return expected.length === 0;
}
