/**
 * Admission: the last checks before a job enters a batch. Here a command meets the type in service, the quarantines, the key
 * window and its own past.
 */

import type { Journal } from '../journal/journal.ts';
import { limits } from '../limits.ts';
import type { Activation } from './activation.ts';
import { GONE } from './activation.ts';
import { answerErrorOf } from './answer-error.ts';
import type { Bundles, TypeVersion } from './bundles.ts';
import type { Duplicates } from './duplicates.ts';
import type { AnswerError, CommandRequest } from './engine.ts';
import type { Job } from './job.ts';
import { JOB_ACTIVATE, JOB_CALL, JOB_COMMAND, JOB_GET, JOB_NOTE, JOB_SNAPSHOT } from './job.ts';
import { hashScope } from './keys.ts';
import type { LogPlaces } from './log-places.ts';
import type { Verdict } from './messages/origin.ts';
import type { CommitGroup } from './output-gate.ts';
import type { Routing } from './routing.ts';
import type { Clock } from './seams.ts';
import { TriedCommands } from './tried-commands.ts';
import { unknownCommand, unknownType } from './unknown-names.ts';

export interface AdmissionParts {
  readonly bundles: Bundles;
  readonly routing: Routing;
  readonly duplicates: Duplicates;
  readonly clock: Clock;
  readonly journal: Pick<Journal, 'readActorRecords'>;
  readonly places: Pick<LogPlaces, 'at'>;
  /** Queues a job for admission again. */
  readonly again: (job: Job) => void;
  /** Takes jobs out of the queue for admission. */
  readonly takeOut: (which: (job: Job) => boolean) => Job[];
}

export class Admission {
  private readonly parts: AdmissionParts;
  readonly tried: TriedCommands;
  /** Of the key that was looked for last. */
  private keyHash = 0;
  duplicatesAnswered = 0;

  constructor(parts: AdmissionParts) {
    this.parts = parts;
    this.tried = new TriedCommands({ ...parts, answerFrom: (job, activation, position) => void this.answerDuplicate(job, activation, position) });
  }

  /** See TurnHost.admit. */
  admit(job: Job, group: CommitGroup): boolean {
    switch (job.kind) {
      case JOB_COMMAND:
      case JOB_GET:
        return job.origin === null ? this.admitRequest(job, group) : this.admitMessage(job);
      case JOB_NOTE:
        return this.isInTurn(job);
      case JOB_ACTIVATE:
        return job.activation!.phase !== GONE;
      case JOB_SNAPSHOT:
        return this.admitSnapshot(job.activation!);
      case JOB_CALL:
        if (job.deaths < limits.suspicionMax) return true;
        job.took!(null);
        return false;
      default:
        return true;
    }
  }

  private admitSnapshot(activation: Activation): boolean {
    if (activation.phase !== GONE && activation.stateBundle !== null && activation.recordsSinceSnapshot > 0) return true;
    activation.snapshotOnItsWay = false;
    return false;
  }

  /** A message keeps its place whatever is to become of it: what is decided about it here is recorded when its turn has come. */
  private admitMessage(job: Job): boolean {
    const activation = job.activation!;
    if (activation.phase === GONE) return this.turnAway(job);
    if (!this.isInTurn(job)) return false;
    const version = this.parts.bundles.served.get(activation.type);
    job.version = version ?? null;
    const verdict = (job.verdict = verdictOn(job, activation, version));
    return verdict?.kind !== 'parked' || !job.origin!.isParked || this.leaveParked(job, verdict);
  }

  /** What is parked stays so, and nothing is written. */
  private leaveParked(job: Job, { code, message }: { readonly code: string; readonly message: string }): false {
    this.parts.routing.leave(job);
    job.origin!.refused(job, code, message);
    return false;
  }

  private isInTurn(job: Job): boolean {
    const origin = job.origin!;
    return (!origin.bucket.isHeld && origin.isNext(job)) || this.turnAway(job);
  }

  private turnAway(job: Job): false {
    this.parts.routing.leave(job);
    job.origin!.lost(job);
    return false;
  }

  private admitRequest(job: Job, group: CommitGroup): boolean {
    const activation = job.activation!;
    if (activation.phase === GONE) {
      this.parts.routing.reroute(job);
      return false;
    }
    const { bucket } = activation;
    if (bucket.isHeld) {
      bucket.held.push(job);
      return false;
    }
    const { command } = job;
    if (activation.search !== null) {
      this.tried.waitBehind(job, activation.search, command !== null && activation.keys.find(hashScope(command.principal, command.key)) < 0, activation);
      return false;
    }
    const version = this.parts.bundles.served.get(activation.type);
    if (version === undefined) return refuse(job, group, unknownType(activation.type, this.parts.bundles.served.keys()));
    job.version = version;
    // What was answered once is answered like that for ever, whatever became of the actor, its type or the command's name.
    if (command !== null && command.key !== '' && this.seenBefore(job, command, activation, group)) return false;
    const quarantine = quarantineOf(activation, version);
    if (quarantine !== null) return refuse(job, group, quarantine);
    return command === null || this.admitCommand(job, command, activation, version, group);
  }

