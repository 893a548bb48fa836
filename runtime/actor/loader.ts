/**
 * Activation: brings an actor into memory from its snapshot and the durable records behind it. The host's part of the fold is
 * made here, the state's in the sandbox, from the same records (A1).
 */

import { TroupeError } from '../codec/errors.ts';
import {
  KIND_CONTROL,
  KIND_DECISION,
  KIND_FAILED,
  KIND_MIGRATE,
  KIND_QUARANTINED,
  KIND_REJECTION,
  READER_VERSION,
  RecordReader,
} from '../codec/record.ts';
import type { ActorHistory, Journal, StoredRecord } from '../journal/journal.ts';
import type { BatchWriter } from '../sandbox/sandbox.ts';
import type { Activation } from './activation.ts';
import { GONE } from './activation.ts';
import type { Bundles, LoadedBundleEntry, TypeVersion } from './bundles.ts';
import { hashScope } from './keys.ts';
import { foldActor } from './messages/actor-fold.ts';
import type { DecodedSnapshot } from './snapshots.ts';
import { decodeSnapshot } from './snapshots.ts';

interface FoldStep {
  readonly hash: string;
  readonly bytes: Buffer;
}

/** What the sandbox must do to hold the actor. */
export interface ActivationPlan {
  readonly write: (batch: BatchWriter) => void;
  /** Of the state that its records are folded into, or of the records where these are more: what it will be is not known. */
  readonly stateBytes: number;
}

/** Where the histories of actors come from. */
export type Histories = Pick<Journal, 'readActor' | 'readActorRecords'>;

export class Loader {
  private readonly journal: Histories;
  private readonly bundles: Bundles;
  private readonly record = new RecordReader();

  constructor(journal: Histories, bundles: Bundles) {
    this.journal = journal;
    this.bundles = bundles;
  }

  /**
   * Reads the history, folds the host's part into `activation`, loads the bundles that the state's part needs.
   * @throws TroupeError when the history cannot be read or names a bundle that is gone
   */
  async load(activation: Activation): Promise<ActivationPlan> {
    const history = await this.journal.readActor(activation.bucketId, activation.address, activation.actorHash);
    const { snapshot, records } = await this.usable(activation, history);
    // Dropped meanwhile: what it would take from here on, a row for its keys above all, nobody would give back.
    if (activation.phase === GONE) throw new TroupeError('SANDBOX_LOST', 'dropped while its history was read');
    if (snapshot !== null) this.takeSnapshot(activation, snapshot);
    const steps: FoldStep[] = [];
    for (const stored of records) this.takeRecord(activation, stored, steps);
    activation.timerChanges = 0;
    activation.recordsSinceSnapshot = records.length;
    return this.plan(activation, snapshot, steps);
  }

  /** A snapshot that cannot be read is as good as none: the fold then runs from the first record. */
  private async usable(
    activation: Activation,
    history: ActorHistory,
  ): Promise<{ snapshot: DecodedSnapshot | null; records: readonly StoredRecord[] }> {
    if (history.snapshot === null) return { snapshot: null, records: history.records };
    const snapshot = decodeSnapshot(history.snapshot, activation.address);
    if (snapshot !== null) return { snapshot, records: history.records };
    const all = await this.journal.readActorRecords(activation.bucketId, activation.address, activation.actorHash);
    return { snapshot: null, records: all };
  }

  private takeSnapshot(activation: Activation, snapshot: DecodedSnapshot): void {
    activation.seq = snapshot.seq;
    activation.headMovedTo(snapshot.position, snapshot.head);
    activation.strikes = snapshot.strikes;
    if (snapshot.quarantined !== '') {
      activation.quarantined = { reason: snapshot.quarantined, bundle: snapshot.quarantinedBundle };
    }
    activation.keys.restoreAll(snapshot.keys);
    if (snapshot.armed.size > 0) activation.armed = snapshot.armed;
    if (snapshot.linked.size > 0) activation.linked = snapshot.linked;
  }

  private takeRecord(activation: Activation, stored: StoredRecord, steps: FoldStep[]): void {
    const record = this.record.over(stored.bytes);
    if (record.minReaderVersion > READER_VERSION) {
      throw new TroupeError('JOURNAL_VERSION', `${activation.address} has a record of format ${record.minReaderVersion}`);
    }
    activation.headMovedTo(stored.position, stored.head);
    activation.seq = record.seqAfter;
    this.takeKey(activation, record, stored.position);
    foldActor(activation, record);
    switch (record.kind) {
      case KIND_DECISION:
        activation.strikes = 0;
        if (record.events > 0) steps.push({ hash: record.bundleHex(), bytes: stored.bytes });
        return;
      case KIND_REJECTION:
        activation.strikes = 0;
        return;
      case KIND_MIGRATE:
        steps.push({ hash: record.bundleHex(), bytes: stored.bytes });
        return;
      case KIND_FAILED:
        activation.strikes++;
        return;
      case KIND_CONTROL:
        if (record.strike !== null) activation.strikes++;
        return;
      case KIND_QUARANTINED:
        this.takeQuarantine(activation, record);
        return;
      default:
        throw new TroupeError('JOURNAL_VERSION', `${activation.address} has a record of kind ${record.kind}`);
    }
  }

  private takeKey(activation: Activation, record: RecordReader, position: number): void {
    if (record.key === '') return;
    activation.keys.restore(hashScope(record.principal, record.key), position);
  }

  private takeQuarantine(activation: Activation, record: RecordReader): void {
    const { quarantine } = record;
    if (quarantine === null) return;
    activation.quarantined = quarantine.released
      ? null
      : { reason: quarantine.code, bundle: quarantine.bundle.toString('hex') };
  }

  private async plan(
    activation: Activation,
    snapshot: DecodedSnapshot | null,
    steps: readonly FoldStep[],
  ): Promise<ActivationPlan> {
    const entries = new Map<string, LoadedBundleEntry>();
    const needed = new Set(steps.map((step) => step.hash));
    if (snapshot !== null) needed.add(snapshot.bundle);
    for (const hash of needed) entries.set(hash, await this.bundles.load(hash));
    const first = snapshot?.bundle ?? steps[0]?.hash;
    const last = steps.at(-1)?.hash ?? snapshot?.bundle;
    activation.stateBundle = last === undefined ? null : entries.get(last)!;
    const served: TypeVersion | undefined = this.bundles.served.get(activation.type);
    const state = snapshot?.state ?? null;
    const records = steps.map((step) => ({ bundle: entries.get(step.hash)!.index, bytes: step.bytes }));
    const from = first === undefined ? served?.bundle : entries.get(first);
    return {
      stateBytes: Math.max(state?.length ?? 0, steps.reduce((bytes, step) => bytes + step.bytes.length, 0)),
      write: (batch) => batch.activate(activation.handle, activation.type, activation.id, from!.index, state, records),
    };
  }
}
