/** A message on its way into the log of the bucket that receives it: as a command of its actor, or as a note. */

import assert from 'node:assert/strict';

import type { WireWriter } from '../../codec/wire.ts';
import { writeCause } from '../../codec/record-messages.ts';
import { FORMAT_PROTO } from '../../sandbox/sandbox.ts';
import type { Bucket } from '../bucket.ts';
import { Address } from '../engine.ts';
import type { CommandRequest } from '../engine.ts';
import type { Job } from '../job.ts';
import type { CommitGroup } from '../output-gate.ts';
import type { Message } from './message.ts';
import type { Origin, ReplyTo } from './origin.ts';

/** What an incoming message tells its channel. */
export interface IncomingChannel {
  readonly bucket: Bucket;
  readonly source: number;
  readonly incarnationHi: number;
  readonly incarnationLo: number;
  isNext(number: number, job: Job): boolean;
  entered(number: number, job: Job): void;
  recorded(number: number, position: number, group: CommitGroup): void;
  lost(number: number, job: Job): void;
  refused(number: number, job: Job, code: string, message: string): void;
}

export class IncomingMessage implements CommandRequest, Origin {
  readonly message: Message;
  readonly to: Address;
  readonly name: string;
  readonly format = FORMAT_PROTO;
  readonly body: Buffer;
  readonly bodyFrom = 0;
  readonly bodyTo: number;
  readonly key = '';
  /** The sending actor. */
  readonly principal: string;
  readonly session = '';
  readonly isParked = false;
  private readonly channel: IncomingChannel;

  constructor(message: Message, channel: IncomingChannel) {
    this.message = message;
    this.channel = channel;
    this.to = new Address(message.to);
    this.name = message.name;
    this.body = message.body;
    this.bodyTo = message.body.length;
    this.principal = message.from;
  }

  get bucket(): Bucket {
    return this.channel.bucket;
  }

  get reply(): ReplyTo | null {
    const { from, onReply } = this.message;
    return onReply === '' ? null : { actor: from, command: onReply, destination: this.channel.source };
  }

  isNext(job: Job): boolean {
    return this.channel.isNext(this.message.number, job);
  }

  write(wire: WireWriter): void {
    const { position, entry, number } = this.message;
    const { source, incarnationHi, incarnationLo, bucket } = this.channel;
    // M2, whatever has happened on the way here: a message that is recorded out of turn is one that is lost, or doubled, for ever.
    assert.equal(number, bucket.channels.mark(source, incarnationHi, incarnationLo) + 1, 'a message is recorded in its turn');
    writeCause(wire, { incarnationHi, incarnationLo, bits: bucket.id.bits, index: source, position, entry, number });
  }

  entered(job: Job): void {
    this.channel.entered(this.message.number, job);
  }

  recorded(position: number, group: CommitGroup): void {
    this.channel.recorded(this.message.number, position, group);
  }

  lost(job: Job): void {
    this.channel.lost(this.message.number, job);
  }

  refused(job: Job, code: string, message: string): void {
    this.channel.refused(this.message.number, job, code, message);
  }

  /** Nobody waits here: what comes of it is in the log. */
  done(): void {}

  failed(): void {}
}
