/** Timers of one engine, with real sandboxes and a clock that the test puts forward. */

import t from 'tap';
import type { Test } from 'tap';

import { bucketIndex, hashText, parseAddress, shardKey } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { clock, pause, startClock, until, untilRings } from '../testing/timer-actor.ts';
import type { TimerRig } from '../testing/timer-actor.ts';

const HOUR = 3_600_000;

t.setTimeout(1_200_000);

async function rigOf(t: Test, options: Parameters<typeof startClock>[0] = {}): Promise<TimerRig> {
  const rig = await startClock(options);
  t.teardown(() => rig.close());
  return rig;
}

function bucketOf(rig: TimerRig, id: string): { timers: { size: number } } {
  const { buckets } = rig.engine as unknown as { buckets: { timers: { size: number } }[] };
  return buckets[bucketIndex(hashText(shardKey(parseAddress(clock(id)))), Math.log2(buckets.length))]!;
}

t.test('a timer fires once, when it is due, and the command knows of it', async (t) => {
  const rig = await rigOf(t);
  const armedAt = rig.time.now;
  await rig.arm('a', 'soon', { in: HOUR, word: 'hello' });
  await pause(30);
  t.same(await rig.rings('a'), []);
  rig.time.advance(HOUR - 2_000);
  await pause(30);
  t.same(await rig.rings('a'), []);
  rig.time.advance(2_000);
  const [ring] = await untilRings(rig, 'a', 1);
  t.match(ring, { name: 'soon', word: 'hello', missed: 0, late: false, caller: clock('a') });
  t.ok(ring!.due >= armedAt + HOUR && ring!.at >= ring!.due, 'not before its time');
  t.equal(bucketOf(rig, 'a').timers.size, 0);
  rig.time.advance(HOUR);
  await untilRings(rig, 'a', 1);
  const records = await rig.engine.records(clock('a'), 1, 10);
  t.match(records.at(-1), { kind: 'decision', command: 'Sound', principal: clock('a') });
});

t.test('a log that cannot be read for a while costs one line, and the timers fire when it can', async (t) => {
  const rig = await rigOf(t, { bucketBits: 3 });
  const ids = ['a', 'b', 'c', 'd', 'e'];
  for (const id of ids) for (const name of ['one', 'two']) await rig.arm(id, name, { in: HOUR, word: 'x' });
  const { readBucket } = rig.journal;
  let reads = 0;
  let error: Error = new TroupeError('STORE_UNAVAILABLE', 'nobody answers');
  rig.journal.readBucket = () => {
    reads++;
    throw error;
  };
  const about = (what: RegExp): { level: string; fields: object }[] => rig.lines.filter(({ message }) => what.test(message));
  const triedAgain = async (): Promise<void> => {
    const before = reads;
    rig.time.advance(6_000);
    await until(() => reads >= before + ids.length, 'they are tried again');
    await pause(20);
  };
  rig.time.advance(HOUR + 1_000);
  await until(() => reads >= ids.length, 'they are read');
  for (let i = 0; i < 3; i++) await triedAgain();
  t.match(about(/timer/), { length: 1, 0: { level: 'warn', fields: { reason: 'nobody answers' } } }, `${reads} reads, one line`);
  error = new Error('something else');
  await triedAgain();
  t.ok(about(/the record of a timer cannot be read/).length >= ids.length, 'what nobody expects is told of each, with its stack');
  t.match(about(/the record of a timer cannot be read/)[0], { level: 'error', fields: { err: error } });
  rig.journal.readBucket = readBucket;
  rig.time.advance(6_000);
  for (const id of ids) await untilRings(rig, id, 2);
  t.match(about(/can be read again/), { length: 1 });
});

t.test('what no timer has brought has no firing', async (t) => {
  const rig = await rigOf(t);
  await rig.send(clock('a'), 'Sound', { word: 'by hand' });
  await rig.arm('a', 'next', { in: 0, word: 'by timer' });
  const rings = await untilRings(rig, 'a', 2);
  t.match(rings, [{ name: '', word: 'by hand' }, { name: 'next', word: 'by timer' }]);
  await rig.send(clock('a'), 'Sound', { word: 'by hand again' });
  t.match(await untilRings(rig, 'a', 3), [{}, {}, { name: '', due: 0 }]);
});

t.test('a repeating timer keeps its phase and counts what it missed', async (t) => {
  const rig = await rigOf(t);
  await rig.arm('a', 'tick', { in: 10_000, every: 60_000, word: 'tick' });
  rig.time.advance(10_100);
  const [first] = await untilRings(rig, 'a', 1);
  t.match(first, { missed: 0, late: false });
  rig.time.advance(60_000);
  const [, second] = await untilRings(rig, 'a', 2);
  t.equal(second!.due, first!.due + 60_000);
  rig.time.advance(10 * 60_000 + 5_000);
  const [, , third] = await untilRings(rig, 'a', 3);
  t.match(third, { due: first!.due + 2 * 60_000, missed: 9, late: true });
  rig.time.advance(60_000);
  const [, , , fourth] = await untilRings(rig, 'a', 4);
  t.match(fourth, { due: first!.due + 12 * 60_000, missed: 0 });
  t.equal((await rig.send(clock('a'), 'Cancel', { name: 'tick' })).error, null);
  rig.time.advance(HOUR);
  await untilRings(rig, 'a', 4);
  t.equal(bucketOf(rig, 'a').timers.size, 0);
});

t.test('more than a second behind its time is late', async (t) => {
  const rig = await rigOf(t);
  await rig.arm('a', 'in time', { in: 5_000 });
  await rig.arm('a', 'late', { in: 5_000 - 1_500 });
  rig.time.advance(5_000);
  const rings = await untilRings(rig, 'a', 2);
  t.same(rings.map(({ name, late }) => [name, late]), [['late', true], ['in time', false]]);
});

