/** Transports over loopback, a proxy between them that can be cut, held and stopped, and a raw stranger: for the tests beside. */

import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import type { Test } from 'tap';

import { createTransport } from '../tcp-transport.ts';
import type { PeerEvent, TransportSettings } from '../settings.ts';
import type { Failure, NodeAddress, Peer, Pending, StreamSink, Transport } from '../transport.ts';

export const SECRET = Buffer.from('a secret of thirty-two bytes, or');
export const ECHO = 1;

export interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

export interface TestNode {
  readonly transport: Transport;
  readonly address: NodeAddress;
  readonly lines: Line[];
  readonly events: PeerEvent[];
}

/** A transport that listens and answers method ECHO with what was asked. Errors in its log fail the test, unless they are expected. */
export async function startNode(t: Test, node: string, settings: Partial<TransportSettings> = {}, expectsDefects = false): Promise<TestNode> {
  const lines: Line[] = [];
  const events: PeerEvent[] = [];
  const line = (level: Line['level']) => (fields: object, message: string): void => { lines.push({ level, message, fields: fields as Line['fields'] }); };
  const transport = createTransport({
    cluster: 'test', self: { node, incarnation: 'i1' }, listen: { host: '127.0.0.1', port: 0 }, secret: SECRET,
    log: { info: line('info'), warn: line('warn'), error: line('error') }, onPeer: (event) => events.push(event),
    ...settings,
    limits: { backoffFirstMs: 5, backoffMaxMs: 20, closeTimeMaxMs: 100, ...settings.limits },
  });
  transport.handle(ECHO, (request) => request.answer(request.value, request.buffer, request.bodyFrom, request.bodyTo));
  t.teardown(async () => {
    await transport.close();
    const defects = lines.filter(({ level }) => level === 'error');
    if (!expectsDefects && defects.length > 0) throw new Error('the transport met a defect of its own', { cause: defects[0]!.fields['err'] });
  });
  return { transport, address: await transport.listen(), lines, events };
}

/** What became of one request. */
export class Outcome implements Pending {
  calls = 0;
  value: unknown;
  body: Buffer | null = null;
  failure: Failure | null = null;

  answered(value: unknown, buffer: Buffer, from: number, to: number): void {
    this.calls++;
    this.value = value;
    this.body = Buffer.from(buffer.subarray(from, to));
  }

  failed(failure: Failure): void {
    this.calls++;
    this.failure = failure;
  }

  get kind(): string {
    return this.calls === 0 ? 'open' : (this.failure?.outcome ?? 'ok');
  }
}

export function request(peer: Peer, method: number, value?: unknown, body?: Buffer): Outcome {
  const outcome = new Outcome();
  peer.request(outcome, method, value, body);
  return outcome;
}

export class CollectingSink implements StreamSink {
  readonly values: unknown[] = [];
  end: Failure | null | 'open' = 'open';
  ends = 0;
  wantsMore = true;

  event(value: unknown): boolean {
    this.values.push(value);
    return this.wantsMore;
  }

  ended(failure: Failure | null): void {
    this.ends++;
    this.end = failure;
  }
}

/** Between a node that dials and one that serves. */
export class Proxy {
  connections = 0;
  /** While set, what the one who serves says is thrown away. */
  isDeaf = false;
  private readonly target: NodeAddress;
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private readonly server = createServer((client) => this.onClient(client));
  private isHeld = false;

  constructor(t: Test, target: NodeAddress) {
    this.target = target;
    t.teardown(() => {
      this.cut();
      this.server.close();
    });
  }

  async listen(): Promise<NodeAddress> {
    await new Promise<void>((resolve) => { this.server.listen(0, '127.0.0.1', resolve); });
    return { host: '127.0.0.1', port: (this.server.address() as AddressInfo).port };
  }

  cut(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
    this.pairs.clear();
  }

  /** While held, nothing is read from the one who dials, so that its socket fills. */
  hold(): void {
    this.isHeld = true;
    for (const [client] of this.pairs) client.pause();
  }

  /** While held, nothing is read from the one who serves: a reader that stands still. */
  holdServer(): void {
    for (const [, node] of this.pairs) node.pause();
  }

  /** Says something to those who dial, as if the one who serves had. */
  inject(bytes: Buffer): void {
    for (const [client] of this.pairs) client.write(bytes);
  }

  release(): void {
    this.isHeld = false;
    for (const pair of this.pairs) for (const socket of pair) socket.resume();
  }

  private onClient(client: Socket): void {
    this.connections++;
    const node = connect(this.target);
    const pair = [client, node] as const;
    this.pairs.add(pair);
    client.on('data', (chunk: Buffer) => { node.write(chunk); });
    node.on('data', (chunk: Buffer) => {
      if (!this.isDeaf) client.write(chunk);
    });
    if (this.isHeld) client.pause();
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.pairs.delete(pair);
        client.destroy();
        node.destroy();
      });
    }
  }
}

/** Somebody who connects and keeps no rule. */
export class Stranger {
  readonly socket: Socket;
  received: Buffer = Buffer.alloc(0);
  isClosed = false;

  constructor(t: Test, address: NodeAddress) {
    this.socket = connect(address);
    this.socket.on('data', (chunk: Buffer) => { this.received = Buffer.concat([this.received, chunk]); });
    this.socket.on('error', () => {});
    this.socket.on('close', () => { this.isClosed = true; });
    t.teardown(() => this.socket.destroy());
  }
}

export async function until(condition: () => boolean, what = 'it'): Promise<void> {
  const end = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited half a minute for ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 1); });
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}
