/** A command that no client has sent: a message of another actor, a timer, or what is taken up again. Nobody waits for its answer. */

import type { Address } from '../../codec/names.ts';
import { FORMAT_PROTO } from '../../sandbox/sandbox.ts';
import type { Format } from '../../sandbox/sandbox.ts';
import type { CommandRequest } from '../engine.ts';
import type { Job } from '../job.ts';

export abstract class InnerCommand implements CommandRequest {
  readonly to: Address;
  readonly name: string;
  readonly body: Buffer;
  readonly bodyFrom: number;
  readonly bodyTo: number;

  constructor(to: Address, name: string, body: Buffer, bodyFrom: number, bodyTo: number) {
    this.to = to;
    this.name = name;
    this.body = body;
    this.bodyFrom = bodyFrom;
    this.bodyTo = bodyTo;
  }

  /** The sending actor. */
  abstract get principal(): string;

  get format(): Format {
    return FORMAT_PROTO;
  }

  get key(): string {
    return '';
  }

  get session(): string {
    return '';
  }

  entered(_job: Job): void {}

  /** What comes of it is in the log. */
  done(): void {}

  failed(): void {}
}
