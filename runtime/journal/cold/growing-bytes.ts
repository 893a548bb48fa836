/** A file that is made in memory, from its first byte to its last. */

import assert from 'node:assert/strict';

import type { SegmentSink } from '../sealed/segment-writer.ts';

const BYTES_MIN = 64 * 1024;

export class GrowingBytes implements SegmentSink {
  private memory: Uint8Array<ArrayBuffer>;
  private length = 0;

  /** `expectedBytes`: what it is likely to take. */
  constructor(expectedBytes: number) {
    this.memory = new Uint8Array(Math.max(BYTES_MIN, Math.ceil(expectedBytes)));
  }

  write(bytes: Uint8Array, position: number): void {
    assert.equal(position, this.length, 'bytes come one behind the other');
    const end = position + bytes.length;
    if (end > this.memory.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.memory.length));
      larger.set(this.memory.subarray(0, this.length));
      this.memory = larger;
    }
    this.memory.set(bytes, position);
    this.length = end;
  }

  /** All of it, in memory of its own. */
  taken(): Uint8Array<ArrayBuffer> {
    return this.memory.slice(0, this.length);
  }
}