  private admitCommand(job: Job, command: CommandRequest, activation: Activation, version: TypeVersion, group: CommitGroup): boolean {
    const index = version.commandIndexes.get(command.name);
    if (index === undefined) return refuse(job, group, unknownCommand(activation.type, command.name, version.commands));
    job.commandIndex = index;
    if (command.key !== '') job.keySlot = activation.keys.enter(this.keyHash);
    return true;
  }

  /** True when the key was seen before, or may have been: the job then waits for, or is answered from, the first one. Leaves the key's hash in `keyHash`. */
  private seenBefore(job: Job, command: CommandRequest, activation: Activation, group: CommitGroup): boolean {
    const { keys } = activation;
    this.keyHash = hashScope(command.principal, command.key);
    const slot = keys.find(this.keyHash, job.otherKeys);
    if (slot < 0) return this.tried.mustWait(job, command, activation, group);
    const position = keys.position(slot);
    if (position === 0) {
      job.keySlot = slot;
      (activation.joiners ??= []).push(job);
    } else this.answerLater(job, activation, position, group);
    return true;
  }

  /**
   * A keyed command has ended. Who waited for it is answered from its record at once, before later keys can push it out of the
   * window, or, when there is none, tries in its place.
   */
  ended(first: Job, recorded: boolean, group: CommitGroup): void {
    const activation = first.activation!;
    const { joiners, keys } = activation;
    if (joiners === null || first.keySlot < 0) return;
    const others = joiners.filter((job) => job.keySlot !== first.keySlot);
    activation.joiners = others.length === 0 ? null : others;
    for (const job of joiners) {
      if (job.keySlot !== first.keySlot) continue;
      if (recorded) this.answerLater(job, activation, keys.position(first.keySlot), group);
      else this.parts.again(job);
    }
  }

  /** Groups leave in order, so when this one does, the record of the first answer is durable. */
  private answerLater(job: Job, activation: Activation, position: number, group: CommitGroup): void {
    group.released.push((durable) => {
      if (!durable || activation.phase === GONE || activation.bucket.stopped) this.parts.routing.reroute(job);
      else void this.answerDuplicate(job, activation, position);
    });
  }

  private async answerDuplicate(job: Job, activation: Activation, position: number): Promise<void> {
    const { routing, duplicates } = this.parts;
    let body: Buffer = Buffer.alloc(0);
    try {
      const nowMs = Math.max(this.parts.clock.now(), activation.bucket.nowMs);
      const outcome = await duplicates.answer(job, activation, position, nowMs);
      if (outcome.kind === 'other') {
        job.addOtherKey(position);
        routing.reroute(job);
        return;
      }
      if (outcome.kind === 'failed') job.error = outcome.error;
      else {
        job.seq = outcome.seq;
        body = outcome.body;
      }
    } catch (error) {
      job.error = answerErrorOf(error);
    }
    this.duplicatesAnswered++;
    job.bodyFrom = 0;
    job.bodyTo = body.length;
    routing.answer(job, body);
  }
}

function quarantineOf(activation: Activation, version: TypeVersion): AnswerError | null {
  const { quarantined, bucket } = activation;
  if (quarantined !== null && quarantined.bundle === version.bundle.hash) {
    return { code: 'QUARANTINED', message: `${activation.address} is quarantined: ${quarantined.reason}` };
  }
  if (bucket.typeQuarantines.size === 0) return null;
  const reason = bucket.typeQuarantines.get(version.key);
  return reason === undefined ? null : { code: 'QUARANTINED', message: `${activation.type} is quarantined: ${reason}` };
}

/** What is to become of a message; null when its actor decides. */
function verdictOn(job: Job, activation: Activation, version: TypeVersion | undefined): Verdict | null {
  const origin = job.origin!;
  if (version === undefined) return { kind: 'parked', ...unknownType(activation.type) };
  if (!origin.isParked && activation.bucket.letters.isParked(activation.address)) {
    return { kind: 'parked', code: 'PARKED', message: 'an earlier message of this actor is parked' };
  }
  const quarantine = quarantineOf(activation, version);
  if (quarantine !== null) return { kind: 'parked', ...quarantine };
  if (origin.isOver?.(job) === true) return { kind: 'dropped' };
  const index = version.commandIndexes.get(job.command!.name);
  if (index === undefined) return { kind: 'failed', ...unknownCommand(activation.type, job.command!.name) };
  job.commandIndex = index;
  return null;
}

/** Answers with the group; the error may depend on what is not durable yet. */
function refuse(job: Job, group: CommitGroup, error: AnswerError): false {
  job.error = error;
  group.jobs.push(job);
  return false;
}
