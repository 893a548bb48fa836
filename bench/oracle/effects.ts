/** What increments of bench.v1.Fan do to the counters, computed without the product. See behaviors/bench/fan.js. */

export const COUNTERS = 10_000;
const STEP = 97;

/** By counter, from what each fan has taken in. */
export function effectsOf(byFan: Float64Array, fanOut: number): Float64Array {
  const byCounter = new Float64Array(COUNTERS);
  for (const [fan, amount] of byFan.entries()) {
    if (amount === 0) continue;
    for (let i = 0; i < fanOut; i++) {
      const counter = (fan + 1 + i * STEP) % COUNTERS;
      byCounter[counter] = byCounter[counter]! + amount;
    }
  }
  return byCounter;
}
