/**
 * Seals full log files in the background, one at a time, the oldest first. The order of the steps is what makes a crash
 * between any two of them harmless: the segment is durable under its name before the log file goes.
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
  /** Full files that wait, the oldest first. */
  full(): LogFile | undefined;
  request(log: LogFile): SealRequest;
  /** The segment has its name: from now on it serves. */
  sealed(log: LogFile, segment: string): void;
  warn(message: string): void;
}

export class Sealing {
  private readonly sealer: Sealer;
  private readonly target: SealingTarget;
  private working: Promise<void> | null = null;
  private stopped = false;

  constructor(sealer: Sealer, target: SealingTarget) {
    this.sealer = sealer;
    this.target = target;
  }

  /** There may be a full file. */
  wake(): void {
    if (this.working !== null || this.stopped) return;
    const log = this.target.full();
    if (log === undefined) return;
    this.working = this.sealOne(log).then((done) => {
      this.working = null;
      if (done) this.wake();
    });
  }

  /** Resolves when nothing is left to seal, or sealing failed. */
  async idle(): Promise<void> {
    while (this.working !== null) await this.working;
  }

  async close(): Promise<void> {
    this.stopped = true;
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
