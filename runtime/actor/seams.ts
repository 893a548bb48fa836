/** Time, randomness and scheduling, as the engine sees them, so that a test can own all three. */

export interface Clock {
  /** Milliseconds since 1970 by the wall clock. */
  now(): number;
  /** Milliseconds that never go back, from an arbitrary start. */
  monotonic(): number;
}

export interface Entropy {
  /** 32 random bits, unsigned. */
  next(): number;
}

export interface Scheduler {
  /** Runs `task` once, in a later turn of the event loop, after the input that is already there was taken in. */
  soon(task: () => void): void;
  /** Runs `task` once, after so many milliseconds. */
  later(delayMs: number, task: () => void): void;
}

export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
