/** Looks at the store every few seconds, and at once when it is asked to: one look at a time. A look answers for its own errors. */

const LOOK_EVERY_MS = 5_000;

export class Lookout {
  private readonly look: () => Promise<void>;
  private readonly everyMs: number;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | null = null;

  constructor(look: () => Promise<void>, everyMs = LOOK_EVERY_MS) {
    this.look = look;
    this.everyMs = everyMs;
  }

  /** Looks now, and from now on until it is closed. */
  follow(): void {
    void this.now();
    this.timer = setInterval(() => void this.now(), this.everyMs);
    this.timer.unref();
  }

  /** Joins the look that is under way. */
  now(): Promise<void> {
    this.looking ??= this.look().finally(() => {
      this.looking = null;
    });
    return this.looking;
  }

  /** As `now`, but a look that is under way does not count: it may have seen what was before. */
  async anew(): Promise<void> {
    if (this.looking !== null) await this.looking;
    return this.now();
  }

  close(): void {
    clearInterval(this.timer);
  }
}
