/** Time as the gateway sees it, so that tests can move it by hand. */

export interface Clock {
  /** Milliseconds that only grow; for deadlines and idleness. */
  now(): number;
  /** Milliseconds since 1970; for the expiry of tokens alone. */
  wallNow(): number;
  /** Calls back again and again until the returned function is called. Never keeps the process alive. */
  every(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  every(ms, callback) {
    const timer = setInterval(callback, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};
