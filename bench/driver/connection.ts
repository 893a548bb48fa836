/**
 * A WebSocket client over a bare TCP socket, as lean as a load driver needs: one reused read buffer for all connections, one
 * write per batch of frames, no event per frame. The `ws` client costs about as much per frame as the `ws` server, so a driver
 * built on it would measure itself. Frames are masked with a constant key that is not zero: a zero key would let the server skip
 * its own work.
 *
 * It does not fragment, compress, reconnect or negotiate; a server that sends a fragmented or compressed frame is an error.
 */

import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { WireWriter } from '../../runtime/codec/wire.ts';
import { NoConnection } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';

const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const MASK = [0x37, 0xfa, 0x21, 0x3d] as const;
const OPCODE_TEXT = 1;
const OPCODE_BINARY = 2;
const OPCODE_CLOSE = 8;
const OPCODE_PING = 9;
const OPCODE_PONG = 10;
const HEADER_SMALL = 6;

/** What a connection tells its owner. `buffer[from, to)` is one frame's payload, valid during the call only. */
export interface ConnectionOwner {
  frame(buffer: Buffer, from: number, to: number): void;
  /** All frames of one socket read were given; the time to send what became sendable. */
  readEnd(): void;
  lost(reason: string): void;
}

// One read is consumed before the next begins, so all connections of the process share the buffer, which stays in cache.
const readBuffer = Buffer.allocUnsafeSlow(256 * 1024);

export class Connection {
  owner: ConnectionOwner | null = null;
  readonly out = new WireWriter(16 * 1024);
  private readonly socket: Socket;
  private readonly opcode: number;
  private pending: Buffer | null = null;
  private onHandshake: ((error: Error | null) => void) | null = null;
  private readonly nonce = randomBytes(16).toString('base64');
  private open = false;

