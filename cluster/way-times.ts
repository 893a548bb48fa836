/**
 * How long what another node sent was on its way. A command that comes late may have been tried through another node meanwhile, and have been
 * forgotten: its client knows that, but what comes is the first try. [A link is silent for three seconds, and then delivers what it held; the owner has
 * recorded a hundred others of the same actor, and the client's second try among them.]
 *
 * The clocks of two nodes say nothing of each other, but go equally fast: of all that came from one process, what came soonest after it was sent gives
 * their difference, and how much later something else came is what it was late. The least of some minutes counts, not that of ever: clocks drift.
 */

import type { NodeIdentity } from './transport/transport.ts';

/** Less than this is no delay: only an actor with more than a thousand commands a second records as many as it remembers meanwhile. */
const LATE_MIN_MS = 100;
/** Of a process that was first heard so short a time ago, all may be late that came so far, */
const ACQUAINTANCE_MS = 2_000;
/** by as much as a connection may be silent (X5 of transport.ts). */
const SILENCE_MAX_MS = 4_000;
const TURN_MS = 120_000;

interface Sender {
  readonly incarnation: string;
  readonly sinceMs: number;
  /** The least difference of its clock and ours, since `turnedMs`, and in the turn before. */
  least: number;
  leastBefore: number;
  turnedMs: number;
}

export class WayTimes {
  /** By node. */
  private readonly senders = new Map<string, Sender>();

  /** Something came in at `now` that was sent at `sentMs`, each by the clock of its side. Answers how late it is, 0 for in time. */
  heard({ node, incarnation }: NodeIdentity, sentMs: number, now: number): number {
    const difference = now - sentMs;
    let sender = this.senders.get(node);
    if (sender === undefined || sender.incarnation !== incarnation) {
      sender = { incarnation, sinceMs: now, least: difference, leastBefore: difference, turnedMs: now };
      this.senders.set(node, sender);
    }
    if (now - sender.turnedMs > TURN_MS) {
      sender.leastBefore = sender.least;
      sender.least = difference;
      sender.turnedMs = now;
    }
    if (difference < sender.least) sender.least = difference;
    if (now - sender.sinceMs < ACQUAINTANCE_MS) return SILENCE_MAX_MS;
    const lateMs = difference - Math.min(sender.least, sender.leastBefore);
    return lateMs < LATE_MIN_MS ? 0 : Math.ceil(lateMs);
  }
}
