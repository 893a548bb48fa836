/** Every latency of the measured time with the moment in which its command was due, so that times of trouble can be told from the rest afterwards. */

import type { Samples } from './protocol.ts';

const FIRST_ROOM = 65_536;

export class SampleList {
  private dueMs = new Float32Array(FIRST_ROOM);
  private latencyMs = new Float32Array(FIRST_ROOM);
  private length = 0;

  add(dueMs: number, latencyMs: number): void {
    if (this.length === this.dueMs.length) {
      this.dueMs = grown(this.dueMs);
      this.latencyMs = grown(this.latencyMs);
    }
    this.dueMs[this.length] = dueMs;
    this.latencyMs[this.length++] = latencyMs;
  }

  reset(): void {
    this.length = 0;
  }

  dump(): Samples {
    return { dueMs: this.dueMs.slice(0, this.length), latencyMs: this.latencyMs.slice(0, this.length) };
  }
}

function grown(list: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const larger = new Float32Array(list.length * 2);
  larger.set(list);
  return larger;
}
