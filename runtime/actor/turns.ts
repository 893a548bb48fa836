/**
 * Turns: what a result of the sandbox means for the actor, its bucket's log, and the answer. Pure but for the objects it is
 * given; the turn loop calls it for every result, in the order of the batch.
 */

import { chain } from '../codec/chain.ts';
import type { ErrorCode } from '../codec/errors.ts';
import { isErrorCode } from '../codec/errors.ts';
import {
  KIND_CONTROL,
  KIND_DECISION,
  KIND_FAILED,
  KIND_MIGRATE,
  KIND_QUARANTINED,
  KIND_REJECTION,
  writeActorFields,
  writeCircumstances,
  writeFailure,
  writeMigration,
  writeOrigin,
  writePlace,
  writeQuarantine,
  writeStrike,
} from '../codec/record.ts';
import type { WireWriter } from '../codec/wire.ts';
import { WireReader } from '../codec/wire.ts';
import type { ResultReader } from '../sandbox/sandbox.ts';
import { STATUS_FAILED, STATUS_REJECTED } from '../sandbox/sandbox.ts';
import type { Activation } from './activation.ts';
import type { Bucket } from './bucket.ts';
import type { TypeVersion } from './bundles.ts';
import type { AnswerError } from './engine.ts';
import type { Job } from './job.ts';
import { isBetweenActors, MessageRecords } from './messages/message-records.ts';
import type { CommitGroup } from './output-gate.ts';

const ZERO = { hi: 0, lo: 0 };
const FIELD_PAYLOAD = 32;

export class Turns {
  private readonly namespace: string;
  private readonly reader = new WireReader();
  readonly messages = new MessageRecords();
  private readonly digest = { hi: 0, lo: 0 };
  /** Where the normalised payload of the last decision stands in the result's bytes. */
  payloadFrom = 0;
  payloadTo = 0;

  constructor(namespace: string) {
    this.namespace = namespace;
  }

  /** A command was decided, refused, or failed inside the sandbox. */
  command(job: Job, version: TypeVersion, result: ResultReader, group: CommitGroup): void {
    const activation = job.activation!;
    if (job.origin !== null) {
      this.message(job, version, result, group);
      return;
    }
    group.jobs.push(job);
    if (result.status === STATUS_FAILED) {
      job.error = activation.loadError === null ? itemError(result) : loadErrorOf(activation);
      if (job.keySlot >= 0) activation.keys.remove(job.keySlot);
      // The script may have failed because of what it saw: the answer waits for that to be durable (G3).
      group.reads.add(activation.bucket);
      return;
    }
    this.migration(activation, version, result, job.nowMs, group);
    const rejected = result.status === STATUS_REJECTED;
    this.decision(job, version, result, rejected, group);
    if (rejected) {
      job.error = { code: 'REJECTED', reason: result.error?.code ?? '', message: result.error?.message ?? '' };
      return;
    }
    const { arena } = group;
    job.bodyFrom = arena.length;
    if (result.bodyFrom >= 0) arena.raw(result.buffer, result.bodyFrom, result.bodyTo);
    job.bodyTo = arena.length;
  }

  /** As `command`, for what no client has sent: nobody is answered, and whatever comes of it is in the log. */
  private message(job: Job, version: TypeVersion, result: ResultReader, group: CommitGroup): void {
    const activation = job.activation!;
    if (result.status === STATUS_FAILED) {
      if (activation.loadError !== null) this.park(job, group);
      else this.messages.note(job, { kind: 'failed', ...itemError(result) }, group);
      return;
    }
    this.migration(activation, version, result, job.nowMs, group);
    this.decision(job, version, result, result.status === STATUS_REJECTED, group);
  }

  /** The history of a message's actor cannot be folded. What is parked already stays so. */
  park(job: Job, group: CommitGroup): void {
    const { code, message } = loadErrorOf(job.activation!);
    if (job.origin!.isParked) job.origin!.refused(job, code, message);
    else this.messages.note(job, { kind: 'parked', code, message }, group);
  }

