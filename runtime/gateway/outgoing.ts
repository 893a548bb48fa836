/**
 * What one connection has to say in this turn, as finished WebSocket frames (RFC 6455, unmasked) in one buffer, so that
 * a turn costs one write per connection and no object per answer.
 *
 * O1  The buffer holds whole frames only, except for one open frame at its end, and `finish` closes that. What is
 *     written to the socket begins and ends at a frame boundary, so ws's own pings, pongs and close frames fit between.
 * O2  A payload length has its shortest form, as the RFC demands: the space kept for it is corrected when the frame ends.
 */

import { WireWriter } from '../codec/wire.ts';

export const TEXT_FRAME = 0x81;
export const BINARY_FRAME = 0x82;

// Ten thousand idle connections must not cost ten thousand large buffers.
const INITIAL_BYTES = 1_024;
/** A buffer that grew beyond this for one burst is given back. */
const KEEP_BYTES = 64 * 1_024;

export class Outgoing extends WireWriter {
  /** Where the open frame begins, -1 when none is open. */
  private frame = -1;
  private headerBytes = 0;
  /** Byte that ends the payload of the open frame, 0 for none. */
  private closer = 0;

  constructor() {
    super(INITIAL_BYTES);
  }

  get isFrameOpen(): boolean {
    return this.frame >= 0;
  }

  get payloadBytes(): number {
    return this.length - this.frame - this.headerBytes;
  }

  /** Opens a frame whose payload will have about `payloadBytes`; a wrong guess costs one move in memory. */
  openFrame(opcode: number, payloadBytes: number, closer: number): void {
    const headerBytes = payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : 10;
    this.reserve(headerBytes + payloadBytes);
    this.frame = this.length;
    this.headerBytes = headerBytes;
    this.closer = closer;
    this.buffer[this.length] = opcode;
    this.length += headerBytes;
  }

  closeFrame(): void {
    if (this.closer !== 0) this.byte(this.closer);
    const payload = this.payloadBytes;
    const headerBytes = payload < 126 ? 2 : payload < 65_536 ? 4 : 10;
    if (headerBytes !== this.headerBytes) this.movePayload(headerBytes);
    const { buffer, frame } = this;
    if (headerBytes === 2) {
      buffer[frame + 1] = payload;
    } else if (headerBytes === 4) {
      buffer[frame + 1] = 126;
      buffer[frame + 2] = payload >>> 8;
      buffer[frame + 3] = payload & 0xff;
    } else {
      buffer[frame + 1] = 127;
      buffer.writeUInt32BE(0, frame + 2);
      buffer.writeUInt32BE(payload, frame + 6);
    }
    this.frame = -1;
  }

  /** Closes the open frame, if any; the buffer then holds whole frames (O1). */
  finish(): void {
    if (this.frame >= 0) this.closeFrame();
  }

  /** After a write that the socket has passed on in full: the buffer is free for the next turn. */
  override reset(): void {
    this.length = 0;
    this.frame = -1;
    if (this.buffer.length > KEEP_BYTES) this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  /** After a write that the socket still holds: the bytes belong to it until they are sent. */
  replace(): void {
    this.length = 0;
    this.frame = -1;
    this.buffer = Buffer.allocUnsafeSlow(Math.min(this.buffer.length, KEEP_BYTES));
  }

  /** Text of any length, without tag and length. */
  text(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.reserve(bytes);
    this.buffer.utf8Write(value, this.length, bytes);
    this.length += bytes;
  }

  private movePayload(headerBytes: number): void {
    const from = this.frame + this.headerBytes;
    const shift = headerBytes - this.headerBytes;
    if (shift > 0) this.reserve(shift);
    this.buffer.copyWithin(from + shift, from, this.length);
    this.length += shift;
    this.headerBytes = headerBytes;
  }
}
