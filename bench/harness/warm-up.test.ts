import t from 'tap';

import type { Lately } from '../driver/recorder.ts';
import type { RemoteDriver } from '../driver/remote.ts';
import { hasSettled, warmUp, warmUpRemarks } from './warm-up.ts';

const look = (p50Ms: number | null, p99Ms: number | null = p50Ms): Lately => ({ p50Ms, p99Ms });

/** A driver that says one after the other of these, the last again and again. */
function saying(...looks: Lately[]): { driver: RemoteDriver; begun(): number } {
  let begun = 0;
  const driver = {
    begin: async () => void begun++,
    lately: async () => (looks.length > 1 ? looks.shift()! : looks[0]!),
  };
  return { driver: driver as unknown as RemoteDriver, begun: () => begun };
}

t.test('latency has settled when the last three looks resemble each other', async (t) => {
  t.notOk(hasSettled([]));
  t.notOk(hasSettled([look(2), look(2)]), 'three are needed');
  t.ok(hasSettled([look(600), look(2, 8), look(2.5, 15), look(1.9, 9)]));
  t.notOk(hasSettled([look(600), look(300), look(150)]), 'a queue that is worked off');
  t.notOk(hasSettled([look(2, 9), look(4, 9), look(8, 9)]), 'one that grows');
  t.notOk(hasSettled([6_000, 7_000, 8_000].map((ms) => look(ms))) || hasSettled([13_000, 14_000, 15_000].map((ms) => look(ms))), 'one that grows by a second a second');
  t.notOk(hasSettled([300, 280, 260].map((ms) => look(ms))), 'one that is worked off slowly');
  t.ok(hasSettled([2.9, 2, 2.4].map((ms) => look(ms, 9))), 'up and down is noise');
  t.notOk(hasSettled([look(2, 40), look(2, 15), look(2, 9)]), 'the slow ones are still being found');
  t.notOk(hasSettled([look(2), look(null), look(2)]), 'nothing was answered');
  t.ok(hasSettled([look(0.1, 0.4), look(0.4, 3), look(0.2, 5)]), 'fractions of a millisecond are alike');
});

t.test('a closed loop is warm after the given time, and not looked at', async (t) => {
  const { driver, begun } = saying(look(1));
  t.match(await warmUp([driver], false, { warmUpMs: 20, signal: AbortSignal.timeout(60_000) }), { hasSettled: null });
  t.equal(begun(), 0);
});

t.test('an open loop goes on until all drivers have settled', async (t) => {
  const told: number[] = [];
  const settings = { warmUpMs: 4_000, signal: AbortSignal.timeout(60_000), onWarmUp: (ms: number) => told.push(ms) };
  const [steady, cold] = [saying(look(2)), saying(look(900), look(500), look(2))];
  const { ms, hasSettled: is } = await warmUp([steady.driver, cold.driver], true, settings);
  t.equal(is, true);
  t.ok(told.length >= 5, 'three alike come behind two that were not');
  t.ok(ms >= 5 * 995, `${ms} ms`);
  t.same(warmUpRemarks({ ms, hasSettled: is }), []);
});

t.test('at most for five times the given time, and that is said', async (t) => {
  let ms = 1;
  const growing = { begin: async () => undefined, lately: async () => look((ms *= 2)) } as unknown as RemoteDriver;
  const warmed = await warmUp([growing], true, { warmUpMs: 800, signal: AbortSignal.timeout(60_000) });
  t.equal(warmed.hasSettled, false);
  t.ok(warmed.ms >= 4_000, `${warmed.ms}`);
  t.same(warmUpRemarks({ ms: 4_012, hasSettled: false }), ['latency had not settled after 4 s of warm-up']);
  await t.rejects(warmUp([growing], true, { warmUpMs: 800, signal: AbortSignal.abort(new Error('interrupted')) }), { message: /abort/ });
});
