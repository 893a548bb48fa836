/**
 * What the host writes into records about messages: numbers of what is sent, notes of timers and links, the reply to a message, and the
 * records of messages for which no behaviour runs.
 */

import type { WireWriter } from '../../codec/wire.ts';
import { KIND_CURSOR, KIND_DROPPED, KIND_FAILED, KIND_LINKED, KIND_PARKED, MESSAGES_VERSION, RecordReader, writeFailure, writePlace } from '../../codec/record.ts';
import { linksOf, writeLinkNote, writeLinkTaken, writeSend } from '../../codec/record-messages.ts';
import { timersOf, writeTimerNote } from '../../codec/record-timers.ts';
import type { TimerRef } from '../../codec/record-timers.ts';
import type { ResultReader } from '../../sandbox/sandbox.ts';
import { ASK_LINKS, ASK_TIMERS, STATUS_REJECTED } from '../../sandbox/sandbox.ts';
import type { Activation } from '../activation.ts';
import type { Bucket } from '../bucket.ts';
import type { Job } from '../job.ts';
import type { CommitGroup } from '../output-gate.ts';
import { foldActor } from './actor-fold.ts';
import { firstDue } from '../timers/due.ts';
import { bucketOf, UNLINK } from './message.ts';
import type { IncomingMessage } from './incoming.ts';
import type { Origin, ReplyTo, Verdict } from './origin.ts';

/** Whether a decision takes part in what goes on between actors; most do not. */
export function isBetweenActors(job: Job, result: ResultReader): boolean {
  return job.origin !== null || result.sends !== null || result.asks !== 0;
}

/** A record that parks a message was encoded. */
export type ParkedListener = (bucket: Bucket, actor: string, position: number, group: CommitGroup) => void;

export class MessageRecords {
  onParked: ParkedListener | null = null;
  private readonly reader = new RecordReader();
  private readonly numbers: number[] = [];
  /** Called when a record with a broadcast to somebody is durable. */
  onBroadcast: (bucket: Bucket) => void = () => {};

  /** The host's fields of a decision, in front of the sandbox's. */
  writeNotes(wire: WireWriter, job: Job, result: ResultReader): void {
    const activation = job.activation!;
    const { bucket } = activation;
    wire.uint(2, MESSAGES_VERSION);
    if (result.asks !== 0) this.writeAsks(wire, result, activation, bucket, job.nowMs);
    const { numbers } = this;
    const { channels } = bucket;
    numbers.length = 0;
    const { sends } = result;
    if (sends !== null) for (let i = 0; i < sends.length; i += 2) numbers.push(channels.next(channels.addressees.at(result.buffer, sends[i]!, sends[i + 1]!).bucket));
    const reply = job.origin?.reply ?? null;
    if (reply !== null) numbers.push(bucket.channels.next(reply.destination));
    writeNumbers(wire, numbers);
  }

  /** The reply to a message, behind the sandbox's fields: one more send of the same record. */
  writeReply(wire: WireWriter, job: Job, result: ResultReader): void {
    const reply = job.origin?.reply ?? null;
    if (reply === null) return;
    const { address } = job.activation!;
    if (result.status === STATUS_REJECTED) writeRefusal(wire, reply, address, result.error?.code ?? '', result.error?.message ?? '');
    else writeAnswer(wire, reply, address, result.buffer, result.bodyFrom, result.bodyTo);
  }

  /** What a message that has failed for good leaves beside its failure. */
  writeFailed(wire: WireWriter, job: Job): void {
    const origin = job.origin!;
    wire.uint(2, MESSAGES_VERSION);
    origin.write(wire);
    wire.string(29, origin.reply?.command ?? '');
    const { body, bodyFrom, bodyTo } = job.command!;
    writePayload(wire, body, bodyFrom, bodyTo);
  }

  /** To be called with the record written and not yet closed: takes it into the folds, and what it sends into the group. */
  taken(bucket: Bucket, activation: Activation | null, group: CommitGroup): void {
    const record = group.records.readOpen(this.reader);
    if (activation !== null) foldActor(activation, record);
    const broadcasts = bucket.linked.begun;
    const sent = bucket.foldMessages(record);
    if (bucket.linked.begun > broadcasts) group.released.push(() => this.onBroadcast(bucket));
    if (sent.length > 0) group.sent.push({ bucket, position: record.position, messages: sent });
  }

  /** The record of a message for which no behaviour runs. */
  note(job: Job, verdict: Verdict, group: CommitGroup): void {
    const origin = job.origin!;
    const { bucket } = origin;
    // It has kept its place among the decisions, and its time with it.
    bucket.recordedMs = Math.max(bucket.recordedMs, job.nowMs);
    const wire = this.begin(bucket, kindOf(verdict), group);
    origin.write(wire);
    if (verdict.kind === 'cursor') verdict.write(wire);
    else if (verdict.kind === 'dropped') this.writeDropped(wire, job, origin);
    else if (verdict.kind === 'linked') {
      const { message } = origin as IncomingMessage;
      const { from: actor, to, kind, linkedNumber } = message;
      wire.string(13, actor);
      writeLinkTaken(wire, { target: to.text, actor, unlink: kind === UNLINK, linkedNumber });
    } else this.writeUnhandled(wire, job, origin, verdict);
    const position = this.finish(bucket, origin, group);
    if (verdict.kind === 'parked') this.onParked?.(bucket, job.command!.to.text, position, group);
  }

