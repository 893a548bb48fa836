/**
 * Runs recorded decisions and folds once more, in the spare sandbox, to show what no record holds: the lines of the scripts, and what an event has
 * changed.
 *
 * Y1  What is shown is what was: a decision is run on the state, the command, the time and the random seed of its record, by the bundle that
 *     decided, and counts only if it comes out the same, byte by byte.
 * Y2  Nothing of it reaches the actor in memory, the log, or the active process.
 */

import { KIND_DECISION, KIND_REJECTION, RecordReader, TAIL_FIELD_MIN } from '../../codec/record.ts';
import { firingOf } from '../../codec/record-timers.ts';
import { hashText, shardKey, splitAddress } from '../../codec/address.ts';
import { WireReader, WireWriter } from '../../codec/wire.ts';
import type { StoredRecord } from '../../journal/journal.ts';
import { limits } from '../../limits.ts';
import {
  FORMAT_JSON, FORMAT_PROTO, STATUS_FAILED, STATUS_REJECTED, TIMER_CHANGES_ALL, TRACE_BROADCAST, TRACE_EVENT, TRACE_LINK, TRACE_REFUSAL, TRACE_SEND, TRACE_TIMER,
} from '../../sandbox/sandbox.ts';
import type { BatchWriter, ResultReader } from '../../sandbox/sandbox.ts';
import { Activation, GONE } from '../activation.ts';
import type { Bucket } from '../bucket.ts';
import type { Bundles, LoadedBundleEntry, TypeVersion } from '../bundles.ts';
import type { DecisionTrace, FieldChange } from '../engine.ts';
import { KeySlab } from '../key-slab.ts';
import { KeyWindow } from '../keys.ts';
import { Loader } from '../loader.ts';
import type { Histories } from '../loader.ts';
import { TRIAL_HANDLE } from '../trials.ts';
import type { Trials } from '../trials.ts';
import { differences } from './differences.ts';
import { pastOf } from './past.ts';

const FIELD_EVENT = 33;
const FIELD_SEND = 34;
const FIELD_MIGRATION = 53;

/** An actor as it was at some moment: how the sandbox comes to hold it. */
interface Then {
  readonly write: (batch: BatchWriter) => void;
  /** As whose state; null while it had none. */
  readonly bundle: LoadedBundleEntry | null;
}

export class Replay {
  private readonly histories: Histories;
  private readonly bundles: Bundles;
  private readonly trials: Trials;
  private readonly slab = new KeySlab();

  constructor(histories: Histories, bundles: Bundles, trials: Trials) {
    this.histories = histories;
    this.bundles = bundles;
    this.trials = trials;
  }

  /** null for a record that no behaviour decided. */
  async trace(bucket: Bucket, { bytes }: StoredRecord): Promise<DecisionTrace | null> {
    const record = new RecordReader().over(bytes);
    if ((record.kind !== KIND_DECISION && record.kind !== KIND_REJECTION) || record.actor === '') return null;
    try {
      return await this.decideAgain(bucket, record);
    } catch (error) {
      return untraced(`it could not be decided again: ${(error as Error).message}`);
    }
  }

  /** Of each event, what it changed in the state; records of one actor, in order. */
  async changes(bucket: Bucket, records: readonly StoredRecord[]): Promise<Map<number, FieldChange[][]>> {
    const changes = new Map<number, FieldChange[][]>();
    const [first] = records;
    if (first === undefined) return changes;
    const reader = new RecordReader();
    const { actor } = reader.over(first.bytes);
    const then = await this.then(bucket, actor, first.position);
    let now = then === null ? null : { bundle: then.bundle!, ...(await this.states(then, then.bundle!)) };
    for (const { position, bytes } of records) {
      const bundle = await this.bundleOf(reader.over(bytes));
      const ofRecord: FieldChange[][] = [];
      for (const fold of foldsOf(bytes)) {
        const before = now ?? { bundle: bundle!, ...(await this.states(fresh(actor, bundle!), bundle!)) };
        const state = now === null ? null : before.state;
        const folded: Then = {
          bundle, write: (batch) => batch.activate(TRIAL_HANDLE, ...partsOf(actor), before.bundle.index, state, [{ bundle: bundle!.index, bytes: fold.bytes }]),
        };
        now = { bundle: bundle!, ...(await this.states(folded, bundle!)) };
        if (fold.isEvent) ofRecord.push(differences(before.json, now.json));
      }
      changes.set(position, ofRecord);
    }
    return changes;
  }

