/** Who cancels or replaces a timer is not overtaken by a firing that is on its way already. */

import t from 'tap';
import type { Test } from 'tap';

import { clock, clockBundle, pause, startClock, until, untilRings } from '../testing/timer-actor.ts';
import type { TimerRig } from '../testing/timer-actor.ts';

t.setTimeout(1_200_000);

interface Loop {
  hold(): void;
  resume(): void;
  readonly jobsReady: number;
  readonly batchesSent: number;
  readonly costs: { hasRoomFor(): boolean };
}

interface Rig extends TimerRig {
  readonly loop: Loop;
}

/** Actor `a` is in memory, and its timer `t` is due in an hour. */
async function rigOf(t: Test, armed: object = {}): Promise<Rig> {
  const rig = await startClock();
  t.teardown(() => rig.close());
  await rig.arm('a', 't', { in: 3_600_000, word: 'old', ...armed });
  const { loop } = rig.engine as unknown as { loop: Loop };
  // What is taken to be costly would wait for the next batch (T5), and what turns cost is learned: from a machine that may be busy.
  loop.costs.hasRoomFor = () => true;
  return { ...rig, loop };
}

/** Brings the firing into the queue for the sandbox, behind what stands there. */
async function makeDue(rig: Rig, standing: number): Promise<void> {
  await until(() => rig.loop.jobsReady === standing, 'the commands in the queue');
  rig.time.advance(3_600_000);
  await until(() => rig.loop.jobsReady === standing + 1, 'the firing behind them');
}

/** Who has stood still for too long was ended by the node: what was in it runs again then, and what is tested still holds. */
function goOn(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // It is gone.
  }
}

t.test('cancelled in the same batch, in front of the firing', async (t) => {
  const rig = await rigOf(t);
  rig.loop.hold();
  const cancelled = rig.send(clock('a'), 'Cancel', { name: 't' });
  await makeDue(rig, 1);
  const { batchesSent } = rig.loop;
  rig.loop.resume();
  t.equal((await cancelled).error, null);
  await until(() => rig.engine.messages.timers.underWay === 0, 'the firing is gone');
  await pause(50);
  t.same(await rig.rings('a'), []);
  t.equal(rig.engine.messages.timers.dropped, 1);
  t.equal(rig.loop.batchesSent, batchesSent + 2, 'one batch of both, one for the reading');
});

t.test('cancelled in the batch before, which is in the sandbox while the firing enters the next one', async (t) => {
  const rig = await rigOf(t);
  const before = rig.loop.batchesSent;
  const { activePid } = rig.pool.stat();
  process.kill(activePid, 'SIGSTOP');
  const cancelled = rig.send(clock('a'), 'Cancel', { name: 't' });
  await until(() => rig.loop.batchesSent === before + 1, 'the cancellation in the sandbox');
  rig.time.advance(3_600_000);
  await until(() => rig.loop.batchesSent === before + 2, 'the firing in the sandbox');
  goOn(activePid);
  t.equal((await cancelled).error, null);
  await until(() => rig.engine.messages.timers.underWay === 0, 'the firing is gone');
  t.same(await rig.rings('a'), []);
  t.equal(rig.engine.messages.timers.dropped, 1);
});

t.test('replaced in front of the firing: the new one alone rings, at its time', async (t) => {
  const rig = await rigOf(t);
  rig.loop.hold();
  const replaced = rig.send(clock('a'), 'Arm', { name: 't', in: 7_200_000, word: 'new' });
  await makeDue(rig, 1);
  rig.loop.resume();
  t.equal((await replaced).error, null);
  await pause(300);
  t.same(await rig.rings('a'), []);
  rig.time.advance(7_200_000);
  t.match(await untilRings(rig, 'a', 1), [{ name: 't', word: 'new' }]);
});

t.test('replaced by one with the very same due time', async (t) => {
  const rig = await rigOf(t);
  await rig.arm('a', 't', { in: 3_600_000, word: 'newer' });
  rig.loop.hold();
  const replaced = rig.send(clock('a'), 'Arm', { name: 't', in: 0, word: 'newest' });
  await makeDue(rig, 1);
  rig.loop.resume();
  t.equal((await replaced).error, null);
  t.match(await untilRings(rig, 'a', 1), [{ word: 'newest' }]);
  await pause(300);
  t.equal((await rig.rings('a')).length, 1);
});

t.test('a change of another timer in front of it holds up no firing', async (t) => {
  const rig = await rigOf(t);
  rig.loop.hold();
  const others = [
    rig.send(clock('a'), 'Arm', { name: 'other', in: 9_000_000, word: 'other' }),
    rig.send(clock('a'), 'Cancel', { name: 'third' }),
  ];
  await makeDue(rig, 2);
  rig.loop.resume();
  for (const { error } of await Promise.all(others)) t.equal(error, null);
  t.match(await untilRings(rig, 'a', 1), [{ name: 't', word: 'old' }]);
  t.equal(rig.engine.messages.timers.dropped, 0);
});

