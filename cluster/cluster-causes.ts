/** Explains records of a whole cluster: each is explained by the owner of its bucket, which alone can read its log. */

import type { CauseLink, Causes, RecordRef } from '../runtime/actor/engine.ts';
import { Address } from '../runtime/actor/engine.ts';
import { TroupeError } from '../runtime/codec/errors.ts';
import { NO_NODE } from './bucket-map.ts';
import type { BucketOwners } from './bucket-owners.ts';
import { EXPLAIN } from './methods.ts';
import type { ExplainValue } from './methods.ts';
import { answerLater } from './serving.ts';
import { ask } from './transport/transport.ts';
import type { Peer, Transport } from './transport/transport.ts';

export interface ClusterCausesParts {
  readonly local: Causes;
  readonly owners: Pick<BucketOwners, 'ownerOf' | 'self' | 'map'>;
  readonly router: { indexOf(to: Address): number };
  readonly peers: { peerOf(number: number): Peer | null };
}

export class ClusterCauses implements Causes {
  private readonly parts: ClusterCausesParts;

  constructor(parts: ClusterCausesParts) {
    this.parts = parts;
  }

  async explain(ref: RecordRef): Promise<CauseLink> {
    const { local, owners, router, peers } = this.parts;
    const index = 'actor' in ref ? router.indexOf(new Address(ref.actor)) : ref.bucket;
    if (index >= owners.map.size) throw new TroupeError('BAD_REQUEST', `there is no bucket ${index}`);
    const owner = owners.ownerOf(index);
    if (owner === owners.self) return local.explain(ref);
    const peer = owner === NO_NODE ? null : peers.peerOf(owner);
    if (peer === null) throw new TroupeError('NOT_READY', `no node serves bucket ${index} at the moment`);
    const value: ExplainValue = 'actor' in ref ? [ref.actor, ref.seq] : [null, ref.bucket, ref.position];
    return (await ask(peer, EXPLAIN, value)).value as CauseLink;
  }

  /** Answers other nodes for the buckets of this one. */
  serve(transport: Transport): void {
    transport.handle(EXPLAIN, (incoming) => {
      const value = incoming.value as ExplainValue;
      answerLater(incoming, this.parts.local.explain(value[0] === null ? { bucket: value[1], position: value[2] } : { actor: value[0], seq: value[1] }));
    });
  }
}
