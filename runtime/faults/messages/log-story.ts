/**
 * Logs made by hand, for the test of the checks: it keeps the books of channels, timers and links in the simplest way there is, and is told
 * what every actor decides.
 */

import { chain } from '../../codec/chain.ts';
import type { StoredRecord } from '../../journal/journal.ts';
import { CURSOR, DECISION, DROPPED, FAILED, LINKED, PARKED, REJECTION, bucketOf, recordType, typeOf } from './log-record.ts';
import { encodeCommand, encodeEvent, encodeReply } from './shop-messages.ts';

export const BITS = 3;
export const ORIGIN = { hi: 7, lo: 9 };
export const START_MS = 1_700_000_000_000;
const INCARNATION = '30064771081';

/** Fields of troupe.v1.Record by their names; whatever is left out has its default. */
export interface PlainRecord {
  [field: string]: any;
}

export interface Outcome {
  readonly events?: readonly [name: string, fields: object][];
  readonly sends?: readonly [to: string, name: string, body: object, onReply?: string][];
  readonly timers?: readonly [name: string, dueMs: number, command: string, everyMs?: number][];
  readonly cancels?: readonly string[];
  readonly links?: readonly string[];
  readonly unlinks?: readonly string[];
  readonly broadcasts?: readonly [name: string, body: object][];
  readonly reply?: object;
  readonly reject?: string;
}

interface Message {
  readonly kind: 'send' | 'link' | 'unlink';
  readonly number: number;
  readonly source: number;
  readonly position: number;
  readonly entry: number;
  readonly from: string;
  readonly to: string;
  readonly name: string;
  readonly data: Uint8Array;
  readonly onReply: string;
  readonly linkedNumber: number;
}

/** Where a decision comes from. */
interface Origin {
  readonly key?: string;
  readonly message?: Message;
  readonly firing?: object;
  readonly resumes?: number;
  /** Who wants the reply, and by which command. */
  readonly from?: string;
  readonly onReply?: string;
}

export class LogStory {
  readonly logs: PlainRecord[][] = Array.from({ length: 2 ** BITS }, () => []);
  nowMs = START_MS;
  private readonly numbers = new Map<string, number>();
  private readonly queues = new Map<string, Message[]>();
  private readonly seqs = new Map<string, number>();
  private readonly held = new Map<string, number>();
  private readonly armed = new Map<string, { position: number; index: number; dueMs: number; command: string; everyMs: number }>();
  private readonly letters = new Map<string, Message>();
  private keys = 0;

  /** A client's command. */
  command(actor: string, name: string, body: object, outcome: Outcome): PlainRecord {
    return this.decide(actor, name, encode(actor, name, body), { key: `k-${++this.keys}` }, outcome);
  }

  /** The oldest message for an actor, on the channel from `from`'s bucket, decided. */
  receive(actor: string, from: string, outcome: Outcome): PlainRecord {
    const message = this.next(actor, from);
    return this.decide(actor, message.name, message.data, { message, from: message.from, onReply: message.onReply }, outcome);
  }

  /** The oldest messages for an actor's bucket on that channel, as far as they are about links. */
  receiveLinks(actor: string, from: string): PlainRecord[] {
    const records: PlainRecord[] = [];
    const queue = this.queue(bucketOf(from, BITS), bucketOf(actor, BITS));
    while (queue[0] !== undefined && queue[0].kind !== 'send') {
      const message = queue.shift()!;
      const { from: linked, to: target, kind, linkedNumber } = message;
      records.push(this.append(bucketOf(actor, BITS), {
        kind: LINKED, cause: this.cause(message), principal: linked, linkTaken: { target, actor: linked, unlink: kind === 'unlink', linkedNumber },
      }));
    }
    return records;
  }

  park(actor: string, from: string): PlainRecord {
    return this.letter(actor, this.next(actor, from), PARKED);
  }

  fail(actor: string, from: string): PlainRecord {
    return this.letter(actor, this.next(actor, from), FAILED);
  }

  resume(actor: string, letter: PlainRecord, outcome: Outcome): PlainRecord {
    const message = this.letters.get(`${letter['bucketIndex']} ${letter['position']}`)!;
    return this.decide(actor, message.name, message.data, { resumes: letter['position'], from: message.from, onReply: message.onReply }, outcome);
  }

  drop(actor: string, letter: PlainRecord): PlainRecord {
    const message = this.letters.get(`${letter['bucketIndex']} ${letter['position']}`)!;
    const record = { kind: DROPPED, addressee: actor, resumes: letter['position'], sends: [] as object[], sendNumbers: [] as number[] };
    if (message.onReply !== '') this.sends(bucketOf(actor, BITS), record, actor, message.from, message.onReply, { from: actor, refusal: { code: 'DROPPED', message: 'dropped' } }, '');
    return this.append(bucketOf(actor, BITS), record);
  }