  private async decideAgain(bucket: Bucket, record: RecordReader): Promise<DecisionTrace> {
    const bundle = (await this.bundleOf(record))!;
    const version = bundle.types.get(splitAddress(record.actor).type)!;
    const command = version.commandIndexes.get(record.name);
    if (command === undefined) return untraced(`its bundle has no command ${record.name}`);
    const then = (await this.then(bucket, record.actor, record.position)) ?? fresh(record.actor, bundle);
    const { buffer, payloadFrom, payloadTo, nowMs, seedHi, seedLo, principal } = record;
    const fired = firingOf(record);
    const firing = fired === null ? null : { name: fired.name, dueMs: fired.dueMs, missed: fired.missed, timerChanges: TIMER_CHANGES_ALL };
    let trace: DecisionTrace | null = null;
    const code = await this.trials.look(
      (batch) => {
        then.write(batch);
        batch.decide(
          TRIAL_HANDLE, bundle.index, command, FORMAT_PROTO, buffer, nowMs, seedHi, seedLo, principal, false,
          Math.max(0, payloadFrom), Math.max(0, payloadTo), firing, true,
        );
        batch.drop(TRIAL_HANDLE);
      },
      (results) => {
        trace = results.next() && results.status !== STATUS_FAILED && results.next() ? traceOf(record, version, results) : untraced('the state before it cannot be folded');
      },
    );
    return trace ?? untraced(`the sandbox ended: ${code}`);
  }

  /** null when the actor had no events then. */
  private async then(bucket: Bucket, actor: string, position: number): Promise<Then | null> {
    const { type, id } = splitAddress(actor);
    const activation = new Activation(actor, type, hashText(actor), hashText(shardKey({ type, id })), bucket, new KeyWindow(this.slab, limits.keysPerActorMax));
    try {
      const plan = await new Loader(pastOf(this.histories, position), this.bundles).load(activation);
      if (activation.stateBundle === null) return null;
      activation.handle = TRIAL_HANDLE;
      return { write: plan.write, bundle: activation.stateBundle };
    } finally {
      activation.phase = GONE;
      activation.keys.release();
    }
  }

  /** The state as JSON and as bytes. @throws when it cannot be folded */
  private async states(then: Then, bundle: LoadedBundleEntry): Promise<{ json: unknown; state: Buffer }> {
    let read: { json: unknown; state: Buffer } | string = 'the sandbox ended';
    await this.trials.look(
      (batch) => {
        then.write(batch);
        batch.read(TRIAL_HANDLE, bundle.index, FORMAT_JSON);
        batch.read(TRIAL_HANDLE, bundle.index, FORMAT_PROTO);
        batch.drop(TRIAL_HANDLE);
      },
      (results) => {
        read = readStates(results);
      },
    );
    if (typeof read === 'string') throw new Error(read);
    return read;
  }

  private async bundleOf(record: RecordReader): Promise<LoadedBundleEntry | null> {
    const hash = record.bundleHex();
    return hash === '' ? null : this.bundles.load(hash);
  }
}

/** An actor in the initial state of a bundle. */
function fresh(actor: string, bundle: LoadedBundleEntry): Then {
  return { bundle: null, write: (batch) => batch.activate(TRIAL_HANDLE, ...partsOf(actor), bundle.index, null, []) };
}

function partsOf(actor: string): [type: string, id: string] {
  const { type, id } = splitAddress(actor);
  return [type, id];
}

