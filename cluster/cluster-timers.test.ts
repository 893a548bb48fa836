/** Whoever is asked for an actor's timers, its owner answers. */

import t from 'tap';

import type { ActorTimers } from '../runtime/actor/engine.ts';
import { bucketIndex, hashText } from '../runtime/codec/address.ts';
import { BucketMap } from './bucket-map.ts';
import { ClusterTimers } from './cluster-timers.ts';
import { TIMERS } from './methods.ts';
import type { Peer, Pending } from './transport/transport.ts';

const BITS = 2;
const NO_BYTES = Buffer.alloc(0);

/** A node whose answer names it and the actor. */
function node(name: string): ActorTimers {
  return { pendingTimers: async (actor) => [{ name, command: actor, body: {}, dueMs: 1, everyMs: 0, cron: '', zone: '', armedMs: 1, record: { bucket: 0, position: 1 } }] };
}

function peerOf(behind: ActorTimers): Peer {
  return {
    request: (pending: Pending, method: number, value: unknown) => {
      if (method === TIMERS) void behind.pendingTimers(value as string).then((answer) => pending.answered(answer, NO_BYTES, 0, 0));
    },
  } as unknown as Peer;
}

t.test('the owner answers, wherever it is', async (t) => {
  // The node itself is 1, 2 is a peer, 3 does not answer any more, and nobody owns the last bucket.
  const timers = new ClusterTimers({
    local: node('self'),
    owners: { self: 1, ownerOf: (index) => [1, 2, 3, 0][index]!, map: BucketMap.empty(BITS) },
    peers: { peerOf: (number) => (number === 2 ? peerOf(node('peer')) : null) },
  });
  const seen = new Set<number>();
  for (let i = 0; seen.size < 4; i++) {
    const actor = `a.v1.B:${i}`;
    const bucket = bucketIndex(hashText(actor), BITS);
    seen.add(bucket);
    if (bucket >= 2) await t.rejects(timers.pendingTimers(actor), { code: 'NOT_READY' });
    else t.match(await timers.pendingTimers(actor), [{ name: bucket === 0 ? 'self' : 'peer', command: actor }]);
  }
  await t.rejects(timers.pendingTimers('no address'), { code: 'BAD_ADDRESS' });
});