  /** Whoever waits for the reply is told, by the record that drops the message. */
  private writeDropped(wire: WireWriter, job: Job, { bucket, reply }: Origin): void {
    const { principal, name, to } = job.command!;
    wire.string(13, principal);
    wire.string(14, name);
    if (reply !== null) writeNumbers(wire, [bucket.channels.next(reply.destination)]);
    wire.string(30, to.text);
    if (reply !== null) writeRefusal(wire, reply, to.text, 'MESSAGE_DROPPED', `${name} was dropped by an operator`);
  }

  private writeUnhandled(wire: WireWriter, job: Job, origin: Origin, { code, message }: Extract<Verdict, { code: string }>): void {
    const command = job.command!;
    wire.string(13, command.principal);
    wire.string(14, command.name);
    wire.string(29, origin.reply?.command ?? '');
    wire.string(30, command.to.text);
    if (job.version !== null) wire.raw(job.version.provenance);
    writePayload(wire, command.body, command.bodyFrom, command.bodyTo);
    writeFailure(wire, code, message);
  }

  /** Opens a record of the bucket itself. */
  begin(bucket: Bucket, kind: number, group: CommitGroup): WireWriter {
    const wire = group.records.begin();
    wire.uint(1, kind);
    wire.uint(2, MESSAGES_VERSION);
    wire.uint(6, bucket.id.bits);
    wire.uint(7, bucket.id.index);
    writePlace(wire, bucket.position + 1, bucket.epoch, bucket.incarnation);
    // Not the time of now: decisions that are in the sandbox come behind it, and have theirs already.
    wire.uint(17, bucket.recordedMs);
    return wire;
  }

  /** Closes it. */
  finish(bucket: Bucket, origin: Origin | null, group: CommitGroup): number {
    this.taken(bucket, null, group);
    const position = group.records.end(bucket, 0, 0);
    origin?.recorded(position, group);
    return position;
  }

  private writeAsks(wire: WireWriter, result: ResultReader, activation: Activation, bucket: Bucket, nowMs: number): void {
    const tail = this.reader.over(result.buffer, result.tailFrom, result.tailTo);
    const position = bucket.position + 1;
    if ((result.asks & ASK_TIMERS) !== 0) {
      // What this very record has changed already.
      const changed = new Map<string, TimerRef | null>();
      for (const [index, { name, armed }] of timersOf(tail).entries()) {
        const before = changed.get(name);
        const replaces = before === undefined ? (activation.armed?.get(name) ?? null) : before;
        writeTimerNote(wire, { replaces, dueMs: armed === null ? 0 : firstDue(armed, nowMs) });
        changed.set(name, armed === null ? null : { position, index });
      }
    }
    if ((result.asks & ASK_LINKS) === 0) return;
    // What changes here, 0 for an unlink, over what is so far: an actor may have many links.
    const changed = new Map<string, number>();
    for (const { actor, unlink } of linksOf(tail)) {
      const linkedNumber = changed.get(actor) ?? activation.linked?.get(actor) ?? 0;
      // Linked twice is linked; not linked need not be ended.
      const number = unlink === linkedNumber > 0 ? bucket.channels.next(bucketOf(actor, bucket.id.bits)) : 0;
      writeLinkNote(wire, { number, linkedNumber: unlink ? linkedNumber : 0 });
      if (number > 0) changed.set(actor, unlink ? 0 : number);
    }
  }
}

const KINDS = { linked: KIND_LINKED, cursor: KIND_CURSOR, parked: KIND_PARKED, failed: KIND_FAILED, dropped: KIND_DROPPED } as const satisfies Record<Verdict['kind'], number>;

function kindOf(verdict: Verdict): number {
  return KINDS[verdict.kind];
}

export function writeNumbers(wire: WireWriter, numbers: readonly number[]): void {
  if (numbers.length === 0) return;
  const start = wire.begin(24);
  for (const number of numbers) wire.varint(number);
  wire.end(start);
}

function writePayload(wire: WireWriter, body: Buffer, from: number, to: number): void {
  const start = wire.begin(32);
  if (to > from) wire.bytes(1, body, from, to);
  wire.end(start);
}

/** A message with the fields from, reply, refusal (docs/BEHAVIORS.md). */
function writeAnswer(wire: WireWriter, { actor, command }: ReplyTo, from: string, buffer: Buffer, replyFrom: number, replyTo: number): void {
  writeSend(wire, actor, command, '', (out) => {
    out.string(1, from);
    if (replyFrom < 0) out.bytes(2, NO_BYTES);
    else out.bytes(2, buffer, replyFrom, replyTo);
  });
}

export function writeRefusal(wire: WireWriter, { actor, command }: ReplyTo, from: string, code: string, message: string): void {
  writeSend(wire, actor, command, '', (out) => {
    out.string(1, from);
    const refusal = out.begin(3);
    out.string(1, code);
    out.string(2, message);
    out.end(refusal);
  });
}

const NO_BYTES = Buffer.alloc(0);