t.test('a calendar in Berlin goes on at nine when the clocks are changed', async (t) => {
  const rig = await rigOf(t);
  // The last Friday before the change: from then on the clock stands on that day.
  rig.time.advance(Date.parse('2027-03-26T06:30:00Z') - rig.time.now);
  await rig.arm('a', 'office', { cron: '0  9 * * MON-FRI', zone: 'Europe/Berlin' });
  const dues: string[] = [];
  for (let day = 1; day <= 5; day++) {
    rig.time.advance(24 * HOUR);
    if (day === 2 || day === 3) await pause(20);
    else dues.push(new Date((await untilRings(rig, 'a', dues.length + 1)).at(-1)!.due).toISOString());
  }
  t.same(dues, ['2027-03-26T08:00:00.000Z', '2027-03-29T07:00:00.000Z', '2027-03-30T07:00:00.000Z']);
  // As protobufjs reads what stands in the log.
  const [armed, fired] = await rig.engine.records(clock('a'), 1, 2);
  t.match(armed!.timers, [{ name: 'office', cron: '0 9 * * MON-FRI', zone: 'Europe/Berlin', dueMs: Date.parse(dues[0]!), command: 'Sound' }]);
  t.same(fired!.firing, { timer: { position: armed!.position, index: 0 }, name: 'office', dueMs: Date.parse(dues[0]!), missed: 0, nextDueMs: Date.parse(dues[1]!) });
});

t.test('what the sandbox refuses leaves no record', async (t) => {
  const rig = await rigOf(t);
  const refused = async (body: object): Promise<string> => (await rig.send(clock('a'), 'Arm', { name: 'x', ...body })).error?.code ?? 'nothing';
  t.equal(await refused({ cron: '0 9 * *' }), 'BAD_OUTPUT');
  t.equal(await refused({ cron: '61 9 * * *' }), 'BAD_OUTPUT');
  t.equal(await refused({ cron: '0 9 * * *', zone: 'Europe/Atlantis' }), 'BAD_OUTPUT');
  t.equal(await refused({ cron: '0 9 * * *', every: 5_000 }), 'BAD_OUTPUT');
  t.equal(await refused({ in: 5, every: 999 }), 'BAD_OUTPUT');
  t.equal(await refused({ in: 5, every: 1_000 }), 'nothing');
  t.equal(await refused({ cron: '0 9 * * *', zone: 'UTC' }), 'nothing');
  t.equal(bucketOf(rig, 'a').timers.size, 1, 'the second has replaced the first');
});

t.test('who arms itself again in its own firing has one timer, and one firing each', async (t) => {
  const rig = await rigOf(t);
  await rig.arm('a', 'self', { in: 1_000, every: 60_000, word: 'again' });
  rig.time.advance(1_100);
  await untilRings(rig, 'a', 1);
  t.equal(bucketOf(rig, 'a').timers.size, 1);
  rig.time.advance(1_100);
  t.match(await untilRings(rig, 'a', 2), [{ word: 'again' }, { word: 'done' }]);
  rig.time.advance(HOUR);
  await untilRings(rig, 'a', 2);
  t.equal(bucketOf(rig, 'a').timers.size, 0);
});

t.test('what fails is a dead letter, and the timer goes on', async (t) => {
  const rig = await rigOf(t);
  await rig.arm('a', 'bad', { in: 1_000, every: 60_000, word: 'throw' });
  await rig.arm('a', 'never', { in: 1_000, word: 'refuse' });
  rig.time.advance(1_100);
  const { letters } = bucketOf(rig, 'a') as unknown as { letters: { failed: Set<number> } };
  await until(() => letters.failed.size === 1 && bucketOf(rig, 'a').timers.size === 1, 'one letter, and one timer left');
  rig.time.advance(60_000);
  await until(() => letters.failed.size === 2, 'the second letter');
  t.equal(bucketOf(rig, 'a').timers.size, 1);
  t.same(await rig.rings('a'), []);
  t.equal((await rig.send(clock('a'), 'Other')).error, null);
});

t.test('a firing that ends its sandbox fails for good, and holds up nobody', async (t) => {
  const rig = await rigOf(t);
  await rig.arm('a', 'poison', { in: 1_000, word: 'loop' });
  await rig.arm('b', 'well', { in: 1_000, every: 60_000, word: 'tick' });
  rig.time.advance(1_100);
  const { letters } = bucketOf(rig, 'a') as unknown as { letters: { failed: Set<number> } };
  await untilRings(rig, 'b', 1);
  await until(() => letters.failed.size === 1, 'the letter of the poison');
  t.equal(bucketOf(rig, 'a').timers.size, bucketOf(rig, 'a') === bucketOf(rig, 'b') ? 1 : 0);
  const [failed] = (await rig.engine.records(clock('a'), 1, 20)).filter(({ kind }) => kind === 'failed');
  t.match(failed, { command: 'Sound' });
  rig.time.advance(60_000);
  await untilRings(rig, 'b', 2);
});

t.test('many timers of many actors, all at once', async (t) => {
  const rig = await rigOf(t);
  const ids = Array.from({ length: 60 }, (_, i) => `m${i}`);
  await Promise.all(ids.map((id) => rig.arm(id, 'n', { in: 5_000, times: 50, word: 'x' })));
  rig.time.advance(5_100);
  for (const id of ids) {
    const rings = await untilRings(rig, id, 50);
    t.equal(new Set(rings.map(({ name }) => name)).size, 50);
  }
  const { timers } = rig.engine.messages;
  t.equal(timers.fired, 3_000);
  await until(() => timers.underWay === 0, 'nothing under way');
});
