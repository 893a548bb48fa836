/**
 * A command whose key was answered before is answered from the record of the first time: same key, same name and same
 * normalised payload give the same answer; anything else is a conflict.
 */

import { RecordReader } from '../codec/record.ts';
import type { Journal } from '../journal/journal.ts';
import { FORMAT_JSON, PAYLOAD_REPLY } from '../sandbox/sandbox.ts';
import type { Activation } from './activation.ts';
import type { Bundles } from './bundles.ts';
import type { Calls } from './calls.ts';
import type { AnswerError } from './engine.ts';
import type { Job } from './job.ts';

export type DuplicateOutcome =
  | { readonly kind: 'answered'; readonly seq: number; readonly body: Buffer }
  | { readonly kind: 'failed'; readonly error: AnswerError }
  /** The hash of another key, or a key that is too old (K1): this command is not a duplicate. */
  | { readonly kind: 'other' };

export class Duplicates {
  private readonly journal: Journal;
  private readonly bundles: Bundles;
  private readonly calls: Calls;
  private readonly ageMaxMs: number;

  constructor(journal: Journal, bundles: Bundles, calls: Calls, ageMaxMs: number) {
    this.journal = journal;
    this.bundles = bundles;
    this.calls = calls;
    this.ageMaxMs = ageMaxMs;
  }

  /**
   * Answers `job` from the record at `position`, which must be durable. Bodies are compared as the bundle that decided saw
   * them: under a newer schema the same body could have another normal form, or none. `nowMs` is the recorded time that a
   * decision would have now.
   */
  async answer(job: Job, activation: Activation, position: number, nowMs: number): Promise<DuplicateOutcome> {
    const { bucketId, address, actorHash } = activation;
    const found = await this.journal.readActorRecords(bucketId, address, actorHash, { from: position, to: position + 1 });
    const stored = found[0];
    if (stored === undefined) return failed('INTERNAL', `no record of ${address} at position ${position}`);
    const record = new RecordReader().over(stored.bytes);
    const command = job.command!;
    if (record.key !== command.key || record.principal !== command.principal) return { kind: 'other' };
    if (nowMs - record.nowMs > this.ageMaxMs) return { kind: 'other' };
    if (record.name !== command.name) return conflict(command.key, `command ${record.name}`);
    // A command that failed for good never reached the point where its payload is known in normal form.
    if (record.failure !== null) return failed('BEHAVIOR_FAILED', record.failure.message);
    const decidedBy = (await this.bundles.load(record.bundleHex())).types.get(activation.type)!;
    const body = await this.calls.normalise(decidedBy, decidedBy.commandIndexes.get(record.name)!, command.format, command.body.subarray(command.bodyFrom, command.bodyTo));
    if ('error' in body) return { kind: 'failed', error: body.error };
    if (!samePayload(record, body.bytes)) return conflict(command.key, 'another body');
    if (record.rejection !== null) {
      return { kind: 'failed', error: { code: 'REJECTED', reason: record.rejection.code, message: record.rejection.message } };
    }
    return this.reply(job, activation, record);
  }

  private async reply(job: Job, activation: Activation, record: RecordReader): Promise<DuplicateOutcome> {
    const command = job.command!;
    const { replyFrom, replyTo, seqAfter } = record;
    const data = replyFrom < 0 ? Buffer.alloc(0) : Buffer.from(record.buffer.subarray(replyFrom, replyTo));
    if (command.format !== FORMAT_JSON) return { kind: 'answered', seq: seqAfter, body: data };
    const bundle = await this.bundles.load(record.bundleHex());
    const text = await this.calls.toJson(bundle, activation.type, PAYLOAD_REPLY, record.name, data);
    if ('error' in text) return { kind: 'failed', error: text.error };
    return { kind: 'answered', seq: seqAfter, body: text.bytes };
  }
}

function samePayload(record: RecordReader, body: Buffer): boolean {
  const { payloadFrom, payloadTo } = record;
  if (payloadFrom < 0) return body.length === 0;
  return record.buffer.compare(body, 0, body.length, payloadFrom, payloadTo) === 0;
}

function conflict(key: string, what: string): DuplicateOutcome {
  return failed('KEY_CONFLICT', `key ${JSON.stringify(key)} was used before with ${what}`);
}

function failed(code: AnswerError['code'], message: string): DuplicateOutcome {
  return { kind: 'failed', error: { code, message } };
}
