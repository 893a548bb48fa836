/**
 * CPU time of the serving process per command: bare `ws` echo with corked sockets, and the gateway with an engine that
 * answers at once, in JSON and protobuf, one command a frame and sixteen. Every case runs in a fresh serving process, and
 * this process only drives it; what is measured is the other one's CPU time, so it does not matter that they share a machine.
 *
 *   node runtime/gateway/frames.bench.ts [seconds per case]
 */

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import { WebSocketServer } from 'ws';

import type { CommandRequest, Engine } from '../actor/engine.ts';
import { createAuthenticator } from './auth.ts';
import { createGateway } from './gateway.ts';

const CONNECTIONS = 64;
const IN_FLIGHT = 16;
const IDS = 2 * IN_FLIGHT;

const cases = ['echo', 'json x1', 'json x16', 'proto x1', 'proto x16'] as const;
type Case = (typeof cases)[number];

const reply = { json: Buffer.from('{"value":7}'), proto: Buffer.from([8, 7]) };

/** Answers everything that came in one turn of the event loop in the next, as an engine that has all in memory would. */
function instantEngine(): Engine {
  let waiting: CommandRequest[] = [];
  const answer = (): void => {
    const batch = waiting;
    waiting = [];
    for (const request of batch) {
      const body = request.format === 2 ? reply.json : reply.proto;
      request.done(7, body, 0, body.length);
    }
  };
  return {
    submit(request: CommandRequest) {
      if (waiting.length === 0) setImmediate(answer);
      waiting.push(request);
    },
    notReady: () => null,
  } as unknown as Engine;
}

async function serve(name: Case): Promise<number> {
  if (name !== 'echo') {
    const auth = await createAuthenticator({ kind: 'none' });
    return (await createGateway({ engine: instantEngine(), host: '127.0.0.1', port: 0, auth }).listen()).port;
  }
  const http = createServer();
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  http.on('upgrade', (request, socket: Socket, head) => server.handleUpgrade(request, socket, head, (webSocket) => {
    let isCorked = false;
    const uncork = (): void => {
      isCorked = false;
      socket.uncork();
    };
    webSocket.on('message', (data: Buffer, isBinary) => {
      if (!isCorked) {
        isCorked = true;
        socket.cork();
        process.nextTick(uncork);
      }
      webSocket.send(data, { binary: isBinary });
    });
  }));
  await new Promise<void>((resolve) => { http.listen(0, '127.0.0.1', resolve); });
  return (http.address() as AddressInfo).port;
}

/** A masked client frame around a payload. */
function masked(opcode: number, payload: Buffer): Buffer {
  const mask = Buffer.from([0x5a, 0xa5, 0x3c, 0xc3]);
  const header = payload.length < 126 ? Buffer.from([opcode, 0x80 | payload.length])
    : Buffer.from([opcode, 0x80 | 126, payload.length >>> 8, payload.length & 0xff]);
  return Buffer.concat([header, mask, payload.map((byte, i) => byte ^ mask[i & 3]!)]);
}

function jsonRequest(connection: number, id: number): string {
  const to = `bench.v1.Counter:c-${connection}-${id}`;
  return `{"id":"${id + 100}","key":"k${connection}-${id}-000000","to":"${to}","command":"Add","body":{"amount":1}}`;
}

function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(bytes.length < 128 ? [number << 3 | 2, bytes.length] : [number << 3 | 2, bytes.length & 0x7f | 0x80, bytes.length >> 7]), bytes]);
}

function protoRequest(connection: number, id: number): Buffer {
  const command = Buffer.concat([
    field(1, Buffer.from(`bench.v1.Counter:c-${connection}-${id}`)), field(2, Buffer.from('Add')),
    field(3, Buffer.from([8, 1])), field(4, Buffer.from(`k${connection}-${id}-000000`)),
  ]);
  return field(1, Buffer.concat([field(1, Buffer.from(String(id + 100))), field(2, command)]));
}