t.test('more changes than the sandbox names put the firing off until the engine has seen them', async (t) => {
  const rig = await rigOf(t);
  rig.loop.hold();
  const others = Array.from({ length: 3 }, (_, i) => rig.send(clock('a'), 'Arm', { name: `o${i}-`, in: 90_000_000, times: 100 }));
  await makeDue(rig, 3);
  rig.loop.resume();
  for (const { error } of await Promise.all(others)) t.equal(error, null);
  t.match(await untilRings(rig, 'a', 1), [{ name: 't', word: 'old' }]);
});

t.test('the count goes along when the actor is carried to another bundle', async (t) => {
  const rig = await rigOf(t);
  // Events, so that there is a state to carry.
  await rig.send(clock('a'), 'Other');
  await rig.engine.deploy(clockBundle('two'));
  await rig.arm('a', 'u', { in: 3_600_000 * 5, word: 'u' });
  await rig.engine.deploy(clockBundle('three'));
  rig.loop.hold();
  const cancelled = rig.send(clock('a'), 'Cancel', { name: 't' });
  await makeDue(rig, 1);
  rig.loop.resume();
  t.equal((await cancelled).error, null);
  await until(() => rig.engine.messages.timers.underWay === 0, 'the firing is gone');
  const { body } = await rig.get(clock('a'));
  t.match(body, { bundle: 'three', rings: [], others: 1 });
  // And a firing that stands behind a change that the engine has seen runs, carried or not.
  await rig.engine.deploy(clockBundle('four'));
  rig.time.advance(3_600_000 * 5);
  t.match(await untilRings(rig, 'a', 1), [{ name: 'u' }]);
});

t.test('a repeating timer that is cancelled right behind its firing fires that once', async (t) => {
  const rig = await rigOf(t, { every: 60_000 });
  rig.loop.hold();
  await makeDue(rig, 0);
  const cancelled = rig.send(clock('a'), 'Cancel', { name: 't' });
  rig.loop.resume();
  t.equal((await cancelled).error, null);
  rig.time.advance(3_600_000);
  await pause(300);
  await untilRings(rig, 'a', 1);
});

interface Parked {
  readonly letters: { readonly parked: Map<string, number[]> };
}

/** The firing of `t` is parked, behind a message that is no more. */
async function park(rig: Rig): Promise<Parked['letters']['parked']> {
  const { routing } = rig.engine as unknown as { routing: { bucketOf(address: { type: string; id: string }): Parked } };
  const { parked } = routing.bucketOf({ type: 'test.v1.Clock', id: 'a' }).letters;
  parked.set(clock('a'), [1]);
  rig.time.advance(3_600_000);
  await until(() => parked.get(clock('a'))?.length === 2, 'the firing is parked');
  parked.get(clock('a'))!.shift();
  return parked;
}

t.test('a firing that was parked is told what it would have been told', async (t) => {
  const rig = await rigOf(t);
  const parked = await park(rig);
  rig.time.advance(60_000);
  await rig.engine.deploy(clockBundle('two'));
  t.match(await untilRings(rig, 'a', 1), [{ name: 't', word: 'old', missed: 0, late: true, caller: clock('a') }]);
  t.equal(parked.size, 0);
});

t.test('a firing that was parked can still be cancelled, or replaced', async (t) => {
  for (const change of [{ name: 'Cancel', body: { name: 't' } }, { name: 'Arm', body: { name: 't', in: 90_000_000, word: 'new' } }]) {
    const rig = await rigOf(t);
    const parked = await park(rig);
    t.equal((await rig.send(clock('a'), change.name, change.body)).error, null);
    await rig.engine.deploy(clockBundle('two'));
    await until(() => parked.size === 0, 'it is dropped');
    await pause(30);
    t.same(await rig.rings('a'), []);
  }
});

t.test('a repeating timer whose firing was parked goes on in its own time', async (t) => {
  const rig = await rigOf(t, { every: 60_000 });
  const parked = await park(rig);
  rig.time.advance(60_000);
  await until(() => parked.get(clock('a'))?.length === 2, 'the next one stands behind it');
  await rig.engine.deploy(clockBundle('two'));
  const [first, second] = await untilRings(rig, 'a', 2);
  t.equal(second!.due, first!.due + 60_000);
  rig.time.advance(60_000);
  t.equal((await untilRings(rig, 'a', 3)).at(-1)!.due, first!.due + 120_000);
});
