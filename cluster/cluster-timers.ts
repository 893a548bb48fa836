/** Timers of an actor, of a whole cluster: the owner of its bucket knows when they are due. */

import type { ActorTimers, PendingTimer } from '../runtime/actor/engine.ts';
import { bucketIndex, hashText, parseAddress, shardKey } from '../runtime/codec/address.ts';
import { TroupeError } from '../runtime/codec/errors.ts';
import { NO_NODE } from './bucket-map.ts';
import type { BucketOwners } from './bucket-owners.ts';
import { TIMERS } from './methods.ts';
import { answerLater } from './serving.ts';
import { ask } from './transport/transport.ts';
import type { Peer, Transport } from './transport/transport.ts';

export interface ClusterTimersParts {
  readonly local: ActorTimers;
  readonly owners: Pick<BucketOwners, 'ownerOf' | 'self' | 'map'>;
  readonly peers: { peerOf(number: number): Peer | null };
}

export class ClusterTimers implements ActorTimers {
  private readonly parts: ClusterTimersParts;

  constructor(parts: ClusterTimersParts) {
    this.parts = parts;
  }

  async pendingTimers(actor: string): Promise<readonly PendingTimer[]> {
    const { local, owners, peers } = this.parts;
    const bucket = bucketIndex(hashText(shardKey(parseAddress(actor))), Math.log2(owners.map.size));
    const owner = owners.ownerOf(bucket);
    if (owner === owners.self) return local.pendingTimers(actor);
    const peer = owner === NO_NODE ? null : peers.peerOf(owner);
    if (peer === null) throw new TroupeError('NOT_READY', `no node serves bucket ${bucket} at the moment`);
    return (await ask(peer, TIMERS, actor)).value as PendingTimer[];
  }

  /** Answers other nodes for the buckets of this one. */
  serve(transport: Transport): void {
    transport.handle(TIMERS, (incoming) => answerLater(incoming, this.parts.local.pendingTimers(incoming.value as string)));
  }
}
