/**
 * Random work on a simulated disk, with images of what a power cut would have left at its moments, and the check that every
 * image must pass: all acknowledged records are there, none is altered, and what else is there are whole records in order.
 */

import type { BucketId } from '../../codec/address.ts';
import { hashText } from '../../codec/address.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import { LogMaker } from '../contract-log.ts';
import { Dice } from '../contract-model.ts';
import type { Journal } from '../journal.ts';
import { DirectSealer } from './direct-sealer.ts';
import type { RecoveryRules } from './recovery.ts';
import { createSegmentJournal } from './segment-journal.ts';
import { SimDisk } from './sim-disk.ts';

export interface CrashSettings {
  readonly seed: number;
  readonly steps: number;
  readonly imagesPerMoment: number;
  readonly sync?: boolean;
  readonly rules?: RecoveryRules;
  readonly blockBytes?: number;
}

export interface CrashImage {
  readonly disk: SimDisk;
  /** Per bucket: the highest acknowledged position and the highest epoch taken. */
  readonly acknowledged: readonly { readonly position: number; readonly epoch: number }[];
}

const BUCKETS = 3;
const FILE_BYTES = 12 * 1024;
const directory = '/journal';
const ids: BucketId[] = Array.from({ length: BUCKETS }, (_, index) => ({ bits: 2, index }));

export class CrashRun {
  readonly images: CrashImage[] = [];
  logs: LogMaker[] = [];
  private readonly dice: Dice;
  private readonly settings: CrashSettings;
  private readonly disk: SimDisk;
  private readonly acknowledged = ids.map(() => ({ position: 0, epoch: 0 }));
  private journal: Journal;

  constructor(settings: CrashSettings) {
    this.settings = settings;
    this.dice = new Dice(settings.seed);
    this.disk = new SimDisk(settings.blockBytes);
    this.journal = journalOn(this.disk, this.dice, settings);
    this.disk.onMoment = () => this.takeImages();
  }

  async work(): Promise<void> {
    await this.open();
    for (let step = 0; step < this.settings.steps; step++) {
      const work = this.dice.below(100);
      if (work < 80) await this.append();
      else if (work < 90) this.putSnapshots();
      else if (work < 94) await new Promise((resolve) => setTimeout(resolve, 2));
      else if (work < 97) this.putCheckpoint();
      else await this.reopen();
    }
    await this.journal.close();
    this.disk.onMoment = () => undefined;
  }

  private takeImages(): void {
    for (let i = 0; i < this.settings.imagesPerMoment; i++) {
      const disk = this.disk.image((n) => this.dice.below(n), this.dice.pick([1, 8]));
      this.images.push({ disk, acknowledged: this.acknowledged.map((bucket) => ({ ...bucket })) });
    }
  }

  private async open(): Promise<void> {
    await this.journal.open();
    const heads = await this.journal.openBuckets(ids);
    for (const [b, head] of heads.entries()) {
      this.logs[b] ??= new LogMaker(head);
      this.logs[b]!.epoch = head.epoch;
      this.acknowledged[b]!.epoch = head.epoch;
    }
  }

  private async append(): Promise<void> {
    const calls = Array.from({ length: 1 + this.dice.below(3) }, () => {
      const batch = this.logs.filter(() => this.dice.below(2) === 0).map((log) => this.appendTo(log));
      return this.journal.append(batch).then((outcomes) => {
        for (const [i, outcome] of outcomes.entries()) {
          if (outcome.kind !== 'appended') throw new Error(`the work itself failed: ${JSON.stringify(outcome)}`);
          const { bucket, position, count } = batch[i]!;
          this.acknowledged[bucket.index]!.position = position + count - 1;
        }
      });
    });
    await Promise.all(calls);
  }

  private appendTo(log: LogMaker): ReturnType<LogMaker['next']> {
    const size = this.dice.pick([0, 40, 300, 1500]);
    const filling = this.dice.below(255) + 1;
    const actors = Array.from({ length: 1 + this.dice.below(3) }, () => `a.A:${this.dice.below(6)}`);
    return log.next(actors, () => Buffer.alloc(size, filling));
  }