  private constructor({ host, port }: Endpoint, subprotocol: string, text: boolean) {
    this.opcode = text ? OPCODE_TEXT : OPCODE_BINARY;
    this.socket = connect({
      host,
      port,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (size: number, chunk: Uint8Array): boolean => {
          this.received(chunk as Buffer, size);
          return true;
        },
      },
    });
    this.socket.on('connect', () => {
      this.socket.write(
        `GET / HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${this.nonce}\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
      );
    });
    this.socket.on('error', (error) => this.fail(error.message));
    this.socket.on('close', () => this.fail('closed'));
  }

  static async open(endpoint: Endpoint, subprotocol: string, text: boolean): Promise<Connection> {
    const connection = new Connection(endpoint, subprotocol, text);
    await new Promise<void>((resolve, reject) => {
      connection.onHandshake = (error) => (error === null ? resolve() : reject(new NoConnection(endpoint, error.message)));
    });
    return connection;
  }

  /** Starts a frame in `out`; write its payload there and give the returned mark to `endFrame`. */
  beginFrame(): number {
    const out = this.out;
    out.reserve(HEADER_SMALL);
    out.length += HEADER_SMALL;
    return out.length;
  }

  endFrame(mark: number): void {
    const out = this.out;
    const size = out.length - mark;
    let payload = mark;
    const start = mark - HEADER_SMALL;
    if (size < 126) {
      out.buffer[start + 1] = 0x80 | size;
    } else {
      const extra = size < 65_536 ? 2 : 8;
      out.reserve(extra);
      out.buffer.copyWithin(mark + extra, mark, out.length);
      out.length += extra;
      payload += extra;
      out.buffer[start + 1] = 0x80 | (extra === 2 ? 126 : 127);
      if (extra === 2) out.buffer.writeUInt16BE(size, start + 2);
      else out.buffer.writeBigUInt64BE(BigInt(size), start + 2);
    }
    const buffer = out.buffer;
    buffer[start] = 0x80 | this.opcode;
    buffer[payload - 4] = MASK[0];
    buffer[payload - 3] = MASK[1];
    buffer[payload - 2] = MASK[2];
    buffer[payload - 1] = MASK[3];
    mask(buffer, payload, out.length);
  }

  /** One write of all frames since the last one. */
  flush(): void {
    const out = this.out;
    if (out.length === 0) return;
    this.socket.write(out.view());
    // A write that the kernel took at once has copied the bytes; otherwise they belong to the socket and `out` needs new ones.
    if (this.socket.writableLength > 0) out.buffer = Buffer.allocUnsafeSlow(out.buffer.length);
    out.reset();
  }

  close(): void {
    this.owner = null;
    this.open = false;
    this.socket.destroy();
  }

  private fail(reason: string): void {
    if (this.onHandshake !== null) {
      this.onHandshake(new Error(reason));
      this.onHandshake = null;
    }
    this.open = false;
    const owner = this.owner;
    this.owner = null;
    owner?.lost(reason);
  }

  private received(chunk: Buffer, size: number): void {
    let buffer = chunk;
    let end = size;
    if (this.pending !== null) {
      buffer = Buffer.concat([this.pending, chunk.subarray(0, size)]);
      end = buffer.length;
      this.pending = null;
    }
    let at = 0;
    if (!this.open) {
      at = this.handshake(buffer, end);
      if (at < 0) return;
    }
    try {
      at = this.frames(buffer, at, end);
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
      this.socket.destroy();
      return;
    }
    if (at < end) this.pending = Buffer.from(buffer.subarray(at, end));
    this.owner?.readEnd();
  }

  private frames(buffer: Buffer, from: number, end: number): number {
    let at = from;
    while (end - at >= 2) {
      const first = buffer[at]!;
      let size = buffer[at + 1]!;
      let payload = at + 2;
      if (size === 126) {
        if (end - at < 4) break;
        size = buffer.readUInt16BE(at + 2);
        payload = at + 4;
      } else if (size === 127) {
        if (end - at < 10) break;
        size = Number(buffer.readBigUInt64BE(at + 2));
        payload = at + 10;
      }
      if (size > end - payload) break;
      at = payload + size;
      if (first === (0x80 | this.opcode)) this.owner?.frame(buffer, payload, at);
      else this.control(first, buffer.subarray(payload, at));
    }
    return at;
  }

  private control(first: number, payload: Buffer): void {
    if (first === (0x80 | OPCODE_PING)) {
      const frame = Buffer.concat([Buffer.from([0x80 | OPCODE_PONG, 0x80 | payload.length, ...MASK]), payload]);
      mask(frame, 6, frame.length);
      this.socket.write(frame);
      return;
    }
    if (first === (0x80 | OPCODE_PONG)) return;
    if (first === (0x80 | OPCODE_CLOSE)) {
      const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      throw new Error(`closed by the server with ${code} ${payload.subarray(2).toString()}`);
    }
    throw new Error(`frame starts with ${first.toString(16)}: fragmented, compressed or of another kind than was asked for`);
  }

  /** Offset behind the response's head, or -1 when it is not complete or not good. */
  private handshake(buffer: Buffer, end: number): number {
    const head = buffer.subarray(0, end).indexOf('\r\n\r\n');
    if (head < 0) {
      this.pending = Buffer.from(buffer.subarray(0, end));
      return -1;
    }
    const text = buffer.toString('latin1', 0, head);
    const accept = createHash('sha1').update(this.nonce + ACCEPT_GUID).digest('base64');
    if (!text.startsWith('HTTP/1.1 101') || !text.includes(accept)) {
      this.fail(`handshake refused: ${text.split('\r\n')[0]}`);
      this.socket.destroy();
      return -1;
    }
    this.open = true;
    this.onHandshake?.(null);
    this.onHandshake = null;
    return head + 4;
  }
}

function mask(buffer: Buffer, from: number, to: number): void {
  let at = from;
  for (; at + 4 <= to; at += 4) {
    buffer[at] = buffer[at]! ^ MASK[0];
    buffer[at + 1] = buffer[at + 1]! ^ MASK[1];
    buffer[at + 2] = buffer[at + 2]! ^ MASK[2];
    buffer[at + 3] = buffer[at + 3]! ^ MASK[3];
  }
  for (let i = 0; at < to; at++, i++) buffer[at] = buffer[at]! ^ MASK[i]!;
}
