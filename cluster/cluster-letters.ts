/**
 * Parked and failed messages of a whole cluster: every node lists those of its buckets, and the owner of a bucket carries out what is asked
 * about one of them.
 *
 * A page holds what all nodes have up to the place where the first of their pages ends: what lies behind may be another node's before it is
 * this one's. A bucket that changes hands meanwhile may be missing from a page, or be in two; the next look shows it.
 */

import type { DeadLetter, DeadLetterPage, DeadLetterQuery, DeadLetters, LetterOutcome, RecordPlace } from '../runtime/actor/engine.ts';
import type { Scheduler } from '../runtime/actor/seams.ts';
import { TroupeError } from '../runtime/codec/errors.ts';
import { NO_NODE } from './bucket-map.ts';
import type { BucketOwners } from './bucket-owners.ts';
import { DROP_LETTER, LETTERS, RETRY_LETTER } from './methods.ts';
import type { LettersValue, PlaceValue } from './methods.ts';
import { answerLater } from './serving.ts';
import { ask } from './transport/transport.ts';
import type { Peer, Transport } from './transport/transport.ts';

const ASK_MAX_MS = 5_000;

export interface ClusterLettersParts {
  readonly local: DeadLetters;
  readonly owners: Pick<BucketOwners, 'ownerOf' | 'self' | 'map'>;
  readonly timers: Pick<Scheduler, 'later'>;
  readonly peers: {
    peerOf(number: number): Peer | null;
    others(): readonly { readonly node: { readonly id: string }; readonly peer: Peer }[];
  };
}

export class ClusterLetters implements DeadLetters {
  private readonly parts: ClusterLettersParts;

  constructor(parts: ClusterLettersParts) {
    this.parts = parts;
  }

  async deadLetters(query: DeadLetterQuery): Promise<DeadLetterPage> {
    const { type, actor = '', after, max } = query;
    const value: LettersValue = [type, after.bucket, after.position, max, actor];
    const others = this.parts.peers.others();
    const [own, ...asked] = await Promise.all([
      this.parts.local.deadLetters(query),
      ...others.map(({ peer }) => this.inTime(ask(peer, LETTERS, value).then((answer) => answer.value as DeadLetterPage))),
    ]);
    const missing = others.filter((_, i) => asked[i] === null).map(({ node }) => node.id);
    const pages = [own!, ...asked.filter((page) => page !== null)];
    return { ...merged(pages, max), missing };
  }

  retry(place: RecordPlace): Promise<LetterOutcome> {
    return this.order(RETRY_LETTER, place, (local) => local.retry(place));
  }

  drop(place: RecordPlace): Promise<LetterOutcome> {
    return this.order(DROP_LETTER, place, (local) => local.drop(place));
  }

  /** Answers other nodes for the buckets of this one. */
  serve(transport: Transport): void {
    const { local } = this.parts;
    transport.handle(LETTERS, (incoming) => {
      const [type, bucket, position, max, actor] = incoming.value as LettersValue;
      answerLater(incoming, local.deadLetters({ type, actor, after: { bucket, position }, max }));
    });
    transport.handle(RETRY_LETTER, (incoming) => answerLater(incoming, local.retry(placeOf(incoming.value as PlaceValue))));
    transport.handle(DROP_LETTER, (incoming) => answerLater(incoming, local.drop(placeOf(incoming.value as PlaceValue))));
  }

  private async order(method: number, place: RecordPlace, here: (local: DeadLetters) => Promise<LetterOutcome>): Promise<LetterOutcome> {
    const { owners, local } = this.parts;
    const { bucket, position } = place;
    if (bucket >= owners.map.size) throw new TroupeError('BAD_REQUEST', `there is no bucket ${bucket}`);
    const owner = owners.ownerOf(bucket);
    if (owner === owners.self) return here(local);
    const peer = owner === NO_NODE ? null : this.parts.peers.peerOf(owner);
    if (peer === null) throw new TroupeError('NOT_READY', `no node serves bucket ${bucket} at the moment`);
    const value: PlaceValue = [bucket, position];
    return (await ask(peer, method, value)).value as LetterOutcome;
  }

  /** null for a node that does not answer. */
  private inTime(page: Promise<DeadLetterPage>): Promise<DeadLetterPage | null> {
    return new Promise((resolve) => {
      this.parts.timers.later(ASK_MAX_MS, () => resolve(null));
      page.then(resolve, () => resolve(null));
    });
  }
}

function placeOf([bucket, position]: PlaceValue): RecordPlace {
  return { bucket, position };
}

function merged(pages: readonly DeadLetterPage[], max: number): { letters: DeadLetter[]; next: RecordPlace | null } {
  const ends = pages.flatMap(({ next }) => next ?? []).sort(byPlace);
  const [end = null] = ends;
  const letters = pages.flatMap((page) => page.letters).filter((letter) => end === null || byPlace(letter, end) <= 0).sort(byPlace);
  if (letters.length <= max) return { letters, next: end };
  const kept = letters.slice(0, max);
  const { bucket, position } = kept.at(-1)!;
  return { letters: kept, next: { bucket, position } };
}

function byPlace(a: RecordPlace, b: RecordPlace): number {
  return a.bucket - b.bucket || a.position - b.position;
}
