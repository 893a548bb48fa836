/** Helper calls into the sandbox that concern no resident actor: a body in normal form, a stored payload as ProtoJSON. */

import type { BatchWriter, Format, ResultReader } from '../sandbox/sandbox.ts';
import { STATUS_FAILED } from '../sandbox/sandbox.ts';
import type { LoadedBundleEntry, TypeVersion } from './bundles.ts';
import type { AnswerError } from './engine.ts';
import { Job, JOB_CALL } from './job.ts';
import { itemError } from './turns.ts';

export type CallResult = { readonly bytes: Buffer } | { readonly error: AnswerError };

export class Calls {
  private readonly push: (job: Job) => void;

  constructor(push: (job: Job) => void) {
    this.push = push;
  }

  normalise(version: TypeVersion, command: number, format: Format, body: Uint8Array): Promise<CallResult> {
    return this.call((batch) => batch.normalise(version.bundle.index, version.type, command, format, body));
  }

  toJson(bundle: LoadedBundleEntry, type: string, payload: number, name: string, data: Uint8Array): Promise<CallResult> {
    return this.call((batch) => batch.toJson(bundle.index, type, payload, name, data));
  }

  private call(write: (batch: BatchWriter) => void): Promise<CallResult> {
    return new Promise((resolve) => {
      const job = new Job(JOB_CALL, null);
      job.write = write;
      job.took = (result) => resolve(toCallResult(result));
      this.push(job);
    });
  }
}

function toCallResult(result: ResultReader | null): CallResult {
  if (result === null) return { error: { code: 'SANDBOX_LOST', message: 'the sandbox ended on every try' } };
  if (result.status === STATUS_FAILED) return { error: itemError(result) };
  if (result.bodyFrom < 0) return { bytes: Buffer.alloc(0) };
  return { bytes: Buffer.from(result.buffer.subarray(result.bodyFrom, result.bodyTo)) };
}
