/**
 * Watches, from outside, under which epoch each bucket stands and how long its log is, while a cluster works. What it saw must stay true:
 *
 *  W1  Behind the position at which an epoch was seen in force there is no record of a lower one: whoever lost the bucket has not
 *      appended to it any more.
 *  W2  An epoch that was seen is never followed by a lower one.
 *
 * The log alone does not show it: the next owner may not have written anything yet when the former one does.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { BucketId } from '../../runtime/codec/address.ts';
import { messages } from '../../runtime/faults/commands.ts';
import type { StoredRecord } from '../../runtime/journal/journal.ts';
import { RespClient } from '../../runtime/testing/resp.ts';
import { lookAtBuckets } from './store-log.ts';

interface Sighting {
  readonly epoch: number;
  readonly position: number;
}

const EVERY_MS = 100;

export class EpochWitness {
  /** Changes of epochs that were seen. */
  changes = 0;
  private readonly port: number;
  private readonly ids: readonly BucketId[];
  private readonly namespace: string;
  private readonly say: (what: string) => void;
  private readonly sightings: Sighting[][];
  private client: RespClient | null = null;
  private isEnded = false;

  constructor(port: number, ids: readonly BucketId[], say: (what: string) => void, namespace = 'main') {
    this.port = port;
    this.ids = ids;
    this.say = say;
    this.namespace = namespace;
    this.sightings = ids.map(() => []);
  }

  /** Looks again and again, as long as the store answers and whenever it does, until `close`. */
  async watch(): Promise<void> {
    while (!this.isEnded) {
      await this.look().catch(() => this.hangUp());
      await sleep(EVERY_MS, undefined, { ref: false });
    }
    this.hangUp();
  }

  /** Looks once. @throws Error when the store does not answer */
  async look(): Promise<void> {
    this.client ??= await RespClient.open(this.port, { bytes: true });
    const seen = await lookAtBuckets(this.client, this.ids, this.namespace);
    for (const [i, standing] of seen.entries()) if (standing !== null) this.saw(i, standing);
  }

  /** W1, for a record that was read from the log of bucket number `i` of those watched. */
  check(i: number, { position, bytes }: StoredRecord): void {
    const { epoch } = messages.record.toObject(messages.record.decode(bytes), { longs: Number, defaults: true }) as { epoch: number };
    const broken = this.sightings[i]!.find((sighting) => position > sighting.position && epoch < sighting.epoch);
    if (broken !== undefined) this.say(`W1: bucket ${this.ids[i]!.index}: position ${position} was written under epoch ${epoch}, behind ${broken.position}, where epoch ${broken.epoch} was in force`);
  }

  close(): void {
    this.isEnded = true;
    this.hangUp();
  }

  private saw(i: number, standing: Sighting): void {
    const list = this.sightings[i]!;
    const last = list.at(-1);
    if (last?.epoch === standing.epoch) return;
    if (last !== undefined && standing.epoch < last.epoch) this.say(`W2: bucket ${this.ids[i]!.index}: epoch ${standing.epoch} after ${last.epoch}`);
    if (last !== undefined) this.changes++;
    list.push(standing);
  }

  private hangUp(): void {
    this.client?.close();
    this.client = null;
  }
}
