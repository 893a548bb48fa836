/**
 * Trials: a command that may have ended a sandbox proves itself in the spare first, where it can harm nobody, while the
 * others go on in the active process.
 *
 * R1  Whoever was in the batch in which a sandbox died (`deaths` above 0) enters the active sandbox again only after a trial
 *     that its process survived, together with the activation and the commands of the same actor in front of it.
 * R2  A trial that ends its process with one suspect in it names the culprit: two points for running out of time or memory,
 *     one for a death that may have come from outside. With several, it is the one that was running when its time was over; when
 *     nobody knows who was, they are tried again one more at a time.
 * R3  A culprit with `suspicionMax` points does not run in the active sandbox: it is recorded as failed when its turn comes.
 * R4  When the history alone ends the process, no command of the actor can be run: all that wait are culprits.
 *
 * Results of a trial are thrown away: the decision is made again, in order, in the active sandbox.
 */

import { limits } from '../limits.ts';
import type { BatchWriter, ResultReader, SandboxLoss, SandboxPool, TrialEnd } from '../sandbox/sandbox.ts';
import type { Activation } from './activation.ts';
import { LOADING } from './activation.ts';
import type { Bundles } from './bundles.ts';
import type { Job } from './job.ts';
import type { ActivationPlan } from './loader.ts';
import type { Clock, Entropy } from './seams.ts';

/** A trial that did not survive; `culprit` is the job that was running, if that is known. */
interface Death {
  readonly code: SandboxLoss['code'];
  readonly culprit: Job | null;
}

/** Never given to a resident actor. */
export const TRIAL_HANDLE = 0x7fff_ffff;

export interface TrialParts {
  readonly pool: SandboxPool;
  readonly bundles: Bundles;
  readonly clock: Clock;
  readonly entropy: Entropy;
}

export class Trials {
  private readonly parts: TrialParts;
  private last: Promise<unknown> = Promise.resolve();

  constructor(parts: TrialParts) {
    this.parts = parts;
  }

  /** Settles every suspect in the activation's mailbox; the activation is still loading, and may be dropped meanwhile. */
  async examine(activation: Activation, plan: ActivationPlan): Promise<void> {
    for (;;) {
      const jobs = upToLastSuspect(activation);
      if (jobs.length === 0 || activation.phase !== LOADING) return;
      const death = await this.try(activation, plan, jobs);
      if (activation.phase !== LOADING) return;
      if (death === null) {
        acquit(jobs);
        return;
      }
      await this.convict(activation, plan, jobs, death);
    }
  }

  /** As `examine`, for a helper call without an actor. */
  async examineCall(job: Job): Promise<void> {
    while (job.deaths > 0 && job.deaths < limits.suspicionMax) {
      const end = await this.run((batch) => job.write!(batch));
      if (end === null) job.deaths = 0;
      else job.deaths += pointsFor(end.code);
    }
  }

  /** R2: who was running, or who is at the end of the first prefix that does not survive. */
  private async convict(activation: Activation, plan: ActivationPlan, jobs: Job[], death: Death): Promise<void> {
    let culprit = death.culprit ?? jobs[0]!;
    let culpritCode = death.code;
    if (jobs.length > 1 && death.culprit === null) {
      let found = false;
      for (let n = 1; n <= jobs.length && !found; n++) {
        const prefix = jobs.slice(0, n);
        const again = await this.try(activation, plan, prefix);
        if (activation.phase !== LOADING) return;
        if (again === null) continue;
        found = true;
        culprit = prefix.at(-1)!;
        culpritCode = again.code;
      }
      // All of it survived one by one: the death came from outside.
      if (!found) return acquit(jobs);
    }
    culprit.deaths += pointsFor(culpritCode);
    culprit.strike = culpritCode;
    if (culprit.deaths < limits.suspicionMax || activation.phase !== LOADING) return;
    if ((await this.try(activation, plan, [])) === null || activation.phase !== LOADING) return;
    activation.poisoned = true;
    for (const job of activation.mailbox) job.deaths = limits.suspicionMax;
  }

  private async try(activation: Activation, plan: ActivationPlan, jobs: readonly Job[]): Promise<Death | null> {
    // Item by item: the history is the affair of whoever comes first.
    const items: Job[] = jobs.slice(0, 1);
    const end = await this.run((batch) => {
      activation.handle = TRIAL_HANDLE;
      plan.write(batch);
      batch.stateBytes = plan.stateBytes;
      activation.handle = 0;
      for (const job of jobs) if (this.write(batch, activation, job)) items.push(job);
      batch.drop(TRIAL_HANDLE);
    });
    return end === null ? null : { code: end.code, culprit: end.item === null ? null : (items[end.item] ?? null) };
  }

  private write(batch: BatchWriter, activation: Activation, job: Job): boolean {
    const version = this.parts.bundles.served.get(activation.type);
    if (version === undefined) return false;
    const { command } = job;
    if (command === null) {
      batch.read(TRIAL_HANDLE, version.bundle.index, job.get!.format);
      return true;
    }
    const index = version.commandIndexes.get(command.name);
    if (index === undefined) return false;
    const { clock, entropy } = this.parts;
    const now = Math.max(clock.now(), activation.bucket.nowMs);
    batch.decide(
      TRIAL_HANDLE, version.bundle.index, index, command.format, command.body, now, entropy.next(), entropy.next(), command.principal, false,
      command.bodyFrom, command.bodyTo, job.origin?.trialFiring?.(now) ?? null,
    );
    return true;
  }

  /** Runs what somebody wants to look at, and has nothing to do with what goes on. Answers null, or how the process ended. */
  async look(write: (batch: BatchWriter) => void, read: (results: ResultReader) => void): Promise<SandboxLoss['code'] | null> {
    return (await this.run(write, read))?.code ?? null;
  }

  /** One at a time: a death must name who died of it. */
  private run(write: (batch: BatchWriter) => void, read?: (results: ResultReader) => void): Promise<TrialEnd | null> {
    const next = this.last.then(() => this.parts.pool.trial(write, read));
    this.last = next.catch(() => null);
    return next;
  }
}

/** Points for a death of which one job is the only suspect. */
export function pointsFor(code: SandboxLoss['code']): number {
  return code === 'SANDBOX_LOST' ? 1 : 2;
}

/** The waiting jobs up to the last one that has to prove itself; culprits that are beyond that do not count. */
function upToLastSuspect(activation: Activation): Job[] {
  const { mailbox } = activation;
  const last = mailbox.findLastIndex((job) => job.deaths > 0 && job.deaths < limits.suspicionMax);
  return mailbox.slice(0, last + 1).filter((job) => job.deaths < limits.suspicionMax);
}

/** Who proves itself again and again and is suspected again and again cannot be run (R3). */
function acquit(jobs: readonly Job[]): void {
  for (const job of jobs) {
    if (job.deaths === 0) continue;
    job.deaths = ++job.acquittals > limits.acquittalsMax ? limits.suspicionMax : 0;
    if (job.deaths === 0) job.strike = null;
  }
}
