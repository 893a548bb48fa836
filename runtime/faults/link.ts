/** One WebSocket connection of a fault campaign, by `ws` and protobufjs: nothing of it is shared with the node. */

import { once } from 'node:events';

import { WebSocket } from 'ws';

import { messages } from './commands.ts';

export interface LinkAnswer {
  readonly id: string;
  readonly done?: { readonly seq: number; readonly body: Uint8Array };
  readonly error?: { readonly code: string; readonly reason: string; readonly message: string; readonly retryable: boolean };
}

export interface OutgoingCommand {
  readonly id: string;
  readonly to: string;
  readonly name: string;
  readonly body: Uint8Array;
  readonly key: string;
  /** How long ago it was sent first, when it is sent again. */
  readonly triedMs?: number;
}

export class Link {
  onAnswer: (answer: LinkAnswer) => void = () => {};
  onLost: () => void = () => {};
  private readonly socket: WebSocket;
  private queued: object[] = [];
  private readonly perFrameMax: number;
  private readonly openedMs = performance.now();

  private constructor(socket: WebSocket, perFrameMax: number) {
    this.socket = socket;
    this.perFrameMax = perFrameMax;
    socket.on('message', (data: Buffer) => this.received(data));
    // A killed server is what this is for; 'close' follows every error.
    socket.on('error', () => {});
    socket.on('close', () => this.onLost());
  }

  static async open(port: number, perFrameMax = 16): Promise<Link> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'troupe.v1.proto', { perMessageDeflate: false });
    await once(socket, 'open');
    return new Link(socket, perFrameMax);
  }

  /** Sent with everything else of this tick, in frames of at most `perFrameMax`. */
  command(command: OutgoingCommand): void {
    const { id, to, name, body, key, triedMs = 0 } = command;
    this.push({ id, command: { to, name, body, key, triedMs, sentMs: Math.ceil(performance.now() - this.openedMs) } });
  }

  get(id: string, actor: string): void {
    this.push({ id, get: { actor } });
  }

  close(): void {
    this.onLost = () => {};
    this.socket.terminate();
  }

  private push(request: object): void {
    this.queued.push(request);
    if (this.queued.length === 1) setImmediate(() => this.flush());
  }

  private flush(): void {
    const requests = this.queued;
    this.queued = [];
    if (this.socket.readyState !== WebSocket.OPEN) return;
    for (let at = 0; at < requests.length; at += this.perFrameMax) {
      this.socket.send(messages.requests.encode({ requests: requests.slice(at, at + this.perFrameMax) }).finish());
    }
  }

  private received(data: Buffer): void {
    const { answers } = messages.answers.toObject(messages.answers.decode(data), { longs: Number }) as { answers?: LinkAnswer[] };
    for (const answer of answers ?? []) this.onAnswer(answer);
  }
}
