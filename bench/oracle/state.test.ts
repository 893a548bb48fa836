/** The check of what sends have caused is seen to fail: a message that is missing, one that came twice, one that went to somebody else. */

import t from 'tap';

import type { Verdict } from '../driver/verify.ts';
import { COUNTERS } from './effects.ts';
import { checkEffects } from './state.ts';

const FAN_OUT = 3;

interface Sent {
  /** Number of the counter. */
  to: number;
  readonly by: number;
}

/** What behaviors/bench/fan.js says of itself, in its own words: the fan c-5 sends to the counters c-6, c-103, c-200. */
function sends(fan: number, by: number): Sent[] {
  return [1, 98, 195].map((distance) => ({ to: (fan + distance) % COUNTERS, by }));
}

/** Counters that have taken these messages in. */
class Counters {
  readonly counts = new Float64Array(COUNTERS);
  readonly sums = new Float64Array(COUNTERS);

  take({ to, by }: Sent): void {
    this.counts[to]!++;
    this.sums[to]! += by;
  }

  async verify(_type: unknown, counts: Float64Array, sums: Float64Array): Promise<Verdict> {
    const mismatches = Array.from({ length: COUNTERS }, (_, i) => i).filter((i) => counts[i] !== this.counts[i] || sums[i] !== this.sums[i]).map((i) => `c-${i}`);
    return { actorsChecked: COUNTERS, mismatches, failures: [] } as unknown as Verdict;
  }
}

/** Fans that took in some increments each, and what is to be heard of it. */
function world(): { readonly counts: Float64Array; readonly sums: Float64Array; readonly sent: Sent[] } {
  const counts = new Float64Array(COUNTERS);
  const sums = new Float64Array(COUNTERS);
  const sent: Sent[] = [];
  for (const [fan, by] of [[5, 1], [5, 4], [9_990, 2], [102, 7]] as const) {
    counts[fan]!++;
    sums[fan]! += by;
    sent.push(...sends(fan, by));
  }
  return { counts, sums, sent };
}

t.test('what was sent and has arrived passes, also when it arrives late', async (t) => {
  const { counts, sums, sent } = world();
  const counters = new Counters();
  const last = sent.pop()!;
  for (const one of sent) counters.take(one);
  setTimeout(() => counters.take(last), 120);
  t.match(await checkEffects(counters, counts, sums, FAN_OUT, 'all', 30_000), { passed: true, detail: /^all, and 10000 counters their effects/ });
});

for (const [what, change] of [
  ['a message is missing', (sent: Sent[]) => void sent.pop()],
  ['a message has its effect twice', (sent: Sent[]) => void sent.push(sent[0]!)],
  ['a message goes to somebody else', (sent: Sent[]) => void (sent[3] = { ...sent[3]!, to: sent[3]!.to + 1 })],
  ['two messages swap what they say', (sent: Sent[]) => void ([sent[0], sent[6]] = [{ ...sent[0]!, by: sent[6]!.by }, { ...sent[6]!, by: sent[0]!.by }])],
] as const) {
  t.test(`${what}: the run fails`, async (t) => {
    const { counts, sums, sent } = world();
    change(sent);
    const counters = new Counters();
    for (const one of sent) counters.take(one);
    t.match(await checkEffects(counters, counts, sums, FAN_OUT, 'all', 100), { passed: false, detail: /^effects differ from what was sent/ });
  });
}