  /**
   * A state was read. Under a newer behaviour the sandbox carries it over for the answer only: what it holds stays as the log
   * has it, or the migration would be in a snapshot and in no record, and the log alone could not be folded again.
   */
  get(job: Job, result: ResultReader, group: CommitGroup): void {
    const activation = job.activation!;
    group.jobs.push(job);
    group.reads.add(activation.bucket);
    if (result.status === STATUS_FAILED) {
      job.error = activation.loadError === null ? itemError(result) : loadErrorOf(activation);
      return;
    }
    job.seq = activation.seq;
    const { arena } = group;
    job.bodyFrom = arena.length;
    if (result.bodyFrom >= 0) arena.raw(result.buffer, result.bodyFrom, result.bodyTo);
    job.bodyTo = arena.length;
  }

  /** The command's last strike: recorded as failed, answered like this for ever. */
  failed(job: Job, version: TypeVersion, code: ErrorCode, group: CommitGroup): void {
    const activation = job.activation!;
    const { command } = job;
    const wire = this.begin(KIND_FAILED, activation, group);
    wire.uint(11, activation.seq + 1);
    writeOrigin(wire, command!.key, command!.principal, command!.name, command!.session);
    writeCircumstances(wire, job.nowMs, 0, 0);
    wire.raw(version.provenance);
    wire.uint(23, activation.lastPosition);
    if (job.origin !== null) this.messages.writeFailed(wire, job);
    writeFailure(wire, 'BEHAVIOR_FAILED', `the sandbox ended on every try: ${code}`);
    if (job.origin !== null) this.messages.taken(activation.bucket, activation, group);
    const position = this.finish(activation, group, job.nowMs);
    if (job.keySlot >= 0) activation.keys.record(job.keySlot, position);
    activation.strikes++;
    activation.bucket.strikeType(version.key);
    if (job.origin !== null) {
      job.origin.recorded(position, group);
      return;
    }
    job.seq = activation.seq;
    job.error = { code: 'BEHAVIOR_FAILED', message: `the sandbox ended on every try: ${code}` };
    group.jobs.push(job);
  }

  /** A command ended the sandbox and may be tried once more. In the actor's history, so that a restart knows. */
  strike(activation: Activation, version: TypeVersion, code: ErrorCode, nowMs: number, group: CommitGroup): void {
    const wire = this.begin(KIND_CONTROL, activation, group);
    wire.uint(11, activation.seq + 1);
    writeCircumstances(wire, nowMs, 0, 0);
    wire.uint(23, activation.lastPosition);
    writeStrike(wire, activation.address, activation.type, version.bundle.hashBytes, code);
    this.finish(activation, group, nowMs);
    activation.strikes++;
    if (countsForType(code)) activation.bucket.strikeType(version.key);
  }

  /** The actor is taken out of service under this bundle. */
  quarantineActor(activation: Activation, version: TypeVersion, reason: string, nowMs: number, group: CommitGroup): void {
    const wire = this.begin(KIND_QUARANTINED, activation, group);
    wire.uint(11, activation.seq + 1);
    writeCircumstances(wire, nowMs, 0, 0);
    wire.uint(23, activation.lastPosition);
    writeQuarantine(wire, activation.address, '', version.bundle.hashBytes, false, reason);
    this.finish(activation, group, nowMs);
    activation.quarantined = { reason, bundle: version.bundle.hash };
  }

  /** A record of the bucket itself; `fill` writes the fields behind the place. */
  control(bucket: Bucket, kind: number, nowMs: number, group: CommitGroup, fill: (wire: WireWriter) => void): void {
    const wire = group.records.begin();
    wire.uint(1, kind);
    wire.uint(6, bucket.id.bits);
    wire.uint(7, bucket.id.index);
    writePlace(wire, bucket.position + 1, bucket.epoch, bucket.incarnation);
    wire.uint(17, nowMs);
    fill(wire);
    group.records.end(bucket, 0, 0);
    if (nowMs > bucket.nowMs) bucket.nowMs = nowMs;
    if (nowMs > bucket.recordedMs) bucket.recordedMs = nowMs;
  }

  private decision(job: Job, version: TypeVersion, result: ResultReader, rejected: boolean, group: CommitGroup): void {
    const activation = job.activation!;
    const command = job.command!;
    const { buffer, tailFrom, tailTo } = result;
    const wire = this.begin(rejected ? KIND_REJECTION : KIND_DECISION, activation, group, command.to.text);
    wire.uint(11, activation.seq + 1);
    writeOrigin(wire, command.key, command.principal, command.name, command.session);
    writeCircumstances(wire, job.nowMs, job.seedHi, job.seedLo);
    wire.raw(version.provenance);
    this.digestPayload(buffer, tailFrom, tailTo);
    wire.fixed64(22, this.digest.hi, this.digest.lo);
    wire.uint(23, activation.lastPosition);
    if (!isBetweenActors(job, result)) {
      if (tailFrom >= 0) wire.raw(buffer, tailFrom, tailTo);
    } else this.betweenActors(wire, job, result, group);
    const position = this.finish(activation, group, job.nowMs);
    activation.seq += result.events;
    activation.strikes = 0;
    if (job.keySlot >= 0) activation.keys.record(job.keySlot, position);
    job.seq = activation.seq;
    if (job.origin === null) return;
    job.origin.recorded(position, group);
  }