  fire(actor: string, name: string, outcome: Outcome, missed = 0): PlainRecord {
    const timer = this.armed.get(`${actor} ${name}`)!;
    const { position, index, dueMs, command, everyMs } = timer;
    const nextDueMs = everyMs === 0 ? 0 : dueMs + (missed + 1) * everyMs;
    if (nextDueMs === 0) this.armed.delete(`${actor} ${name}`);
    else timer.dueMs = nextDueMs;
    return this.decide(actor, command, encode(actor, command, {}), { firing: { timer: { position, index }, name, dueMs, missed, nextDueMs } }, outcome);
  }

  /** A chunk of a broadcast: to these, whose links reach up to `through`. */
  cursor(of: PlainRecord, to: readonly string[], through: number, done: boolean): PlainRecord {
    const [{ name, data }] = of['broadcasts'];
    const cursor = { position: of['position'], index: 0, through, done, actor: of['actor'] };
    const record = { kind: CURSOR, cursor, sends: [] as object[], sendNumbers: [] as number[] };
    for (const actor of to) this.sends(of['bucketIndex'], record, of['actor'], actor, name, data, '');
    return this.append(of['bucketIndex'], record);
  }

  private decide(actor: string, name: string, payload: Uint8Array, origin: Origin, outcome: Outcome): PlainRecord {
    const bucket = bucketOf(actor, BITS);
    const position = this.logs[bucket]!.length + 1;
    const seq = this.seqs.get(actor) ?? 0;
    const isRefused = outcome.reject !== undefined;
    const record = {
      kind: isRefused ? REJECTION : DECISION, actor, firstSeq: seq + 1, key: origin.key ?? '', name, payload: { data: payload }, principal: origin.from ?? 'client',
      sends: [] as object[], sendNumbers: [] as number[], firing: origin.firing ?? null, resumes: origin.resumes ?? 0,
      cause: origin.message === undefined ? null : this.cause(origin.message),
      links: [] as object[], linkNotes: [] as object[], timers: [] as object[], timerNotes: [] as object[],
      events: (outcome.events ?? []).map(([event, fields]) => ({ name: event, data: isShop(actor) ? encodeEvent(typeOf(actor), event, fields) : Buffer.alloc(0) })),
      broadcasts: (outcome.broadcasts ?? []).map(([command, body]) => ({ name: command, data: encode('shop.v1.Order:', command, body) })),
      reply: isRefused ? null : { data: isShop(actor) ? encodeReply(typeOf(actor), name, outcome.reply ?? {}) : Buffer.alloc(0) },
      rejection: isRefused ? { code: outcome.reject, message: 'no' } : null,
    };
    this.seqs.set(actor, seq + record.events.length);
    for (const timer of outcome.cancels ?? []) this.timer(actor, record, position, timer, null);
    for (const timer of outcome.timers ?? []) this.timer(actor, record, position, timer[0], timer);
    for (const target of outcome.links ?? []) this.link(actor, record, position, target, false);
    for (const target of outcome.unlinks ?? []) this.link(actor, record, position, target, true);
    for (const [to, command, body, onReply] of outcome.sends ?? []) this.sends(bucket, record, actor, to, command, encode(to, command, body), onReply ?? '');
    if (origin.onReply) {
      const answer = isRefused ? { refusal: record.rejection } : { reply: record.reply!.data };
      this.sends(bucket, record, actor, origin.from!, origin.onReply, { from: actor, ...answer }, '');
    }
    return this.append(bucket, record);
  }

  private link(actor: string, record: PlainRecord, position: number, to: string, unlink: boolean): void {
    const before = this.held.get(`${actor} ${to}`) ?? 0;
    const bucket = bucketOf(actor, BITS);
    record['links'].push({ actor: to, unlink });
    const linkedNumber = unlink ? before : 0;
    if (unlink !== before > 0) {
      record['linkNotes'].push({ number: 0, linkedNumber });
      return;
    }
    const number = this.number(bucket, bucketOf(to, BITS));
    record['linkNotes'].push({ number, linkedNumber });
    this.held.set(`${actor} ${to}`, unlink ? 0 : number);
    const entry = record['links'].length - 1;
    this.queue(bucket, bucketOf(to, BITS)).push({
      kind: unlink ? 'unlink' : 'link', number, source: bucket, position, entry, from: actor, to, name: '', data: new Uint8Array(0), onReply: '', linkedNumber,
    });
  }

