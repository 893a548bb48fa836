/**
 * A client of Redis for baselines: commands that are bytes already go out in one write, and answers are counted, not decoded. What the product uses
 * (ioredis) makes an object for each command and each answer; a floor and a loop that cost as much would measure that.
 *
 * It never reconnects and never sends again.
 *
 * X1  `write` resolves when the server has answered every command of it, and has refused none, not even inside of an array.
 *
 * Source: the Redis serialization protocol, version 2.
 */

import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

const CR = 13;
const LF = 10;
const ARRAY = 42;
const ERROR = 45;
const INTEGER = 58;
const BULK = 36;

interface Waiting {
  answers: number;
  resolve(): void;
  reject(error: Error): void;
}

export class RedisPipe {
  /** Of all integers that were answered; a function that says 0 for each success has left it as it was. */
  integers = 0;
  private readonly socket: Socket;
  private readonly waiting: Waiting[] = [];
  private pending: Buffer | null = null;
  /** Items until the answer that is being read is complete. */
  private items = 1;
  private problem: Error | null = null;

  static async open(port: number): Promise<RedisPipe> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    return new RedisPipe(socket);
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.onData(chunk));
    socket.on('error', (error) => this.end(error));
    socket.on('close', () => this.end(new Error('the server closed the connection')));
  }

  /** `commands` are the sender's again when it has resolved. @throws Error when one of them was refused, or the connection ended: what took effect is then unknown */
  write(commands: readonly Uint8Array[], answers: number): Promise<void> {
    if (this.problem !== null) return Promise.reject(this.problem);
    this.socket.cork();
    for (const bytes of commands) this.socket.write(bytes);
    this.socket.uncork();
    return new Promise((resolve, reject) => this.waiting.push({ answers, resolve, reject }));
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
    const data = this.pending === null ? chunk : Buffer.concat([this.pending, chunk]);
    let at = 0;
    for (let next = this.item(data, at); next > 0; next = this.item(data, at)) {
      at = next;
      if (this.items === 0) this.answered();
    }
    this.pending = at < data.length ? data.subarray(at) : null;
  }

  private answered(): void {
    this.items = 1;
    const first = this.waiting[0];
    if (first === undefined) throw new Error('redis answered what nobody asked');
    if (--first.answers > 0) return;
    this.waiting.shift();
    first.resolve();
  }

  /** Where the item that begins at `at` ends; -1 when it has not come in full. */
  private item(data: Buffer, at: number): number {
    const lineEnd = data.indexOf(LF, at);
    if (lineEnd < 0) return -1;
    let end = lineEnd + 1;
    switch (data[at]) {
      case ERROR:
        this.end(new Error(`redis refused: ${data.toString('utf8', at + 1, lineEnd - 1)}`));
        this.socket.destroy();
        return -1;
      case INTEGER:
        this.integers += number(data, at + 1);
        break;
      case BULK: {
        const size = number(data, at + 1);
        if (size >= 0) end += size + 2;
        break;
      }
      case ARRAY:
        this.items += Math.max(0, number(data, at + 1));
        break;
    }
    if (end > data.length) return -1;
    this.items--;
    return end;
  }
}

function number(data: Buffer, from: number): number {
  const isNegative = data[from] === ERROR;
  let value = 0;
  for (let at = isNegative ? from + 1 : from; data[at] !== CR; at++) value = value * 10 + data[at]! - 48;
  return isNegative ? -value : value;
}

/** A command as bytes. */
export function command(...args: readonly (string | Uint8Array)[]): Buffer {
  const parts = args.map((arg) => {
    const bytes = typeof arg === 'string' ? Buffer.from(arg) : arg;
    return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
  });
  return Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...parts]);
}