  private betweenActors(wire: WireWriter, job: Job, result: ResultReader, group: CommitGroup): void {
    const { buffer, tailFrom, tailTo } = result;
    const activation = job.activation!;
    job.origin?.write(wire);
    this.messages.writeNotes(wire, job, result);
    if (tailFrom >= 0) wire.raw(buffer, tailFrom, tailTo);
    this.messages.writeReply(wire, job, result);
    this.messages.taken(activation.bucket, activation, group);
  }

  /** The sandbox carried the state to another fold before this item ran: that is history too. */
  private migration(activation: Activation, version: TypeVersion, result: ResultReader, nowMs: number, group: CommitGroup): void {
    const from = activation.stateBundle;
    activation.stateBundle = version.bundle;
    if (result.migratedFrom < 0) return;
    const wire = this.begin(KIND_MIGRATE, activation, group);
    wire.uint(11, activation.seq + 1);
    writeCircumstances(wire, nowMs, 0, 0);
    wire.raw(version.provenance);
    wire.uint(23, activation.lastPosition);
    writeMigration(
      wire,
      result.buffer.subarray(result.migratedFrom, result.migratedTo),
      from === null ? Buffer.alloc(0) : from.hashBytes,
    );
    this.finish(activation, group, nowMs);
  }

  /** `address` is the activation's, from wherever it is at hand. */
  private begin(kind: number, activation: Activation, group: CommitGroup, address = activation.address): WireWriter {
    const wire = group.records.begin();
    wire.uint(1, kind);
    const { bucket } = activation;
    writeActorFields(wire, this.namespace, address, activation.shardHi, activation.shardLo, bucket.id.bits, bucket.id.index);
    writePlace(wire, bucket.position + 1, bucket.epoch, bucket.incarnation);
    return wire;
  }

  private finish(activation: Activation, group: CommitGroup, nowMs: number): number {
    const { bucket } = activation;
    bucket.recordedMs = nowMs;
    if (activation.watchers !== null) group.watched.push({ activation, position: bucket.position + 1, before: activation.lastPosition, bytes: group.records.copyOpen() });
    const position = group.records.end(bucket, activation.hashHi, activation.hashLo);
    activation.headMovedTo(position, bucket.head);
    activation.recordsSinceSnapshot++;
    return position;
  }

  /** The payload is the tail's first field: `Body { data }`; an empty one is left out. */
  private digestPayload(buffer: Buffer, from: number, to: number): void {
    const { reader } = this;
    this.payloadFrom = this.payloadTo = 0;
    if (from >= 0) {
      reader.over(buffer, from, to);
      if (reader.next() && reader.field === FIELD_PAYLOAD) {
        reader.span();
        reader.over(buffer, reader.from, reader.to);
        if (reader.next() && (reader.field as number) === 1) {
          reader.span();
          this.payloadFrom = reader.from;
          this.payloadTo = reader.to;
        }
      }
    }
    chain(this.digest, ZERO, buffer, this.payloadFrom, this.payloadTo);
  }
}

/**
 * A death that may have come from outside counts against its command, and against the type only when the command has failed
 * for good: or a node whose sandboxes are killed by its machine would put types out of service that did nothing.
 */
export function countsForType(code: string): boolean {
  return code !== 'SANDBOX_LOST';
}

export function itemError(result: ResultReader): AnswerError {
  const error = result.error;
  if (error === null) return { code: 'INTERNAL', message: 'the sandbox failed without saying why' };
  const message = error.location === '' ? error.message : `${error.message} (${error.location})`;
  return { code: isErrorCode(error.code) ? error.code : 'BEHAVIOR_ERROR', message };
}

export function loadErrorOf(activation: Activation): AnswerError {
  const { code, message } = activation.loadError!;
  return { code: isErrorCode(code) ? code : 'INTERNAL', message };
}
