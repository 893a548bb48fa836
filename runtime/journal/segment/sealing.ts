/**
 * Seals full log files in the background, one at a time, the oldest first. The order of the steps is what makes a crash
 * between any two of them harmless: the segment is durable under its name before the log file goes.
 *
 * Sealing a file takes about a second of CPU. While the journal is busy it waits, because those who wait for their commits need
 * that second more, but never for more than `filesMax` files: a start reads all that is not sealed.
 *
 * A seal that fails leaves the log file where it is, and it is served from there; the journal is larger, not wrong.
 */

import type { SealRequest } from './seal.ts';
import type { LogFile } from './log-file.ts';

/** Runs `seal` somewhere that is not the event loop; answers the name of the segment. */
export interface Sealer {
  seal(request: SealRequest): Promise<string>;
  close(): Promise<void>;
}

export interface SealingTarget {
  /** Full files that wait. */
  backlog(): number;
  /** Bytes appended since the journal was opened. */
  appendedBytes(): number;
  /** Full files that wait, the oldest first. */
  full(): LogFile | undefined;
  request(log: LogFile): SealRequest;
  /** The segment has its name: from now on it serves. */
  sealed(log: LogFile, segment: string): void;
  warn(message: string): void;
}

/** 0 files: never waits. */
export interface SealingPatience {
  readonly filesMax: number;
}

const LOOK_MS = 250;
/** The journal is busy when more than this is appended between two looks. */
const BUSY_BYTES = 256 * 1024;

export class Sealing {
  private readonly sealer: Sealer;
  private readonly target: SealingTarget;
  private working: Promise<void> | null = null;
  private stopped = false;
  private readonly patience: SealingPatience;
  private timer: NodeJS.Timeout | null = null;
  private seenBytes = -1;

  constructor(sealer: Sealer, target: SealingTarget, patience: SealingPatience) {
    this.patience = patience;
    this.sealer = sealer;
    this.target = target;
  }

  /** There may be a full file. */
  wake(): void {
    if (this.working !== null || this.stopped || this.timer !== null) return;
    const log = this.target.full();
    if (log === undefined || this.putsOff()) return;
    this.working = this.sealOne(log).then((done) => {
      this.working = null;
      if (done) this.wake();
    });
  }

  /** Looks again a little later while the journal is busy and not too much waits. */
  private putsOff(): boolean {
    if (this.target.backlog() >= this.patience.filesMax) return false;
    const bytes = this.target.appendedBytes();
    const quiet = this.seenBytes >= 0 && bytes - this.seenBytes < BUSY_BYTES;
    this.seenBytes = bytes;
    if (quiet) return false;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.wake();
    }, LOOK_MS);
    this.timer.unref();
    return true;
  }

  /** Resolves when nothing is left to seal, or sealing failed. */
  async idle(): Promise<void> {
    while (this.working !== null) await this.working;
  }

  async close(): Promise<void> {
    this.stopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
    await this.sealer.close();
    await this.working;
  }

  private async sealOne(log: LogFile): Promise<boolean> {
    try {
      const segment = await this.sealer.seal(this.target.request(log));
      // A segment that was finished while the journal closed is found by the next one (R4).
      if (!this.stopped) this.target.sealed(log, segment);
      return true;
    } catch (error) {
      if (!this.stopped) this.target.warn(`${log.path} was not sealed: ${(error as Error).message}`);
      return false;
    }
  }
}
