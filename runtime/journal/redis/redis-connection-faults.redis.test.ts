/** Broken connections under owners at work. What is right is said by testing/oracle.ts. */

import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';

import { ids, insist, isAppend, progress, quickStore, rigFor, until } from './testing/rig.ts';

await t.test('a connection that is cut costs epochs, and nothing else', async (t) => {
  const { proxy, history, complaints, owner } = await rigFor(t);
  const one = await owner('one', { share: 1 });
  one.start();
  await progress(history, [one]);
  let struck = 0;
  // Requests that were executed and whose answers are lost; requests that are lost; and whatever is on its way.
  for (const hold of ['down', 'up', null] as const) {
    if (hold !== null) proxy.blackhole(hold);
    await until(() => one.inFlight >= (hold === null ? 1 : 3));
    struck += one.inFlight;
    proxy.cut();
    proxy.heal();
    await progress(history, [one]);
  }
  await one.stop();
  t.comment(`${struck} appends were in flight, ${history.count('unknown')} of unknown outcome, ${history.count('appended')} appended`);
  t.ok(struck > 0 && history.count('unknown') > 0);
  t.ok(one.epochs.every((epoch) => epoch > 1), `epochs ${one.epochs.join()}`);
  t.same(await complaints(), []);
});

await t.test('a call that is executed and never answered is of unknown outcome, and found when the bucket is opened again', async (t) => {
  const { proxy, history, complaints, owner } = await rigFor(t);
  const one = await owner('one', { depth: 4 });
  one.start();
  let struck = 0;
  for (let i = 0; i < 3; i++) {
    await progress(history, [one], 10);
    const answer = await proxy.cutBeforeReply(isAppend);
    struck += one.inFlight;
    t.match(answer.toString(), /^\*/, 'the server had answered');
    await until(() => history.count('unknown') > i);
  }
  await progress(history, [one]);
  await one.stop();
  t.comment(`${struck} appends were in flight, ${history.count('unknown')} of unknown outcome`);
  t.ok(struck > 0 && history.count('unknown') >= 3);
  t.same(await complaints(), []);
});

await t.test('a request or an answer that is torn in the middle', async (t) => {
  const { proxy, history, complaints, owner } = await rigFor(t);
  const one = await owner('one');
  one.start();
  await progress(history, [one]);
  await proxy.cutAfter(200, 'up', isAppend);
  await until(() => history.count('unknown') > 0);
  await progress(history, [one]);
  const before = history.count('unknown');
  await proxy.cutAfter(3, 'down');
  await until(() => history.count('unknown') > before);
  await progress(history, [one]);
  await one.stop();
  t.comment(`${history.count('unknown')} of unknown outcome`);
  t.same(await complaints(), []);
});

for (const direction of ['up', 'down'] as const) {
  await t.test(`one direction is a black hole (${direction}): silence costs the connection, and what arrives late is fenced`, async (t) => {
    const { proxy, history, complaints, owner } = await rigFor(t);
    const one = await insist(() => owner('one', {}, quickStore(proxy.port, 250)));
    one.start();
    await progress(history, [one]);
    const [called, unknown] = [history.attempts.length, history.count('unknown')];
    proxy.blackhole(direction);
    const begin = performance.now();
    // What goes out from now on has no answer; what went out before may have one that is on its way.
    await until(() => history.count('unknown') > unknown && one.inFlight === 0);
    const silentMs = performance.now() - begin;
    t.ok(silentMs < 10_000, `${silentMs} ms until the outcomes were known to be unknown`);
    const struck = history.attempts.slice(called);
    // Refused is what was called when the connection had been given up.
    t.same(struck.filter(({ outcome }) => outcome?.kind !== 'unknown' && outcome?.kind !== 'refused'), []);
    await sleep(600);
    // What was held goes out now, though its sender has hung up long ago.
    proxy.heal();
    await progress(history, [one]);
    await one.stop();
    t.comment(`${struck.length} appends went into the hole, ${history.count('unknown')} of unknown outcome, epochs ${one.epochs.join()}`);
    t.same(await complaints(), []);
  });
}

await t.test('half a second each way: everything works, only slowly', async (t) => {
  const { proxy, history, complaints, owner, journal } = await rigFor(t);
  // Founding takes some calls one after the other, and happens once.
  await journal('founder');
  proxy.delay(500);
  const begin = performance.now();
  const one = await owner('one', { depth: 4 }, quickStore(proxy.port, 15_000));
  one.start();
  await until(() => one.inFlight >= 2 * ids.length);
  const struck = one.inFlight;
  await progress(history, [one], 3 * ids.length);
  proxy.heal();
  await one.stop();
  t.comment(`${struck} appends were in flight, ${history.count('appended')} appended within ${Math.round(performance.now() - begin)} ms`);
  t.ok(struck > 0);
  t.equal(history.count('appended'), history.attempts.length);
  t.ok(one.epochs.every((epoch) => epoch === 1));
  t.same(await complaints(), []);
});