function readStates(results: ResultReader): { json: unknown; state: Buffer } | string {
  const body = (): Buffer | null => {
    if (!results.next() || results.status === STATUS_FAILED) return null;
    return Buffer.from(results.bodyFrom < 0 ? Buffer.alloc(0) : results.buffer.subarray(results.bodyFrom, results.bodyTo));
  };
  const activated = body();
  const json = activated === null ? null : body();
  const state = json === null ? null : body();
  if (json === null || state === null) return results.error?.message ?? 'the state cannot be folded';
  return { json: JSON.parse(json.toString('utf8')), state };
}

/** What of a record is folded into a state, one thing at a time: its events, or the state that it carried over. */
function foldsOf(bytes: Buffer): { readonly isEvent: boolean; readonly bytes: Buffer }[] {
  const folds: { isEvent: boolean; bytes: Buffer }[] = [];
  const wire = new WireReader().over(bytes);
  while (wire.next()) {
    if (wire.field !== FIELD_EVENT && wire.field !== FIELD_MIGRATION) {
      wire.skip();
      continue;
    }
    wire.span();
    const one = new WireWriter(wire.to - wire.from + 16);
    one.bytes(wire.field, bytes, wire.from, wire.to);
    folds.push({ isEvent: wire.field === FIELD_EVENT, bytes: one.copy() });
  }
  return folds;
}

/** Y1 */
function traceOf(record: RecordReader, { bundle }: TypeVersion, results: ResultReader): DecisionTrace {
  if (results.status === STATUS_FAILED) return untraced(differs(record, bundle, `it fails: ${results.error?.message ?? ''}`));
  const isRejected = results.status === STATUS_REJECTED;
  if (isRejected !== (record.kind === KIND_REJECTION)) return untraced(differs(record, bundle, isRejected ? 'it refuses' : 'it does not refuse'));
  if (!isSameTail(record, results)) return untraced(differs(record, bundle, 'it comes out differently'));
  const of = (kind: number): string[] => (results.trace ?? []).filter((step) => step.kind === kind).map(({ location }) => location);
  return { problem: '', events: of(TRACE_EVENT), sends: of(TRACE_SEND), timers: of(TRACE_TIMER), links: of(TRACE_LINK), broadcasts: of(TRACE_BROADCAST), refusal: of(TRACE_REFUSAL)[0] ?? '' };
}

/** The record's second half is the sandbox's, but for the reply to a message, which the host has put behind it. */
function isSameTail({ buffer, kind }: RecordReader, { buffer: again, tailFrom, tailTo }: ResultReader): boolean {
  const wire = new WireReader().over(buffer);
  const ends: number[] = [];
  let from = -1;
  let lastField = 0;
  for (let at = 0; wire.next(); at = wire.at) {
    wire.skip();
    if (wire.field < TAIL_FIELD_MIN || kind === 0) continue;
    if (from < 0) from = at;
    ends.push(wire.at);
    lastField = wire.field;
  }
  if (tailFrom < 0 || from < 0) return tailFrom < 0 && from < 0;
  const end = from + tailTo - tailFrom;
  const isWhole = end === ends.at(-1) || (end === ends.at(-2) && lastField === FIELD_SEND);
  return isWhole && buffer.subarray(from, end).equals(again.subarray(tailFrom, tailTo));
}

function differs(record: RecordReader, { engineHash }: LoadedBundleEntry, how: string): string {
  const { hi, lo } = engineOf(record);
  const why = hi === engineHash.hi && lo === engineHash.lo ? 'the behaviour is not deterministic' : 'it was decided by another version of the sandbox';
  return `decided again, ${how}: ${why}`;
}

function engineOf({ buffer }: RecordReader): { hi: number; lo: number } {
  const wire = new WireReader().over(buffer);
  const found = { hi: 0, lo: 0 };
  while (wire.next()) {
    if (wire.field !== 21) {
      wire.skip();
      continue;
    }
    wire.fixed64();
    found.hi = wire.hi;
    found.lo = wire.lo;
  }
  return found;
}

function untraced(problem: string): DecisionTrace {
  return { problem, events: [], sends: [], timers: [], links: [], broadcasts: [], refusal: '' };
}
