/**
 * Tells the log of something that is tried again until it works, such as what waits for a store that is away: one line when it begins, one when
 * it is over, however many are concerned and however often they try. What waiting does not change is no outage.
 */

import type { Log } from './seams.ts';

export interface OutageTexts {
  readonly begins: string;
  readonly over: string;
}

export class Outage {
  private readonly log: Log;
  private readonly texts: OutageTexts;
  private readonly concerned = new Set<unknown>();
  private isOn = false;

  constructor(log: Log, texts: OutageTexts) {
    this.log = log;
    this.texts = texts;
  }

  /** `who` has tried in vain. */
  failed(who: unknown, error: unknown): void {
    this.concerned.add(who);
    if (this.isOn) return;
    this.isOn = true;
    this.log.warn({ reason: error instanceof Error ? error.message : String(error) }, this.texts.begins);
  }

  /** `who` tries again. A reason that does not pass by itself is a defect, and told each time, with its stack. */
  again(who: unknown, error: unknown): void {
    if (isRetryable(error)) this.failed(who, error);
    else this.log.error({ err: error }, this.texts.begins);
  }

  /** `who` has come through; it is over when all have. */
  worked(who: unknown): void {
    this.concerned.delete(who);
    if (!this.isOn || this.concerned.size > 0) return;
    this.isOn = false;
    this.log.info({}, this.texts.over);
  }

  /** `who` does not try any more, which says nothing about the others: the next one that comes through ends it. */
  left(who: unknown): void {
    this.concerned.delete(who);
  }
}

/** Whether trying the same again may help, as errors of ours and of a store say themselves. Any other is a defect, and worth its stack. */
export function isRetryable(error: unknown): boolean {
  return error instanceof Error && (error as { readonly retryable?: unknown }).retryable === true;
}
