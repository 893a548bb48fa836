/**
 * What happens when the sandbox is lost: every activation is gone, what was in flight runs again.
 *
 * L1  Nothing is activated before all appends in flight have settled (E2).
 * L2  The process died in the oldest unanswered batch; whoever was in a later one is not suspected. Whose time was over when it was ended is the
 *     only suspect, with the points of a culprit. Where nobody knows who was running, everybody in it becomes a suspect with one point,
 *     or with those of a culprit when nobody else was in it. A suspect has to prove itself in the spare before it runs again (trials.ts).
 * L4  A batch in which everybody was in time, and which took too long all the same, has no suspects: it comes again in smaller ones.
 *     [Hundreds of turns of one actor with a large state: all of them are suspects, and are tried one by one while nobody else is served.]
 * L3  What was unanswered runs again together with what was waiting, in the order in which it was submitted.
 */

import type { SandboxLoss } from '../sandbox/sandbox.ts';
import type { Catalog } from './catalog.ts';
import type { Job } from './job.ts';
import { JOB_CALL, JOB_COMMAND, JOB_GET } from './job.ts';
import type { Messages } from './messages/messages.ts';
import type { OutputGate } from './output-gate.ts';
import type { Routing } from './routing.ts';
import type { Log } from './seams.ts';
import type { Trials } from './trials.ts';
import { pointsFor } from './trials.ts';
import type { TurnLoop } from './turn-loop.ts';

export class Losses {
  private readonly loop: TurnLoop;
  private readonly gate: OutputGate;
  private readonly routing: Routing;
  private readonly catalog: Catalog;
  private readonly trials: Trials;
  private readonly log: Log;
  private readonly messages: Messages;
  rebuilds = 0;

  constructor(parts: { loop: TurnLoop; gate: OutputGate; routing: Routing; catalog: Catalog; trials: Trials; messages: Messages; log: Log }) {
    this.loop = parts.loop;
    this.gate = parts.gate;
    this.routing = parts.routing;
    this.catalog = parts.catalog;
    this.trials = parts.trials;
    this.log = parts.log;
    this.messages = parts.messages;
  }

  async onLost(loss: SandboxLoss): Promise<void> {
    const { loop, routing, gate } = this;
    this.rebuilds++;
    loop.hold();
    routing.hold();
    const { unanswered, ready } = loop.abandon();
    const oldest = unanswered[0];
    if (oldest !== undefined) {
      if (!loss.isNobodys) blame(oldest, unanswered, loss);
      else if (loss.item !== null) loop.costs.tookTooLong(loss.item);
    }
    const jobs: Job[] = [];
    for (const batch of unanswered) this.keepRequests(jobs, batch);
    this.keepRequests(jobs, ready);
    this.dropActivations(jobs);
    this.messages.interrupt();
    this.log.warn(
      { code: loss.code, reason: loss.message, unanswered: unanswered.map((batch) => batch.length), again: jobs.length },
      'sandbox lost',
    );
    await gate.idle();
    for (const job of jobs) if (job.kind === JOB_CALL) void this.pushCall(job);
    routing.release(jobs.filter((job) => job.kind !== JOB_CALL));
    // Together with the others: whoever has to prove itself does so in one trial with them.
    this.messages.resume();
    loop.resume();
  }

  private async pushCall(job: Job): Promise<void> {
    if (job.deaths > 0) await this.trials.examineCall(job).catch(() => {});
    this.loop.push(job);
  }

  private dropActivations(jobs: Job[]): void {
    for (const activation of [...this.catalog.all()]) {
      this.keepRequests(jobs, activation.takeMailbox());
      jobs.push(...activation.takeWaiting());
      this.catalog.remove(activation);
    }
  }

  /** Messages are kept by their channels. */
  private keepRequests(into: Job[], jobs: readonly Job[]): void {
    for (const job of jobs) {
      if (job.origin !== null) this.routing.leave(job);
      else if (job.kind === JOB_COMMAND || job.kind === JOB_GET || job.kind === JOB_CALL) into.push(job);
    }
  }
}

/** L2 */
function blame(jobs: readonly Job[], unanswered: readonly Job[][], loss: SandboxLoss): void {
  const running = loss.item === null ? undefined : jobs[loss.item];
  let suspects = jobs.filter(isRequest);
  if (running !== undefined && isRequest(running)) suspects = [running];
  else if (running !== undefined && running.activation !== null) {
    // A history, or what an actor leaves behind: whoever wants something of that actor finds out about it.
    suspects = unanswered.flat().filter((job) => isRequest(job) && job.activation === running.activation);
  }
  const alone = suspects.length === 1;
  for (const job of suspects) {
    if (!alone) {
      job.deaths += 1;
      continue;
    }
    job.deaths += pointsFor(loss.code);
    if (job.kind !== JOB_CALL) job.strike = loss.code;
  }
}

function isRequest(job: Job): boolean {
  return job.kind === JOB_COMMAND || job.kind === JOB_GET || job.kind === JOB_CALL;
}
