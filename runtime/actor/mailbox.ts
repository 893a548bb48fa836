/**
 * Mailboxes: commands and reads of one actor wait there for its history, and for room behind it.
 *
 * M1  No more commands with keys are between the queue for the sandbox and their answers than keys are remembered: whoever is not answered may ask
 *     again, after a restart too, and must find the answer of the first time. [A thousand commands of one actor are recorded, and the node ends
 *     before it answers any of them: nine hundred of their keys would be forgotten.] What waits here was not recorded, and may be as many as
 *     `mailboxLengthMax`.
 * M2  Who comes behind somebody who waits here waits, too: commands of one actor keep their order. Messages of other actors have none to keep.
 */

import type { Activation } from './activation.ts';
import { LOADING } from './activation.ts';
import type { Job } from './job.ts';

export class Mailboxes {
  private readonly keysMax: number;
  private readonly push: (job: Job) => void;

  /** `push` sends a job on its way. */
  constructor(keysMax: number, push: (job: Job) => void) {
    this.keysMax = keysMax;
    this.push = push;
  }

  enter(activation: Activation, job: Job): void {
    if (activation.phase !== LOADING && activation.mailbox.length === 0 && this.hasRoomFor(activation, job)) {
      this.send(activation, job);
      return;
    }
    activation.wait(job);
    if (activation.phase !== LOADING) this.goOn(activation);
  }

  /** Sends on their way as many as there is room for; the history is there. */
  goOn(activation: Activation): void {
    while (activation.mailbox.length > 0 && this.hasRoomFor(activation, activation.mailbox[0]!)) {
      const job = activation.takeFirst();
      this.send(activation, job);
      job.origin?.entered(job);
    }
  }

  /** The job is answered, or taken back to the start; true when others may wait for the room that it leaves. */
  left(activation: Activation, job: Job): boolean {
    activation.waiting--;
    if (!job.isUnderWay) return false;
    job.isUnderWay = false;
    return activation.keyedUnderWay-- >= this.keysMax;
  }

  private hasRoomFor(activation: Activation, job: Job): boolean {
    return activation.keyedUnderWay < this.keysMax || !isKeyed(job);
  }

  private send(activation: Activation, job: Job): void {
    if (isKeyed(job)) {
      activation.keyedUnderWay++;
      job.isUnderWay = true;
    }
    this.push(job);
  }
}

function isKeyed({ command }: Job): boolean {
  return command !== null && command.key !== '';
}
