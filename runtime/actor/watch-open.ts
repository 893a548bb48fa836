/** Opening a watch: finds out where the actor stands, through a read like any other, and starts the pump from there. */

import type { ActorAddress } from '../codec/address.ts';
import { hashText, parseAddress } from '../codec/address.ts';
import { TroupeError } from '../codec/errors.ts';
import type { Journal } from '../journal/journal.ts';
import { FORMAT_PROTO } from '../sandbox/sandbox.ts';
import { RESIDENT } from './activation.ts';
import type { Bucket } from './bucket.ts';
import type { Catalog } from './catalog.ts';
import type { Bundles } from './bundles.ts';
import type { Calls } from './calls.ts';
import { Address } from './engine.ts';
import type { GetRequest, Watch, WatchRequest } from './engine.ts';
import type { WatchRegistry } from './watch-registry.ts';
import { WatchPump } from './watches.ts';
import type { WatchStart } from './watches.ts';

export interface WatchParts {
  readonly journal: Journal;
  readonly bundles: Bundles;
  readonly calls: Calls;
  readonly watches: WatchRegistry;
  readonly catalog: Catalog;
  bucketOf(address: ActorAddress): Bucket;
  get(request: GetRequest): void;
}

/**
 * The read is answered only when what it saw is durable, so every event up to its seq is in the journal. The pump starts at the first record and
 * passes over older events; behind the actor's newest record, when what is watched begins behind that and nothing newer is on its way. [A position
 * that is not durable yet may be somebody else's when its append fails.]
 */
export function openWatch(request: WatchRequest, parts: WatchParts): Watch {
  let pump: WatchPump | null = null;
  let closed = false;
  parts.get({
    to: new Address(request.to),
    format: FORMAT_PROTO,
    failed: (error) => {
      if (!closed) request.failed(error);
    },
    done: (seq) => {
      if (closed) return;
      try {
        pump = startPump(request, parts, seq);
      } catch (error) {
        if (!(error instanceof TroupeError)) throw error;
        request.failed({ code: error.code, message: error.message });
        return;
      }
      request.opened(seq);
      pump.wake();
    },
  });
  return {
    resume: () => pump?.resume(),
    close: () => {
      closed = true;
      pump?.close();
    },
  };
}

function startPump(request: WatchRequest, parts: WatchParts, seq: number): WatchPump {
  const { watches, catalog } = parts;
  const address = parseAddress(request.to);
  const bucket = parts.bucketOf(address);
  if (!bucket.owned) throw new TroupeError('NOT_OWNER', `this node does not own ${request.to}`);
  const actor = {
    address: request.to,
    type: address.type,
    bucket,
    actorHash: hashText(request.to),
  };
  const from = request.from === 0 ? seq + 1 : request.from;
  const known = catalog.find(request.to);
  const isAtEnd = known !== undefined && known.phase === RESIDENT && known.seq === seq && known.lastPosition <= bucket.durablePosition && from > seq;
  const start: WatchStart = isAtEnd ? { position: known.lastPosition, isSettled: true } : { position: 0, isSettled: false };
  const pump = new WatchPump(request, actor, start, from, parts, (ended) => {
    watches.remove(request.to, ended);
    const activation = catalog.find(request.to);
    if (activation !== undefined) activation.watchers = watches.of(request.to);
  });
  const pumps = watches.add(request.to, pump);
  if (known !== undefined) known.watchers = pumps;
  return pump;
}
