/** A message on its way into the log of the bucket that receives it: as a command of its actor, or as a note. */

import assert from 'node:assert/strict';

import type { WireWriter } from '../../codec/wire.ts';
import { writeCauseFields } from '../../codec/record-messages.ts';
import type { Bucket } from '../bucket.ts';
import { Job, JOB_COMMAND, JOB_NOTE } from '../job.ts';
import type { CommitGroup } from '../output-gate.ts';
import { InnerCommand } from './inner-command.ts';
import { SEND } from './message.ts';
import type { Message } from './message.ts';
import type { Origin, ReplyTo, Verdict } from './origin.ts';

/** What an incoming message tells its channel. */
export interface IncomingChannel {
  readonly bucket: Bucket;
  readonly source: number;
  readonly incarnationHi: number;
  readonly incarnationLo: number;
  isNext(incoming: IncomingMessage): boolean;
  entered(incoming: IncomingMessage): void;
  recorded(number: number, position: number, group: CommitGroup): void;
  lost(incoming: IncomingMessage): void;
}

export class IncomingMessage extends InnerCommand implements Origin {
  readonly message: Message;
  /** The job that is under way; of another one that was made for it before nothing is heard any more. */
  job: Job;
  /** Behind it in its channel. */
  next: IncomingMessage | null = null;
  private readonly channel: IncomingChannel;

  constructor(message: Message, channel: IncomingChannel) {
    super(message.to, message.name, message.body, message.bodyFrom, message.bodyTo);
    this.message = message;
    this.channel = channel;
    if (message.kind === SEND) this.job = new Job(JOB_COMMAND, null, this, this);
    else this.job = this.note({ kind: 'linked' });
  }

  get principal(): string {
    return this.message.from;
  }

  get isParked(): boolean {
    return false;
  }

  get bucket(): Bucket {
    return this.channel.bucket;
  }

  get reply(): ReplyTo | null {
    const { from, onReply } = this.message;
    return onReply === '' ? null : { actor: from, command: onReply, destination: this.channel.source };
  }

  get number(): number {
    return this.message.number;
  }

  /** Another job for another try. */
  again(): Job {
    return (this.job = this.job.again());
  }

  isNext(job: Job): boolean {
    return job === this.job && this.channel.isNext(this);
  }

  write(wire: WireWriter): void {
    const { position, entry, number } = this.message;
    const { source, incarnationHi, incarnationLo, bucket } = this.channel;
    // M2, whatever has happened on the way here: a message that is recorded out of turn is one that is lost, or doubled, for ever.
    if (number !== bucket.channels.mark(source, incarnationHi, incarnationLo) + 1) assert.fail('a message is recorded in its turn');
    writeCauseFields(wire, incarnationHi, incarnationLo, bucket.id.bits, source, position, entry, number);
  }

  override entered(job: Job): void {
    if (job === this.job) this.channel.entered(this);
  }

  recorded(position: number, group: CommitGroup): void {
    this.channel.recorded(this.message.number, position, group);
  }

  lost(job: Job): void {
    if (job === this.job) this.channel.lost(this);
  }

  /** Its place in the log is a note, then. */
  refused(job: Job, code: string, message: string): void {
    if (job !== this.job) return;
    this.job = this.note({ kind: 'parked', code, message });
    this.channel.lost(this);
  }

  private note(verdict: Verdict): Job {
    const job = new Job(JOB_NOTE, null, this, this);
    job.verdict = verdict;
    return job;
  }
}
