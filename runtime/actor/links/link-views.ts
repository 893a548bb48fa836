/** Links as people look at them: who is linked to an actor, and whom an actor is linked to. From the fold and the durable log; no turn is needed. */

import { hashText, parseAddress } from '../../codec/address.ts';
import { RecordReader } from '../../codec/record.ts';
import type { Journal } from '../../journal/journal.ts';
import type { Bucket } from '../bucket.ts';
import type { LinkedPage, Links } from '../engine.ts';
import { foldLinks } from '../messages/actor-fold.ts';
import { decodeSnapshot } from '../snapshots.ts';
import { readLinked } from './chunk.ts';

export interface LinkViewParts {
  readonly journal: Journal;
  bucketOf(address: { readonly type: string; readonly id: string }): Bucket;
}

export class LinkViews implements Links {
  private readonly parts: LinkViewParts;

  constructor(parts: LinkViewParts) {
    this.parts = parts;
  }

  async linkedTo(actor: string, from: number, max: number): Promise<LinkedPage> {
    const bucket = this.parts.bucketOf(parseAddress(actor));
    // What is being opened or handed over has no fold to be asked.
    if (bucket.isHeld) throw bucket.heldError();
    const found = bucket.linked.positionsOf(actor, from, max + 1).filter((position) => position <= bucket.durablePosition);
    const positions = found.slice(0, max);
    const count = bucket.linked.count(actor);
    const actors = await readLinked(this.parts.journal, bucket, positions);
    return { count, links: actors.map((linked, i) => ({ actor: linked, position: positions[i]! })), next: found[max] ?? 0 };
  }

  async linksOf(actor: string): Promise<readonly string[]> {
    const { journal } = this.parts;
    const { id } = this.parts.bucketOf(parseAddress(actor));
    const hash = hashText(actor);
    const history = await journal.readActor(id, actor, hash);
    const snapshot = history.snapshot === null ? null : decodeSnapshot(history.snapshot, actor);
    const records = snapshot === null && history.snapshot !== null ? await journal.readActorRecords(id, actor, hash) : history.records;
    const linked = snapshot?.linked ?? new Map<string, number>();
    const record = new RecordReader();
    for (const { bytes } of records) foldLinks(linked, record.over(bytes));
    return [...linked.keys()];
  }
}
