/** What came back from the sandbox, item by item: each result goes to who turns it into records, answers and folds. */

import assert from 'node:assert/strict';

import { limits } from '../limits.ts';
import type { ResultReader, SandboxPool } from '../sandbox/sandbox.ts';
import { STATUS_FAILED, STATUS_SKIPPED } from '../sandbox/sandbox.ts';
import type { Activation } from './activation.ts';
import { GONE } from './activation.ts';
import type { Admission } from './admission.ts';
import type { Catalog } from './catalog.ts';
import { JOB_ACTIVATE, JOB_CALL, JOB_COMMAND, JOB_GET, JOB_SNAPSHOT } from './job.ts';
import type { Job } from './job.ts';
import type { CommitGroup } from './output-gate.ts';
import type { Passivation } from './passivation.ts';
import type { Routing } from './routing.ts';
import type { Log } from './seams.ts';
import { encodeSnapshot } from './snapshots.ts';
import type { Strikes } from './strikes.ts';
import { loadErrorOf } from './turns.ts';
import type { Turns } from './turns.ts';

export interface TurnResultsParts {
  readonly pool: SandboxPool;
  readonly routing: Routing;
  readonly admission: Admission;
  readonly turns: Turns;
  readonly strikes: Strikes;
  readonly catalog: Catalog;
  readonly passivation: Passivation;
  readonly log: Log;
}

const NO_BYTES = Buffer.alloc(0);

export class TurnResults {
  private readonly parts: TurnResultsParts;

  constructor(parts: TurnResultsParts) {
    this.parts = parts;
  }

  took(job: Job, result: ResultReader, group: CommitGroup): void {
    if (job.kind === JOB_CALL) {
      job.took!(result);
      return;
    }
    const { activation } = job;
    if (job.origin !== null) {
      this.tookMessage(job, result, group);
      return;
    }
    if (activation === null) return;
    const request = job.kind === JOB_COMMAND || job.kind === JOB_GET;
    if (request && activation.bucket.stopped) {
      // What it saw may not exist, and nothing may follow an append that failed: it runs again on the log as it stands (E3).
      activation.bucket.held.push(job);
      return;
    }
    if (activation.phase === GONE && activation.loadError === null) {
      if (request) this.parts.routing.reroute(job);
      return;
    }
    if (request && job.deaths >= limits.suspicionMax) {
      this.tookCulprit(job, activation, group);
      return;
    }
    switch (job.kind) {
      case JOB_COMMAND:
        this.tookCommand(job, activation, result, group);
        return;
      case JOB_GET:
        this.parts.turns.get(job, result, group);
        return;
      case JOB_ACTIVATE:
        this.tookActivate(activation, result);
        return;
      case JOB_SNAPSHOT:
        this.tookSnapshot(job, activation, result, group);
    }
  }

  /** A message, a timer, or a message that is taken up again. */
  private tookMessage(job: Job, result: ResultReader, group: CommitGroup): void {
    const { activation, verdict } = job;
    const origin = job.origin!;
    this.parts.routing.leave(job);
    if (origin.bucket.stopped) {
      origin.lost(job);
      return;
    }
    if (verdict !== null || activation === null) {
      this.parts.turns.messages.note(job, verdict!, group);
      return;
    }
    // Nothing takes an actor out of memory while something of it is in the sandbox, but a history that cannot be folded.
    assert(activation.phase !== GONE || activation.loadError !== null);
    if (result.status === STATUS_SKIPPED) origin.lost(job);
    else if (job.deaths >= limits.suspicionMax) this.tookCulprit(job, activation, group);
    else this.tookCommand(job, activation, result, group);
  }

  private tookCommand(job: Job, activation: Activation, result: ResultReader, group: CommitGroup): void {
    this.parts.turns.command(job, job.version!, result, group);
    const failed = result.status === STATUS_FAILED;
    if (!failed) this.parts.catalog.resize(activation, result.stateBytes);
    if (job.sampled) this.sample(job, activation, result);
    this.parts.passivation.recorded(activation);
    if (activation.joiners !== null) this.parts.admission.ended(job, !failed, group);
  }

  /** What may not enter the sandbox has come to its turn. */
  private tookCulprit(job: Job, activation: Activation, group: CommitGroup): void {
    if (activation.loadError !== null) {
      if (job.origin !== null) {
        this.parts.turns.park(job, group);
        return;
      }
      job.error = loadErrorOf(activation);
      group.jobs.push(job);
    } else if (job.kind === JOB_GET) this.parts.strikes.refuse(job, group);
    else {
      this.parts.strikes.fail(job, group);
      if (activation.joiners !== null) this.parts.admission.ended(job, true, group);
    }
  }

  private tookActivate(activation: Activation, result: ResultReader): void {
    if (result.status !== STATUS_FAILED) {
      this.parts.catalog.resize(activation, result.stateBytes);
      return;
    }
    const { code, message, location } = result.error ?? { code: 'INTERNAL', message: 'activation failed', location: '' };
    activation.loadError = { code, message: location === '' ? message : `${message} (${location})` };
    this.parts.log.error({ actor: activation.address, code, location }, 'cannot fold the history');
    // The commands behind it in this batch get this error; the next one tries again.
    this.parts.catalog.remove(activation);
  }

  private tookSnapshot(job: Job, activation: Activation, result: ResultReader, group: CommitGroup): void {
    // A command in front of it may have carried the state to another bundle than the one that encoded it here.
    const stale = job.stateBundle !== activation.stateBundle;
    if (result.status === STATUS_FAILED || stale || activation.bucket.stopped || activation.recordsSinceSnapshot === 0) {
      activation.snapshotOnItsWay = false;
      return;
    }
    const state = result.bodyFrom < 0 ? NO_BYTES : result.buffer.subarray(result.bodyFrom, result.bodyTo);
    group.snapshots.push({
      activation,
      put: encodeSnapshot(activation, state),
      records: activation.recordsSinceSnapshot,
      replayUs: activation.replayUs,
    });
  }

  private sample(job: Job, activation: Activation, result: ResultReader): void {
    if (result.status === STATUS_FAILED || result.migratedFrom >= 0) return;
    const { payloadFrom, payloadTo } = this.parts.turns;
    const { buffer, stateBeforeFrom, stateBeforeTo, tailFrom, tailTo } = result;
    this.parts.pool.sample({
      bundle: job.version!.bundle.index,
      type: activation.type,
      id: activation.id,
      stateBefore: stateBeforeFrom < 0 ? null : Buffer.from(buffer.subarray(stateBeforeFrom, stateBeforeTo)),
      command: job.commandIndex,
      body: Buffer.from(buffer.subarray(payloadFrom, payloadTo)),
      nowMs: job.nowMs,
      seedHi: job.seedHi,
      seedLo: job.seedLo,
      caller: job.command!.principal,
      firing: job.origin?.trialFiring?.(job.nowMs) ?? null,
      status: result.status,
      tail: tailFrom < 0 ? NO_BYTES : Buffer.from(buffer.subarray(tailFrom, tailTo)),
    });
  }
}
