/** Frames as commands for Redis, for the floor: one entry of a stream that holds all of them, or one entry each. */

export type RedisForm = 'blob' | 'events';

/** The stream that everything goes to. */
export const FLOOR_STREAM = 'floor';

const HEAD = Buffer.from(`*5\r\n$4\r\nXADD\r\n$${FLOOR_STREAM.length}\r\n${FLOOR_STREAM}\r\n$1\r\n*\r\n$1\r\nb\r\n`);
const END = Buffer.from('\r\n');
const FRAME_HEAD_BYTES = 4;
/** "$", up to ten digits, and two line ends. */
const ARGUMENT_BYTES = 15;

/** Into one buffer that is used again: the server has read it when the call has been answered. */
export class StreamEncoder {
  private buffer = Buffer.allocUnsafeSlow(1 << 20);
  private length = 0;

  /** One entry: every frame with its length in front. */
  blob(frames: readonly Buffer[]): Buffer {
    let size = 0;
    for (const frame of frames) size += FRAME_HEAD_BYTES + frame.length;
    this.begin(size + HEAD.length + ARGUMENT_BYTES + END.length);
    this.put(HEAD);
    this.size(size);
    for (const frame of frames) {
      this.buffer.writeUInt32LE(frame.length, this.length);
      this.length += FRAME_HEAD_BYTES;
      this.put(frame);
    }
    this.put(END);
    return this.buffer.subarray(0, this.length);
  }

  events(frames: readonly Buffer[]): Buffer {
    let size = 0;
    for (const frame of frames) size += HEAD.length + ARGUMENT_BYTES + frame.length + END.length;
    this.begin(size);
    for (const frame of frames) {
      this.put(HEAD);
      this.size(frame.length);
      this.put(frame);
      this.put(END);
    }
    return this.buffer.subarray(0, this.length);
  }

  private begin(bytes: number): void {
    this.length = 0;
    if (bytes > this.buffer.length) this.buffer = Buffer.allocUnsafeSlow(2 * bytes);
  }

  private put(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  private size(bytes: number): void {
    this.length += this.buffer.write(`$${bytes}\r\n`, this.length, 'latin1');
  }
}
