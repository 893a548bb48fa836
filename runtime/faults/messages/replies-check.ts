/**
 * Replies to messages.
 *
 *  C3  A record that accepts or refuses a message whose sender wants the reply sends it, once, behind whatever else it sends: to the sender,
 *      under the command that the sender named, with the answering actor and either the record's reply or its refusal. A refusal sends
 *      nothing else; what has no effect yet sends nothing.
 */

import protobuf from 'protobufjs';

import { DECISION, DROPPED, FAILED, LINKED, PARKED, REJECTION, placeOf, subjectOf } from './log-record.ts';
import type { Complain, LogRecord, SendEntry } from './log-record.ts';

/** docs/BEHAVIORS.md; with presence, since an empty reply is one. */
const { root } = protobuf.parse(`
  syntax = "proto2";
  message Refusal { optional string code = 1; optional string message = 2; }
  message Answer { optional string from = 1; optional bytes reply = 2; optional Refusal refusal = 3; }
`);
const answerType = root.lookupType('Answer');

interface Answer {
  readonly from?: string;
  readonly reply?: Buffer;
  readonly refusal?: { readonly code?: string; readonly message?: string };
}

export class RepliesCheck {
  replies = 0;
  private readonly complain: Complain;

  constructor(complain: Complain) {
    this.complain = complain;
  }

  /** What is wrong with a record by itself. */
  record(record: LogRecord): void {
    const { kind, sends, events, timers, links, broadcasts } = record;
    const isWithoutEffect = kind === REJECTION || kind === FAILED || kind === PARKED || kind === LINKED || kind === DROPPED;
    if (isWithoutEffect && events.length + timers.length + links.length + broadcasts.length > 0) this.wrong(record, 'has effects, and is no decision');
    if ((kind === FAILED || kind === PARKED || kind === LINKED) && sends.length > 0) this.wrong(record, 'sends, and has taken no decision');
    if ((kind === REJECTION || kind === DROPPED) && sends.length > 1) this.wrong(record, 'refuses, and sends more than that');
    if (kind === REJECTION && sends.length > 0 && record.resumes === 0 && (record.cause?.number ?? 0) === 0) this.wrong(record, 'answers, and took in no message');
    if (sends.some(({ name, to }) => name === '' || to === '')) this.wrong(record, 'sends to nobody, or nothing');
  }

  /** A record that decides about a message from `to`, who takes the reply by `command`. */
  answers(record: LogRecord, to: string, command: string): void {
    if (record.kind !== DECISION && record.kind !== REJECTION && record.kind !== DROPPED) return;
    const reply = record.sends.at(-1);
    if (command === '') {
      if (record.kind !== DECISION && reply !== undefined) this.wrong(record, `answers ${to}, who wants no reply`);
      return;
    }
    this.replies++;
    if (reply === undefined || reply.to !== to || reply.name !== command) {
      this.wrong(record, `does not answer ${to} by ${command}`);
      return;
    }
    if (reply.onReply !== '') this.wrong(record, 'wants a reply to its reply');
    if (record.sends.slice(0, -1).some((other) => isSame(other, reply))) this.wrong(record, `answers ${to} twice`);
    const wrong = difference(record, answerType.toObject(answerType.decode(reply.data), { bytes: Buffer }) as Answer);
    if (wrong !== null) this.wrong(record, `answers ${to} with another ${wrong} than it has recorded`);
  }

  private wrong(record: LogRecord, text: string): void {
    this.complain('C3', `${placeOf(record)} of ${subjectOf(record)} ${text}`);
  }
}

function isSame(a: SendEntry, b: SendEntry): boolean {
  return a.to === b.to && a.name === b.name && a.data.equals(b.data);
}

function difference(record: LogRecord, { from, reply, refusal }: Answer): string | null {
  if (from !== subjectOf(record)) return 'sender';
  if (record.kind === DECISION) {
    if (reply === undefined || refusal !== undefined) return 'outcome';
    return reply.equals(record.reply?.data ?? Buffer.alloc(0)) ? null : 'reply';
  }
  if (refusal === undefined || reply !== undefined) return 'outcome';
  if (record.kind === DROPPED) return refusal.code ? null : 'refusal';
  const { code, message } = record.rejection ?? { code: '', message: '' };
  return (refusal.code ?? '') === code && (refusal.message ?? '') === message ? null : 'refusal';
}
