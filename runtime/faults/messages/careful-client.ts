/**
 * A client as careful as a client can be: a command has one key, and is sent again, through whichever node is there, until it is answered well
 * or refused by its behaviour. A share of the answered ones is sent once more under the same key, and must be answered the same.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Findings } from '../book.ts';
import { Link } from '../link.ts';
import type { LinkAnswer } from '../link.ts';
import { typeOf } from './log-record.ts';
import type { AnsweredCommand } from './messages-check.ts';
import { decodeReply, encodeCommand } from './shop-messages.ts';
import type { Fields } from './shop-messages.ts';

export interface ClientOptions {
  readonly findings: Findings;
  readonly random: () => number;
  readonly repeatShare: number;
}

export type Outcome = { readonly seq: number; readonly reply: Fields } | { readonly refused: string };

interface Call {
  readonly id: string;
  readonly request: { readonly to: string; readonly name: string; readonly body: Uint8Array; readonly key: string } | { readonly get: string };
  readonly sinceMs: number;
  readonly done: (answer: LinkAnswer) => void;
  gateway: Gateway | null;
  sentMs: number;
  sends: number;
}

interface Gateway {
  readonly port: number;
  link: Link | null;
}

const PATIENCE_MS = 2_000;
const SWEEP_MS = 100;
const RETRY_PAUSE_MS = 50;
const RECONNECT_MS = 50;
const CONNECT_TIME_MAX_MS = 2_000;

export class CarefulClient {
  /** Everything that was answered. */
  readonly answered: AnsweredCommand[] = [];
  repeats = 0;
  /** Retryable errors by code; LOST for a lost connection, SILENT for patience that ended. */
  readonly again: Record<string, number> = {};
  private readonly options: ClientOptions;
  private readonly gateways: Gateway[] = [];
  private readonly calls = new Map<string, Call>();
  private readonly sweeper: NodeJS.Timeout;
  private requests = 0;
  private keys = 0;
  private isClosed = false;

  constructor(options: ClientOptions) {
    this.options = options;
    this.sweeper = setInterval(() => this.sweep(), SWEEP_MS);
  }

  /** Without an answer. */
  get open(): number {
    return this.calls.size;
  }

  get oldestMs(): number {
    const [oldest] = this.calls.values();
    return oldest === undefined ? 0 : performance.now() - oldest.sinceMs;
  }

  /** A gateway to be used from now on, kept connected as far as it lets. */
  use(port: number): void {
    const gateway: Gateway = { port, link: null };
    this.gateways.push(gateway);
    void this.keepConnected(gateway);
  }

  async command(to: string, name: string, fields: object): Promise<Outcome> {
    const body = encodeCommand(typeOf(to), name, fields);
    const key = `m-${++this.keys}`;
    const answer = await this.ask({ to, name, body, key });
    const outcome = outcomeOf(answer, to, name);
    this.answered.push({ actor: to, key, seq: 'seq' in outcome ? outcome.seq : null });
    if (this.options.random() < this.options.repeatShare) void this.repeat(to, name, body, key, outcome);
    return outcome;
  }

  async get(actor: string): Promise<{ seq: number; body: Uint8Array }> {
    const { done } = await this.ask({ get: actor });
    return { seq: done!.seq ?? 0, body: done!.body ?? new Uint8Array(0) };
  }

  close(): void {
    this.isClosed = true;
    clearInterval(this.sweeper);
    for (const { link } of this.gateways) link?.close();
    this.calls.clear();
  }

  private async repeat(to: string, name: string, body: Uint8Array, key: string, first: Outcome): Promise<void> {
    const again = outcomeOf(await this.ask({ to, name, body, key }), to, name);
    this.repeats++;
    const [was, is] = [JSON.stringify(first), JSON.stringify(again)];
    if (was !== is) this.options.findings.add(`B1: command ${key} of ${to}, sent again with its key, was first answered with ${was} and is now with ${is}`);
  }

  /** Resolves with an answer, or a refusal; until then it is sent again. */
  private ask(request: Call['request']): Promise<LinkAnswer> {
    return new Promise((resolve) => {
      const call: Call = { id: String(++this.requests), request, sinceMs: performance.now(), done: resolve, gateway: null, sentMs: 0, sends: 0 };
      this.calls.set(call.id, call);
      this.send(call);
    });
  }

  private send(call: Call): void {
    call.sentMs = performance.now();
    const up = this.gateways.filter(({ link }) => link !== null);
    const others = up.filter((gateway) => gateway !== call.gateway);
    const from = others.length > 0 ? others : up;
    call.gateway = from[Math.floor(this.options.random() * from.length)] ?? null;
    const link = call.gateway?.link;
    if (!link) return;
    // An earlier send may be open on the same connection: each has an id of its own, behind the call's.
    const id = `${call.id}.${++call.sends}`;
    if ('get' in call.request) link.get(id, call.request.get);
    else link.command({ id, ...call.request });
  }

  private received(answer: LinkAnswer): void {
    const call = this.calls.get(answer.id.split('.', 1)[0]!);
    // An earlier send of the same request was answered first.
    if (call === undefined) return;
    if (answer.done === undefined && answer.error?.code !== 'REJECTED') {
      this.count(answer.error?.code ?? 'EMPTY');
      if (answer.error?.retryable !== true) {
        const { request } = call;
        const what = 'get' in request ? `get of ${request.get}` : `${request.name} ${request.key} to ${request.to}`;
        this.options.findings.add(`${what} was answered with ${answer.error?.code}: ${answer.error?.message}`);
      }
      setTimeout(() => {
        if (!this.isClosed && this.calls.has(call.id)) this.send(call);
      }, RETRY_PAUSE_MS);
      return;
    }
    this.calls.delete(call.id);
    call.done(answer);
  }

  private sweep(): void {
    const now = performance.now();
    for (const call of this.calls.values()) {
      const isConnected = call.gateway?.link != null;
      if (now - call.sentMs < (isConnected ? PATIENCE_MS : SWEEP_MS)) continue;
      if (isConnected) this.count('SILENT');
      this.send(call);
    }
  }

  private count(code: string): void {
    this.again[code] = (this.again[code] ?? 0) + 1;
  }

  private lost(gateway: Gateway): void {
    gateway.link = null;
    if (this.isClosed) return;
    for (const call of this.calls.values()) {
      if (call.gateway !== gateway) continue;
      this.count('LOST');
      this.send(call);
    }
    void this.keepConnected(gateway);
  }

  private async keepConnected(gateway: Gateway): Promise<void> {
    while (!this.isClosed && gateway.link === null) {
      const link = await openInTime(gateway.port);
      if (link === null) {
        await sleep(RECONNECT_MS);
        continue;
      }
      if (this.isClosed) {
        link.close();
        return;
      }
      link.onAnswer = (answer) => this.received(answer);
      link.onLost = () => this.lost(gateway);
      gateway.link = link;
    }
  }
}

/** null when nobody is there, or somebody who says nothing. */
async function openInTime(port: number): Promise<Link | null> {
  const opening = Link.open(port);
  const timer = new AbortController();
  const link = await Promise.race([opening.catch(() => null), sleep(CONNECT_TIME_MAX_MS, undefined, { signal: timer.signal }).catch(() => undefined)]);
  timer.abort();
  if (link === undefined) opening.then((late) => late.close(), () => undefined);
  return link ?? null;
}

function outcomeOf({ done, error }: LinkAnswer, to: string, name: string): Outcome {
  if (done === undefined) return { refused: error!.reason };
  return { seq: done.seq ?? 0, reply: decodeReply(typeOf(to), name, done.body ?? new Uint8Array(0)) };
}
