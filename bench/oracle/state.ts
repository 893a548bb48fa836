/**
 * The check of a run: every actor's state, read back, must hold exactly the acknowledged increments, and its newest event's number must be
 * the count of acknowledged commands. What was not answered, or answered so that the effect is not known, fails the run: then nothing can be
 * said about the rest.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { RemoteClientDriver } from '../client-driver/remote.ts';
import { COUNTER_TYPE } from '../driver/format.ts';
import type { DrivenType } from '../driver/format.ts';
import type { DriverTotals } from '../driver/protocol.ts';
import type { RemoteDriver } from '../driver/remote.ts';
import type { Verdict } from '../driver/verify.ts';
import type { Check } from '../report/report.ts';
import { effectsOf } from './effects.ts';

const EFFECTS_MAX_MS = 60_000;
const EFFECTS_POLL_MS = 50;

export interface MergedTotals {
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  readonly acknowledged: number;
  readonly errors: Record<string, number>;
}

export function mergeTotals(totals: readonly DriverTotals[]): MergedTotals {
  const [first] = totals;
  const counts = new Float64Array(first?.counts.length ?? 0);
  const sums = new Float64Array(counts.length);
  const errors: Record<string, number> = {};
  for (const one of totals) {
    for (let i = 0; i < counts.length; i++) {
      counts[i] = counts[i]! + one.counts[i]!;
      sums[i] = sums[i]! + one.sums[i]!;
    }
    for (const [code, count] of one.errors) errors[code] = (errors[code] ?? 0) + count;
  }
  return { counts, sums, acknowledged: counts.reduce((a, b) => a + b, 0), errors };
}

/** Null when everything was sent, answered, and of known effect; otherwise what was not. */
export function isClean(totals: readonly DriverTotals[]): string | null {
  const sum = (of: 'unanswered' | 'unsent' | 'unknown'): number => totals.reduce((all, one) => all + one[of], 0);
  const { acknowledged, errors } = mergeTotals(totals);
  if (sum('unsent') > 0) return `the rate was not reached: ${sum('unsent')} commands were due, warm-up included, and could not even be sent`;
  if (sum('unanswered') > 0) return `${sum('unanswered')} commands were not answered, long after the last was sent`;
  if (sum('unknown') > 0) return `the effect of ${sum('unknown')} commands is not known`;
  if (Object.keys(errors).length > 0) return `errors: ${JSON.stringify(errors)}`;
  return acknowledged === 0 ? 'nothing was acknowledged' : null;
}

export async function checkState(driver: RemoteDriver, type: DrivenType, counts: Float64Array, sums: Float64Array): Promise<Check> {
  return checkOf(await driver.verify(type, counts, sums), counts);
}

/** What client drivers have sent. */
export async function checkClients(driver: RemoteClientDriver, totals: readonly DriverTotals[]): Promise<Check> {
  const { counts, sums } = mergeTotals(totals);
  return checkOf(await driver.verify(counts, sums), counts);
}

function checkOf(verdict: Verdict, counts: Float64Array): Check {
  if (verdict.mismatches.length > 0 || verdict.failures.length > 0) {
    return { passed: false, detail: `state differs from what was acknowledged: ${JSON.stringify({ ...verdict })}` };
  }
  const acknowledged = counts.reduce((a, b) => a + b, 0);
  return { passed: true, detail: `${verdict.actorsChecked} actors hold the sum and the count of ${acknowledged} acknowledged increments` };
}

/** Every message had its effect once, as soon as all of them have arrived. */
export async function checkEffects(
  driver: Pick<RemoteDriver, 'verify'>, counts: Float64Array, sums: Float64Array, fanOut: number, detail: string, timeMaxMs = EFFECTS_MAX_MS,
): Promise<Check> {
  const since = performance.now();
  for (;;) {
    const verdict = await driver.verify(COUNTER_TYPE, effectsOf(counts, fanOut), effectsOf(sums, fanOut));
    const tookMs = Math.round(performance.now() - since);
    if (verdict.mismatches.length === 0 && verdict.failures.length === 0) {
      return { passed: true, detail: `${detail}, and ${verdict.actorsChecked} counters their effects ${tookMs} ms after the last answer at most` };
    }
    if (tookMs > timeMaxMs) return { passed: false, detail: `effects differ from what was sent: ${JSON.stringify({ ...verdict })}` };
    await sleep(EFFECTS_POLL_MS);
  }
}