  private putSnapshots(): void {
    for (const [b, log] of this.logs.entries()) {
      const record = log.records[this.acknowledged[b]!.position - 1];
      if (record === undefined) continue;
      const { actor, position, head } = record;
      const bytes = Buffer.from(`snapshot of ${actor} at ${position} ${'x'.repeat(this.dice.below(900))}`);
      this.journal.putSnapshots([{ bucket: log.bucket, actor, actorHash: hashText(actor), position, head, bytes }]);
    }
  }

  private putCheckpoint(): void {
    const b = this.dice.below(BUCKETS);
    const { position } = this.acknowledged[b]!;
    this.journal.putCheckpoints([{ bucket: ids[b]!, position, head: this.logs[b]!.headAt(position), bytes: Buffer.from(`checkpoint at ${position}`) }]);
  }

  private async reopen(): Promise<void> {
    await this.journal.close();
    this.journal = journalOn(this.disk, this.dice, this.settings);
    await this.open();
  }

  /** What is wrong with a journal that is opened on the image; null when nothing is. */
  async fault(image: CrashImage): Promise<string | null> {
    const journal = journalOn(image.disk, this.dice, this.settings);
    try {
      await journal.open();
    } catch (error) {
      return `it does not open: ${(error as Error).message}`;
    }
    try {
      const heads = await journal.openBuckets(ids);
      for (const [b, log] of this.logs.entries()) {
        const fault = await this.faultIn(journal, log, heads[b]!.position, heads[b]!.epoch, image.acknowledged[b]!);
        if (fault !== null) return `bucket ${b}: ${fault}`;
      }
      return await this.faultOfNext(journal, heads[0]!.position);
    } catch (error) {
      return (error as Error).message;
    } finally {
      await journal.close();
    }
  }

  private async faultIn(journal: Journal, log: LogMaker, position: number, epoch: number, acknowledged: CrashImage['acknowledged'][number]): Promise<string | null> {
    if (epoch <= acknowledged.epoch) return `epoch ${epoch} was taken before`;
    if (position < acknowledged.position) return `${acknowledged.position} records were acknowledged, ${position} are there`;
    let at = 0;
    for await (const record of journal.readBucket(log.bucket, 1)) {
      const made = log.records[at++];
      if (made === undefined || record.position !== at || !made.bytes.equals(record.bytes) || !sameHead(made.head, record.head)) {
        return `the record at position ${at} is not the one that was written`;
      }
    }
    if (at !== position) return `the head says ${position} records, ${at} can be read`;
    const actor = `a.A:${this.dice.below(6)}`;
    const { snapshot, records } = await journal.readActor(log.bucket, actor, hashText(actor));
    const from = snapshot === null ? 0 : Number(/ at (\d+) /.exec(snapshot.toString())![1]);
    const expected = log.of(actor, from + 1, position + 1);
    if (expected.length !== records.length || records.some((r, i) => r.position !== expected[i]!.position)) return `the history of ${actor} is not whole`;
    return null;
  }

  /** The journal goes on: a new record is taken and read back. */
  private async faultOfNext(journal: Journal, position: number): Promise<string | null> {
    const log = this.logs[0]!;
    const [head] = await journal.openBuckets([ids[0]!]);
    const next = new LogMaker(head!);
    const [outcome] = await journal.append([next.next(['a.A:next'])]);
    if (outcome!.kind !== 'appended') return `the next append was answered ${outcome!.kind}`;
    for await (const record of journal.readBucket(log.bucket, position + 1)) {
      return record.bytes.equals(next.records[0]!.bytes) ? null : 'the next record is another one';
    }
    return 'the next record is missing';
  }
}

export function journalOn(disk: SimDisk, dice: Dice, settings: Pick<CrashSettings, 'sync' | 'rules'>): Journal {
  const random64 = (): Hash64 => ({ hi: dice.below(2 ** 32), lo: dice.below(2 ** 32) });
  const inlineCommit = dice.below(2) === 0;
  const seams = { disk, random64, inlineCommit, idleMs: 1, lock: () => ({ release: () => undefined }), sealer: () => new DirectSealer(disk) };
  const options = { directory, segmentFileBytes: FILE_BYTES, sync: settings.sync ?? true };
  return createSegmentJournal(options, settings.rules === undefined ? seams : { ...seams, rules: settings.rules });
}

function sameHead(a: Hash64, b: Hash64): boolean {
  return a.hi === b.hi && a.lo === b.lo;
}
