/**
 * What keeps the requests of one node for one bucket in order when some of them are refused. They come one behind the other, and those
 * behind a refused one are on their way already. [The bucket arrives here between two of them: the first is refused and sent again, the second is served before
 * it.] So each carries an era, which its sender raises when none is on its way any more; and from one that is refused on, all of its
 * era are.
 */

import type { ErrorCode } from '../runtime/codec/errors.ts';
import type { IncomingRequest } from './transport/transport.ts';

/** What a sender answers by sending again. */
export function isSentAgain(code: ErrorCode): boolean {
  return code === 'NOT_OWNER' || code === 'FENCED' || code === 'NOT_READY';
}

export interface ServedRequest {
  readonly to: { readonly text: string; bucket: number };
  readonly era: number;
  readonly incoming: IncomingRequest;
}

export class Refusals {
  /** By sender: its process, and of each bucket the newest era of which something was refused. */
  private readonly bySender = new Map<string, { readonly incarnation: string; readonly eras: Map<number, number> }>();
  private readonly indexOf: (to: ServedRequest['to']) => number;

  /** `indexOf` finds the bucket of an address. @throws TroupeError BAD_ADDRESS */
  constructor(indexOf: (to: ServedRequest['to']) => number) {
    this.indexOf = indexOf;
  }

  /** Whether the request stands behind one that was refused. */
  covers(request: ServedRequest): boolean {
    const eras = this.bySender.get(request.incoming.from.node);
    if (eras === undefined || eras.incarnation !== request.incoming.from.incarnation) return false;
    const refused = eras.eras.get(this.indexOf(request.to));
    return refused !== undefined && request.era <= refused;
  }

  answered(request: ServedRequest, code: ErrorCode): void {
    if (!isSentAgain(code)) return;
    const { node, incarnation } = request.incoming.from;
    let sender = this.bySender.get(node);
    if (sender === undefined || sender.incarnation !== incarnation) this.bySender.set(node, (sender = { incarnation, eras: new Map() }));
    const index = this.indexOf(request.to);
    sender.eras.set(index, Math.max(request.era, sender.eras.get(index) ?? 0));
  }
}