/** Frames of one connection, and how many answers the server gives to each. */
function framesOf(name: Case, connection: number): { frames: Buffer[]; perFrame: number } {
  const perFrame = name.endsWith('x16') ? 16 : 1;
  const frames: Buffer[] = [];
  for (let id = 0; id < IDS; id += perFrame) {
    const ids = Array.from({ length: perFrame }, (_, i) => id + i);
    if (name.startsWith('proto')) frames.push(masked(0x82, Buffer.concat(ids.map((i) => protoRequest(connection, i)))));
    else if (perFrame > 1) frames.push(masked(0x81, Buffer.from(`[${ids.map((i) => jsonRequest(connection, i)).join(',')}]`)));
    else frames.push(masked(0x81, Buffer.from(jsonRequest(connection, id))));
  }
  return { frames, perFrame };
}

/** Counts answers in a stream of server frames. All answers of a case have one size, so a payload's size tells how many it has. */
class AnswerCounter {
  private rest: Buffer = Buffer.alloc(0);
  private readonly answerBytes: number;
  private readonly isList: boolean;

  constructor(name: Case) {
    this.isList = name !== 'echo' && name !== 'json x1';
    // {"id":"100","ok":true,"seq":7,"reply":{"value":7}} and its comma; the bracket counts as the comma of the last.
    this.answerBytes = name.startsWith('json') ? 51 : 15;
  }

  take(chunk: Buffer): number {
    const data = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    let count = 0;
    while (data.length - at >= 4) {
      const short = data[at + 1]!;
      const header = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (data.length - at < header) break;
      const size = short < 126 ? short : short === 126 ? data.readUInt16BE(at + 2) : data.readUInt32BE(at + 6);
      if (data.length - at < header + size) break;
      count += this.isList ? Math.floor(size / this.answerBytes) : 1;
      at += header + size;
    }
    this.rest = data.subarray(at);
    return count;
  }
}

async function drive(name: Case, port: number, connection: number, onAnswers: (count: number) => void): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  const subprotocol = name.startsWith('proto') ? 'troupe.v1.proto' : 'troupe.v1.json';
  socket.write(
    `GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
    `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
  );
  await new Promise((resolve) => { socket.once('data', resolve); });
  const { frames, perFrame } = framesOf(name, connection);
  const counter = new AnswerCounter(name);
  let next = 0;
  let owed = IN_FLIGHT;
  const send = (): void => {
    const batch: Buffer[] = [];
    for (; owed >= perFrame; owed -= perFrame) batch.push(frames[next++ % frames.length]!);
    if (batch.length > 0) socket.write(Buffer.concat(batch));
  };
  socket.on('data', (chunk: Buffer) => {
    const count = counter.take(chunk);
    onAnswers(count);
    owed += count;
    send();
  });
  send();
  return socket;
}

function ask(child: ChildProcess, what: unknown): Promise<any> {
  return new Promise((resolve) => {
    child.once('message', resolve);
    child.send(what as object);
  });
}

async function measure(name: Case, seconds: number): Promise<void> {
  const child = fork(import.meta.filename, ['serve'], { execArgv: [] });
  const port = await ask(child, { serve: name }) as number;
  let answers = 0;
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => drive(name, port, i, (count) => { answers += count; })));
  await new Promise((resolve) => { setTimeout(resolve, 500); });
  const before = await ask(child, 'cpu') as number;
  const startedAt = performance.now();
  answers = 0;
  await new Promise((resolve) => { setTimeout(resolve, seconds * 1_000); });
  const counted = answers;
  const elapsed = (performance.now() - startedAt) / 1_000;
  const cpu = (await ask(child, 'cpu') as number) - before;
  for (const socket of sockets) socket.destroy();
  child.disconnect();
  const perCommand = (cpu / counted).toFixed(2);
  console.log(`${name.padEnd(10)} ${String(Math.round(counted / elapsed)).padStart(8)}/s   ${perCommand} µs CPU of the server each`);
}

if (process.argv[2] === 'serve') {
  process.on('message', (message: 'cpu' | { serve: Case }) => {
    if (message === 'cpu') {
      const { user, system } = process.cpuUsage();
      process.send!(user + system);
    } else {
      void serve(message.serve).then((port) => process.send!(port));
    }
  });
  process.on('disconnect', () => process.exit(0));
} else {
  const seconds = Number(process.argv[2] ?? 3);
  console.log(`${CONNECTIONS} connections, ${IN_FLIGHT} commands in flight each`);
  for (const name of cases) await measure(name, seconds);
}
