/**
 * How long what somebody has sent was on its way. A command that comes late may have been tried over another connection meanwhile, and have been forgotten: its
 * client knows that, but what comes is the first try. [A connection is silent for three seconds, and then delivers what it held; the owner of the actor
 * has recorded a hundred others of it, and the client's second try among them.]
 *
 * The clocks of two machines say nothing of each other, but go equally fast: of all that came from one sender, what came soonest after it was sent gives
 * their difference, and how much later something else came is what it was late. The least of some minutes counts, not that of ever: clocks drift.
 */

/** Less than this is no delay: only an actor with more than a thousand commands a second records as many as it remembers meanwhile. */
const LATE_MIN_MS = 100;
/** Of a sender that was first heard so short a time ago, all may be late that came so far. */
const ACQUAINTANCE_MS = 2_000;
const TURN_MS = 120_000;

/** Of one sender, with one clock. */
export class WayTime {
  private firstMs = -Infinity;
  /** The least difference of its clock and ours, since `turnedMs`, and in the turn before. */
  private least = Infinity;
  private leastBefore = Infinity;
  private turnedMs = 0;

  /**
   * Something came in at `now` that was sent at `sentMs`, each by the clock of its side. Answers how late it is at most, 0 for in time; `lateMax` is what may be
   * said of those that there is nothing yet to compare with.
   */
  heard(sentMs: number, now: number, lateMax: number): number {
    const difference = now - sentMs;
    if (this.firstMs === -Infinity) this.firstMs = this.turnedMs = now;
    if (now - this.turnedMs > TURN_MS) {
      this.leastBefore = this.least;
      this.least = difference;
      this.turnedMs = now;
    }
    if (difference < this.least) this.least = difference;
    const lateMs = now - this.firstMs < ACQUAINTANCE_MS ? lateMax : difference - Math.min(this.least, this.leastBefore);
    return lateMs < LATE_MIN_MS ? 0 : Math.ceil(lateMs);
  }
}
