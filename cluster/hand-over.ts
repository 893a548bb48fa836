/** The next owner of buckets is told that they are its own now, with what spares it reading their logs. */

import type { Ownership } from '../runtime/actor/ownership.ts';
import { TroupeError } from '../runtime/codec/errors.ts';
import type { BucketKeeper } from './bucket-keeper.ts';
import { LOG_INDEX, TAKE } from './methods.ts';
import type { LogIndexValue, TakeValue } from './methods.ts';
import { ask } from './transport/transport.ts';
import type { Peer, Transport } from './transport/transport.ts';

/** @throws TroupeError when the node cannot be told; null is one that is not known */
export async function handOver(peer: Peer | null, indexes: readonly number[], logIndexes: ReadonlyMap<number, Buffer>): Promise<void> {
  if (peer === null) throw new TroupeError('UNREACHABLE', 'it is not known here, or its process has ended');
  // First here is first there. One that cannot be sent now is not: the log is read then.
  for (const [index, logIndex] of logIndexes) peer.tell(LOG_INDEX, index satisfies LogIndexValue, logIndex);
  await ask(peer, TAKE, [...indexes] satisfies TakeValue);
}

export function serveHandOvers(transport: Pick<Transport, 'handle' | 'handleMessage'>, ownership: Pick<Ownership, 'takeLogIndex'>, keeper: Pick<BucketKeeper, 'take'>): void {
  transport.handleMessage(LOG_INDEX, ({ value, buffer, bodyFrom, bodyTo }) => {
    ownership.takeLogIndex(value as LogIndexValue, buffer.subarray(bodyFrom, bodyTo));
  });
  transport.handle(TAKE, (incoming) => {
    keeper.take(incoming.value as TakeValue);
    incoming.answer();
  });
}
