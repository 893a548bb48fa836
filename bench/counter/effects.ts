/** What increments of bench.v1.Fan do to the counters, computed without the product. See behaviors/bench/fan.js. */

const OFFSETS = [1, 7, 31, 127, 499, 997, 1999, 3001, 5003, 7001];
export const COUNTERS = 10_000;

/** How many messages one command causes. */
export const SENDS_PER_COMMAND = OFFSETS.length;

/** By counter, from what each fan has taken in. */
export function effectsOf(byFan: Float64Array): Float64Array {
  const byCounter = new Float64Array(COUNTERS);
  for (const [fan, amount] of byFan.entries()) {
    if (amount === 0) continue;
    for (const offset of OFFSETS) byCounter[(fan + offset) % COUNTERS]! += amount;
  }
  return byCounter;
}