  private timer(actor: string, record: PlainRecord, position: number, name: string, armed: NonNullable<Outcome['timers']>[number] | null): void {
    const before = this.armed.get(`${actor} ${name}`);
    const replaces = before === undefined ? null : { position: before.position, index: before.index };
    const index = record['timers'].length;
    if (armed === null) {
      this.armed.delete(`${actor} ${name}`);
      record['timers'].push({ name, armed: null });
      record['timerNotes'].push({ replaces, dueMs: 0 });
      return;
    }
    const [, dueMs, command, everyMs = 0] = armed;
    this.armed.set(`${actor} ${name}`, { position, index, dueMs, command, everyMs });
    record['timers'].push({ name, armed: { dueMs, command, data: encode(actor, command, {}), everyMs } });
    record['timerNotes'].push({ replaces, dueMs });
  }

  private sends(bucket: number, record: PlainRecord, from: string, to: string, name: string, body: object | Uint8Array, onReply: string): void {
    const data = body instanceof Uint8Array ? body : encodeAnswer(body as { from: string });
    const number = this.number(bucket, bucketOf(to, BITS));
    record['sends'].push({ to, name, data, onReply });
    record['sendNumbers'].push(number);
    const position = this.logs[bucket]!.length + 1;
    const entry = record['sends'].length - 1;
    this.queue(bucket, bucketOf(to, BITS)).push({ kind: 'send', number, source: bucket, position, entry, from, to, name, data, onReply, linkedNumber: 0 });
  }

  private letter(actor: string, message: Message, kind: number): PlainRecord {
    const bucket = bucketOf(actor, BITS);
    const record = this.append(bucket, {
      kind, addressee: actor, principal: message.from, name: message.name, onReply: message.onReply, payload: { data: message.data }, cause: this.cause(message), failure: { code: 'X', message: 'x' },
    });
    this.letters.set(`${bucket} ${record['position']}`, message);
    return record;
  }

  private next(actor: string, from: string): Message {
    const message = this.queue(bucketOf(from, BITS), bucketOf(actor, BITS)).shift();
    if (message?.to !== actor || message.kind !== 'send') throw new Error(`the next message from ${from} is not one for ${actor}, but ${JSON.stringify(message)}`);
    return message;
  }

  private cause({ source, position, entry, number }: Message): object {
    return { incarnation: INCARNATION, bucketBits: BITS, bucketIndex: source, position, index: entry, number };
  }

  private number(source: number, destination: number): number {
    const key = `${source} ${destination}`;
    const number = (this.numbers.get(key) ?? 0) + 1;
    this.numbers.set(key, number);
    return number;
  }

  private queue(source: number, destination: number): Message[] {
    const key = `${source} ${destination}`;
    let queue = this.queues.get(key);
    if (queue === undefined) this.queues.set(key, (queue = []));
    return queue;
  }

  private append(bucket: number, fields: PlainRecord): PlainRecord {
    const log = this.logs[bucket]!;
    const record = { ...fields, bucketBits: BITS, bucketIndex: bucket, position: log.length + 1, epoch: 1, incarnation: INCARNATION, nowMs: this.nowMs };
    log.push(record);
    return record;
  }
}

export function isShop(actor: string): boolean {
  return actor.startsWith('shop.v1.');
}

/** Commands of other types than the shop's have their body's first value as their bytes. */
function encode(actor: string, name: string, body: object): Uint8Array {
  return isShop(actor) ? encodeCommand(typeOf(actor), name, body) : Buffer.from(String(Object.values(body)[0] ?? ''));
}

/** Fields from, reply and refusal of the message that takes a reply: those of shop.v1.TakeOffer, and of every other one. */
function encodeAnswer({ from, ...rest }: { from: string; reply?: Uint8Array; refusal?: { code?: string; message?: string } }): Uint8Array {
  const [name, refusal] = [Buffer.from(from), rest.refusal];
  const parts = [Buffer.from([0x0a, name.length]), name];
  if (rest.reply !== undefined) parts.push(Buffer.from([0x12, rest.reply.length]), Buffer.from(rest.reply));
  if (refusal !== undefined) {
    const [code, text] = [Buffer.from(refusal.code ?? ''), Buffer.from(refusal.message ?? '')];
    parts.push(Buffer.from([0x1a, code.length + text.length + 4, 0x0a, code.length]), code, Buffer.from([0x12, text.length]), text);
  }
  return Buffer.concat(parts);
}

/** Encoded, each with its head, as a journal gives them. */
export function storedLog(log: readonly PlainRecord[]): StoredRecord[] {
  const head = { ...ORIGIN };
  return log.map((record, i) => {
    const bytes = Buffer.from(recordType.encode(recordType.fromObject(record)).finish());
    chain(head, head, bytes);
    return { position: i + 1, head: { ...head }, bytes };
  });
}
