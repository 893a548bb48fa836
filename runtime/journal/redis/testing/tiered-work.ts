/**
 * One bucket under work, beside a plain model of it: every record that was acknowledged, and of every actor the fold that a snapshot must
 * hold. `complaintsOf` reads everything back through a journal and says what does not fit.
 */

import { crc32 } from 'node:zlib';

import { hashText } from '../../../codec/address.ts';
import { LogMaker } from '../../contract-log.ts';
import type { Dice } from '../../contract-model.ts';
import type { Append, BucketHead, Journal, StoredRecord } from '../../journal.ts';

const ACTORS = 9;
const WRONG_SNAPSHOT_ONE_IN = 6;

export class TieredWork {
  readonly maker: LogMaker;
  private readonly dice: Dice;
  /** Bytes of every record that do not compress. */
  private readonly noiseBytes: number;
  /** Acknowledged so far; behind it records may be there or not. */
  acknowledged = 0;

  constructor(head: BucketHead, dice: Dice, noiseBytes = 0) {
    this.maker = new LogMaker(head);
    this.dice = dice;
    this.noiseBytes = noiseBytes;
  }

  /** One to four records of a few actors and of the bucket itself; no two have the same bytes. */
  next(): Append {
    const actors = Array.from({ length: 1 + this.dice.below(4) }, () => actorName(this.dice.below(ACTORS)));
    const begin = this.maker.position;
    return this.maker.next(actors, (i) => Buffer.concat([Buffer.from(`${begin + i} ${'.'.repeat(this.dice.below(150))}`), this.noise()]));
  }

  /** So many appends, with snapshots in between: of old positions, of new ones, and some of another history. @throws Error when one is not taken */
  async append(journal: Journal, appends: number): Promise<void> {
    for (let i = 0; i < appends; i++) {
      const [outcome] = await journal.append([this.next()]);
      if (outcome!.kind !== 'appended') throw new Error(`an append was answered ${JSON.stringify(outcome)}`);
      this.acknowledged = this.maker.position;
      this.snapshot(journal);
    }
  }

  private noise(): Uint8Array {
    return Uint8Array.from({ length: this.noiseBytes }, () => this.dice.below(256));
  }

  snapshot(journal: Journal): void {
    const actor = actorName(1 + this.dice.below(ACTORS - 1));
    const records = this.maker.of(actor, 1, this.acknowledged + 1);
    const record = records.at(-1 - this.dice.below(Math.min(4, Math.max(1, records.length))));
    if (record === undefined) return;
    const isWrong = this.dice.below(WRONG_SNAPSHOT_ONE_IN) === 0;
    const bytes = Buffer.from(isWrong ? 'a fold of another history' : foldOf(records.filter(({ position }) => position <= record.position)));
    const head = isWrong ? { hi: 7, lo: record.position } : record.head;
    journal.putSnapshots([{ bucket: this.maker.bucket, actor, actorHash: hashText(actor), position: record.position, head, bytes }]);
  }

  /** Goes on behind what the log holds, which must be what was acknowledged, and perhaps more. */
  resume(head: BucketHead): string[] {
    const { maker } = this;
    if (head.position < this.acknowledged) return [`lost: the log ends at ${head.position}, acknowledged was ${this.acknowledged}`];
    if (head.position > maker.position) return [`twice: the log ends at ${head.position}, and nobody asked for more than ${maker.position}`];
    maker.records.length = head.position;
    maker.position = head.position;
    maker.head = maker.headAt(head.position);
    maker.epoch = head.epoch;
    this.acknowledged = head.position;
    return maker.head.hi === head.head.hi && maker.head.lo === head.head.lo ? [] : ['chain: the log leads to another head'];
  }

  async complaintsOf(journal: Journal): Promise<string[]> {
    const { maker } = this;
    const { bucket } = maker;
    const complaints: string[] = [];
    const differs = (found: readonly StoredRecord[], wanted: readonly StoredRecord[]): boolean => shown(found) !== shown(wanted);
    const records: StoredRecord[] = [];
    for await (const record of journal.readBucket(bucket, 1)) records.push(record);
    if (differs(records, maker.all())) complaints.push(`log: ${records.length} records were read, ${maker.position} are in the model, or some differ`);
    for (let number = 1; number < ACTORS; number++) {
      const actor = actorName(number);
      const hash = hashText(actor);
      if (differs(await journal.readActorRecords(bucket, actor, hash), maker.of(actor))) complaints.push(`records: of ${actor}`);
      const history = await journal.readActor(bucket, actor, hash);
      const at = history.snapshot === null ? 0 : positionOf(history.snapshot);
      const folded = maker.of(actor, 1, at + 1);
      if (history.snapshot !== null && history.snapshot.toString() !== foldOf(folded)) complaints.push(`snapshot: of ${actor} is ${history.snapshot.toString()}`);
      if (differs(history.records, maker.of(actor, at + 1))) complaints.push(`tail: of ${actor} behind ${at}`);
    }
    return complaints;
  }
}

/** 0 is the bucket itself. */
function actorName(number: number): string {
  return number === 0 ? '' : `a.A:${number}`;
}

/** What an actor's state is after these records: their last position, and a digest of them all. */
function foldOf(records: readonly StoredRecord[]): string {
  return `${records.at(-1)?.position ?? 0} ${records.reduce((sum, { bytes }) => crc32(bytes, sum), 0)}`;
}

function positionOf(snapshot: Buffer): number {
  return Number.parseInt(snapshot.toString(), 10) || 0;
}

function shown(records: readonly StoredRecord[]): string {
  return records.map(({ position, head, bytes }) => `${position} ${head.hi} ${head.lo} ${crc32(bytes)}`).join('\n');
}
