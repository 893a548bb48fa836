export interface BackoffSettings {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * How long to wait before attempt `attempt` (the first retry is 1): doubling, and random between half and all of it, so that
 * clients which lost the same node do not come back in the same instant.
 */
export function backoffMs(attempt: number, { firstMs, maxMs }: BackoffSettings, random: () => number): number {
  const full = Math.min(maxMs, firstMs * 2 ** (attempt - 1));
  return full * (0.5 + random() / 2);
}
