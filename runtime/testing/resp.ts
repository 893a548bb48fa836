/**
 * The smallest client of Redis that a test can do with (RESP2): it reaches into a server behind the product's back, so it
 * shares nothing with the client that the product uses.
 *
 * It never sends a command twice and never reconnects: when the connection ends, what waits is refused.
 */

import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export type Reply = string | number | Buffer | null | RespError | Reply[];

/** An answer that begins with `-`: refused by the server. Inside an array, as EXEC gives it, it is a value. */
export class RespError extends Error {
  override readonly name = 'RespError';
}

export interface RespOptions {
  /** Strings are given as buffers instead of text. */
  readonly bytes?: boolean;
  readonly password?: string | undefined;
}

export class RespClient {
  private readonly socket: Socket;
  private readonly bytes: boolean;
  private readonly waiting: { resolve(reply: Reply): void; reject(error: Error): void }[] = [];
  private received: Buffer = Buffer.alloc(0);
  private problem: Error | null = null;

  /** Resolves when connected and, with a password, let in. @throws Error of the connection, or RespError */
  static async open(port: number, options: RespOptions = {}): Promise<RespClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    const client = new RespClient(socket, options.bytes ?? false);
    if (options.password !== undefined) await client.command('AUTH', options.password);
    return client;
  }

  private constructor(socket: Socket, bytes: boolean) {
    this.socket = socket;
    this.bytes = bytes;
    socket.on('data', (chunk: Buffer) => this.onData(chunk));
    socket.on('error', (error) => this.end(error));
    socket.on('close', () => this.end(new Error('the server closed the connection')));
  }

  /** @throws RespError when the server refuses it; Error when the connection ends first: then nobody knows whether it took effect */
  command(...args: readonly (string | number | Uint8Array)[]): Promise<Reply> {
    if (this.problem !== null) return Promise.reject(this.problem);
    const parts = args.flatMap((arg) => {
      const bytes: Uint8Array = typeof arg === 'object' ? arg : Buffer.from(String(arg));
      return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
    });
    this.socket.write(Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...parts]));
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  close(): void {
    this.socket.destroy();
    this.end(new Error('the connection was closed here'));
  }

  private end(problem: Error): void {
    this.problem ??= problem;
    for (const { reject } of this.waiting.splice(0)) reject(this.problem);
  }

  private onData(chunk: Buffer): void {
    this.received = Buffer.concat([this.received, chunk]);
    for (;;) {
      const parsed = parse(this.received, 0, this.bytes);
      if (parsed === null) return;
      this.received = this.received.subarray(parsed.end);
      const first = this.waiting.shift();
      if (parsed.reply instanceof RespError) first?.reject(parsed.reply);
      else first?.resolve(parsed.reply);
    }
  }
}

interface Parsed {
  readonly reply: Reply;
  /** Offset behind it. */
  readonly end: number;
}

/** The reply that begins at `from`; null when it is not complete yet. */
function parse(data: Buffer, from: number, bytes: boolean): Parsed | null {
  const lineEnd = data.indexOf('\r\n', from);
  if (lineEnd < 0) return null;
  const line = data.toString('utf8', from + 1, lineEnd);
  const next = lineEnd + 2;
  switch (data[from]) {
    case 0x2b: // +
      return { reply: line, end: next };
    case 0x2d: // -
      return { reply: new RespError(line), end: next };
    case 0x3a: // :
      return { reply: Number(line), end: next };
    case 0x24: { // $
      const end = next + Number(line);
      if (Number(line) < 0) return { reply: null, end: next };
      if (data.length < end + 2) return null;
      const value = data.subarray(next, end);
      return { reply: bytes ? Buffer.from(value) : value.toString(), end: end + 2 };
    }
    case 0x2a: // *
      return Number(line) < 0 ? { reply: null, end: next } : parseArray(data, next, Number(line), bytes);
    default:
      throw new Error(`no reply of RESP2: ${JSON.stringify(line)}`);
  }
}

function parseArray(data: Buffer, from: number, count: number, bytes: boolean): Parsed | null {
  const reply: Reply[] = [];
  let end = from;
  while (reply.length < count) {
    const item = parse(data, end, bytes);
    if (item === null) return null;
    reply.push(item.reply);
    end = item.end;
  }
  return { reply, end };
}
