/** How late is what comes from other nodes, told of each of their processes by what came from it before (way-time.ts). */

import { WayTime } from '../runtime/gateway/way-time.ts';
import { transportLimits } from './transport/settings.ts';
import type { NodeIdentity } from './transport/transport.ts';

/** For so long a connection may hold back what was sent over it, and stand (X5 of transport.ts). */
const SILENCE_MAX_MS = transportLimits.checkMs * (transportLimits.silentChecksMax + 1);

interface Sender {
  readonly incarnation: string;
  readonly wayTime: WayTime;
}

export class WayTimes {
  /** By node. */
  private readonly senders = new Map<string, Sender>();

  /** Something came in at `now` that was sent at `sentMs`, each by the clock of its side. Answers how late it is, 0 for in time. */
  heard({ node, incarnation }: NodeIdentity, sentMs: number, now: number): number {
    let sender = this.senders.get(node);
    if (sender === undefined || sender.incarnation !== incarnation) {
      sender = { incarnation, wayTime: new WayTime() };
      this.senders.set(node, sender);
    }
    return sender.wayTime.heard(sentMs, now, SILENCE_MAX_MS);
  }
}
