/** Bundles and a driver for the tests of this folder. */

import { BatchWriter } from '../batch.ts';
import type { ItemError, ResultReader } from '../batch.ts';
import { FORMAT_JSON, TRACE_SEND } from '../sandbox.ts';
import type { Format, LoadedBundle, SandboxPool } from '../sandbox.ts';

export const counterProto = `syntax = "proto3";
package test.v1;
message CounterState { int32 count = 1; repeated string notes = 2; }
message Add { int32 amount = 1; string note = 2; }
message AddReply { int32 count = 1; }
message Added { int32 amount = 1; string note = 2; }
message CounterEvent { oneof event { Added added = 1; } }
service CounterCommands { rpc Add(Add) returns (AddReply); }
`;

export const counterModule = `import { defineActor } from 'troupe';
export default defineActor('test.v1.Counter', {
  initialState: () => ({ count: 0 }),
  decide: {
    Add(state, command, ctx) {
      if (command.amount > 1000) ctx.reject('TOO_MUCH', 'at most 1000');
      ctx.emit('Added', { amount: command.amount, note: command.note });
      return { count: state.count + command.amount };
    },
  },
  evolve: {
    Added: (state, event) => ({ ...state, count: state.count + event.amount, notes: event.note === '' ? state.notes : [...state.notes, event.note] }),
  },
});
`;

/** Canonical bytes of a bundle. */
export function bundleBytes(files: Record<string, string>): Buffer {
  const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
  return Buffer.from(JSON.stringify({ format: 1, files: sorted }));
}

export function bundle(module: string, proto: string, more: Record<string, string> = {}): Buffer {
  return bundleBytes({
    'troupe.json': JSON.stringify({ name: 'test', modules: ['actor.js'] }),
    'actor.js': module,
    'proto/test/v1/test.proto': proto,
    ...more,
  });
}

export const counterBundle = bundle(counterModule, counterProto);

/** One result with its bytes copied. */
export interface Answer {
  readonly status: number;
  readonly events: number;
  readonly tail: Buffer | null;
  readonly body: Buffer | null;
  readonly stateBefore: Buffer | null;
  readonly migrated: Buffer | null;
  readonly stateBytes: number;
  readonly error: ItemError | null;
  readonly sendTo: readonly string[];
  /** Places of the sends, when it was traced. */
  readonly sentFrom: readonly string[];
}

export function answers(results: ResultReader): Answer[] {
  const list: Answer[] = [];
  const copy = (from: number, to: number): Buffer | null => (from < 0 ? null : Buffer.from(results.buffer.subarray(from, to)));
  while (results.next()) {
    list.push({
      status: results.status,
      events: results.events,
      tail: copy(results.tailFrom, results.tailTo),
      body: copy(results.bodyFrom, results.bodyTo),
      stateBefore: copy(results.stateBeforeFrom, results.stateBeforeTo),
      migrated: copy(results.migratedFrom, results.migratedTo),
      stateBytes: results.stateBytes,
      error: results.error,
      sendTo: (results.sends ?? []).flatMap((from, i, ends) => (i % 2 === 0 ? [results.buffer.toString('utf8', from, ends[i + 1])] : [])),
      sentFrom: (results.trace ?? []).filter(({ kind }) => kind === TRACE_SEND).map(({ location }) => location),
    });
  }
  return list;
}

/** Sends batches to a pool and gives the answers as promises. */
export class Driver {
  readonly pool: SandboxPool;
  readonly losses: { readonly code: string; readonly message: string; readonly unanswered: readonly number[] }[] = [];
  private readonly writer = new BatchWriter();
  private readonly open = new Map<number, { resolve: (list: Answer[]) => void; reject: (error: Error) => void }>();
  private nextId = 1;
  loaded: LoadedBundle | null = null;

  constructor(pool: SandboxPool) {
    this.pool = pool;
    pool.onResults = (results) => {
      const waiting = this.open.get(results.id)!;
      this.open.delete(results.id);
      waiting.resolve(answers(results));
    };
    pool.onLost = (loss) => {
      this.losses.push(loss);
      for (const id of loss.unanswered) {
        this.open.get(id)!.reject(Object.assign(new Error(loss.message), { code: loss.code }));
        this.open.delete(id);
      }
    };
  }

  batch(write: (writer: BatchWriter) => void): Promise<Answer[]> {
    const id = this.nextId++;
    this.writer.begin(id, this.pool.generation);
    write(this.writer);
    return new Promise((resolve, reject) => {
      this.open.set(id, { resolve, reject });
      this.pool.send(this.writer);
    });
  }

  /** Decides one command of a resident actor. */
  async decide(handle: number, bundleNumber: number, command: number, body: unknown, format: Format = FORMAT_JSON, sample = false, isTraced = false): Promise<Answer> {
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    const [answer] = await this.batch((writer) => writer.decide(handle, bundleNumber, command, format, bytes, 1_700_000_000_000, 7, 9, 'tester', sample, 0, bytes.length, null, isTraced));
    return answer!;
  }

  async activate(handle: number, type: string, id: string, bundleNumber: number, state: Buffer | null = null, records: { bundle: number; bytes: Buffer }[] = []): Promise<Answer> {
    const [answer] = await this.batch((writer) => writer.activate(handle, type, id, bundleNumber, state, records));
    return answer!;
  }

  async read(handle: number, bundleNumber: number, format: Format = FORMAT_JSON): Promise<Answer> {
    const [answer] = await this.batch((writer) => writer.read(handle, bundleNumber, format));
    return answer!;
  }
}

export function json(answer: Answer): unknown {
  return answer.body === null ? null : JSON.parse(answer.body.toString('utf8'));
}
