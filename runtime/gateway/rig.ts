/** A gateway over a scripted engine, a clock to move by hand, and clients that see raw frames: for the tests beside it. */

import { connect } from 'node:net';
import type { Socket } from 'node:net';

import type { Test } from 'tap';
import { WebSocket } from 'ws';
import type { ClientOptions } from 'ws';

import { createAuthenticator } from './auth.ts';
import type { AuthSettings } from './auth.ts';
import type { Clock } from './clock.ts';
import { createGateway } from './gateway.ts';
import type { Gateway } from './gateway.ts';
import { ScriptedEngine } from './scripted.ts';
import type { GatewayLimits } from './settings.ts';

export class ManualClock implements Clock {
  private time = 1_000;
  private readonly intervals = new Set<{ ms: number; next: number; callback: () => void }>();

  now(): number {
    return this.time;
  }

  wallNow(): number {
    return Date.UTC(2030, 0, 1) + this.time;
  }

  every(ms: number, callback: () => void): () => void {
    const interval = { ms, next: this.time + ms, callback };
    this.intervals.add(interval);
    return () => { this.intervals.delete(interval); };
  }

  /** Moves time on, ringing on the way. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.intervals].filter(({ next }) => next <= end).sort((a, b) => a.next - b.next)[0];
      if (due === undefined) break;
      this.time = due.next;
      due.next += due.ms;
      due.callback();
    }
    this.time = end;
  }
}

export interface RigOptions {
  readonly limits?: Partial<GatewayLimits>;
  readonly auth?: AuthSettings;
  readonly origins?: readonly string[];
  readonly clock?: Clock;
}

export interface Rig {
  readonly engine: ScriptedEngine;
  readonly gateway: Gateway;
  readonly port: number;
  readonly defects: unknown[];
  talk(subprotocols?: string | string[], options?: ClientOptions): Promise<Talker>;
}

export async function startRig(t: Test, options: RigOptions = {}): Promise<Rig> {
  const engine = new ScriptedEngine();
  const defects: unknown[] = [];
  const { clock } = options;
  const gateway = createGateway({
    engine, host: '127.0.0.1', port: 0, auth: await createAuthenticator(options.auth ?? { kind: 'none' }, clock),
    onDefect: (error) => defects.push(error),
    ...(options.origins === undefined ? {} : { origins: options.origins }),
    ...(clock === undefined ? {} : { clock }),
    limits: { closeTimeMaxMs: 100, ...options.limits },
  });
  const { port } = await gateway.listen();
  const talkers: Talker[] = [];
  t.teardown(async () => {
    for (const talker of talkers) talker.socket.terminate();
    await gateway.close();
    if (defects.length > 0) throw new Error('the gateway met a defect of its own', { cause: defects[0] });
  });
  return {
    engine, gateway, port, defects,
    async talk(subprotocols = [], clientOptions = {}) {
      const talker = new Talker(new WebSocket(`ws://127.0.0.1:${port}`, subprotocols, clientOptions));
      talkers.push(talker);
      await talker.opened;
      return talker;
    },
  };
}

/** A client that takes one frame after another. */
export class Talker {
  readonly socket: WebSocket;
  readonly opened: Promise<void>;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly frames: (string | Buffer)[] = [];
  private waiting: (() => void) | null = null;
  private isClosed = false;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer, isBinary) => {
      this.frames.push(isBinary ? data : data.toString());
      this.waiting?.();
    });
    this.opened = new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('unexpected-response', (_request, response) => reject(Object.assign(new Error('refused'), { status: response.statusCode })));
      socket.on('error', reject);
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        this.isClosed = true;
        this.waiting?.();
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  async frame(): Promise<string | Buffer> {
    while (this.frames.length === 0) {
      if (this.isClosed) throw new Error('closed before a frame came');
      await new Promise<void>((resolve) => { this.waiting = resolve; });
    }
    return this.frames.shift()!;
  }

  /** The next text frame, parsed. */
  async json(): Promise<any> {
    return JSON.parse(await this.frame() as string);
  }

  async ask(request: object | string): Promise<any> {
    this.socket.send(typeof request === 'string' ? request : JSON.stringify(request));
    return this.json();
  }
}

/** A connection below ws: what a client that keeps no rule can send. */
export async function rawSocket(port: number, subprotocol?: string): Promise<{ socket: Socket; received: () => Buffer; closed: Promise<void> }> {
  const socket = connect({ host: '127.0.0.1', port });
  const chunks: Buffer[] = [];
  const closed = new Promise<void>((resolve) => { socket.once('close', () => resolve()); });
  socket.on('error', () => {});
  socket.write(
    'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${subprotocol === undefined ? '' : `Sec-WebSocket-Protocol: ${subprotocol}\r\n`}\r\n`,
  );
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const headEnd = (): number => Buffer.concat(chunks).indexOf('\r\n\r\n');
  await until(() => headEnd() >= 0);
  // Frames may have come in one piece with the end of the handshake.
  return { socket, received: () => Buffer.concat(chunks).subarray(headEnd() + 4), closed };
}

/** One client frame; `first` is the byte of FIN and opcode. */
export function clientFrame(first: number, payload: Buffer | string, options: { masked?: boolean } = {}): Buffer {
  const bytes = Buffer.from(payload);
  const isMasked = options.masked ?? true;
  const flag = isMasked ? 0x80 : 0;
  const header = bytes.length < 126 ? Buffer.from([first, flag | bytes.length]) : Buffer.alloc(bytes.length < 65_536 ? 4 : 10);
  if (header.length === 4) {
    header[0] = first;
    header[1] = flag | 126;
    header.writeUInt16BE(bytes.length, 2);
  } else if (header.length === 10) {
    header[0] = first;
    header[1] = flag | 127;
    header.writeUInt32BE(bytes.length, 6);
  }
  if (!isMasked) return Buffer.concat([header, bytes]);
  const mask = Buffer.from([1, 2, 3, 4]);
  return Buffer.concat([header, mask, bytes.map((byte, i) => byte ^ mask[i & 3]!)]);
}

/** Server frames in a stream: payload sizes, opcodes, and the bytes that are left over. */
export function serverFrames(data: Buffer): { first: number; payload: Buffer; headerBytes: number }[] {
  const frames = [];
  let at = 0;
  while (at < data.length) {
    const short = data[at + 1]!;
    const headerBytes = short < 126 ? 2 : short === 126 ? 4 : 10;
    const size = short < 126 ? short : short === 126 ? data.readUInt16BE(at + 2) : Number(data.readBigUInt64BE(at + 2));
    frames.push({ first: data[at]!, payload: data.subarray(at + headerBytes, at + headerBytes + size), headerBytes });
    at += headerBytes + size;
  }
  return frames;
}

const WAIT_MAX_MS = 60_000;

/** @throws Error when it does not hold in time */
export async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + WAIT_MAX_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${WAIT_MAX_MS} ms: ${String(condition)}`);
    await new Promise((resolve) => { setTimeout(resolve, 1); });
  }
}
