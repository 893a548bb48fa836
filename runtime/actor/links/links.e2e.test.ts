/** Links and broadcasts of one engine, with real sandboxes. The oracle reads the records alone. */

import t from 'tap';
import type { Test } from 'tap';

import { limits } from '../../limits.ts';
import { address, LinkRig } from '../testing/link-rig.ts';

t.setTimeout(1_200_000);

async function right(t: Test, rig: LinkRig, least: Partial<Record<'told' | 'cursors' | 'endedMeanwhile' | 'madeMeanwhile', number>> = {}): Promise<void> {
  const found = await rig.judge();
  t.strictSame(found.wrong.slice(0, 5), [], 'the records say that everybody was told once');
  for (const [what, count] of Object.entries(least)) t.ok(found[what as 'told'] >= count, `${what}: ${found[what as 'told']}`);
}

t.test('a broadcast reaches whoever is linked, in every bucket, the own one and the actor itself too', async (t) => {
  const rig = await LinkRig.start(t, { limits: { broadcastChunkMax: 7 } });
  await rig.link(address('p'), 'o', 40);
  await rig.change('p', { link: [address('p')] });
  await rig.change('{p}beside', { link: [address('p')] });
  await rig.change('stranger', {});
  await rig.settled();
  await rig.tell('p', 'off sale');
  await right(t, rig, { told: 42, cursors: 6 });
  for (const id of ['o0', 'o39', 'p', '{p}beside']) t.strictSame(await rig.log(id), ['off sale'], id);
  t.strictSame(await rig.log('stranger'), []);
  const record = (await rig.test.engine.records(address('o3'), 1, 10)).find(({ command }) => command === 'Hear');
  t.match(record, { kind: 'decision', principal: address('p') });
});

t.test('with nobody linked there is nothing to do', async (t) => {
  const rig = await LinkRig.start(t);
  await rig.tell('p', 'hello', 'again');
  await rig.link(address('p'), 'o', 1);
  await rig.change('o0', { unlink: [address('p')] });
  await rig.settled();
  await rig.tell('p', 'hello');
  await right(t, rig);
  t.equal(rig.cursors, 0);
  t.strictSame(await rig.log('o0'), []);
});

t.test('a link and a command in one go: whoever is told has the link already, and answers', async (t) => {
  const rig = await LinkRig.start(t);
  await rig.change('o', { link: ['a', 'b', 'c'].map(address), ask: true });
  await right(t, rig);
  t.strictSame((await rig.test.get(address('o'))).body.answers.sort(), ['a', 'b', 'c'].map(address));
  for (const id of ['a', 'b', 'c']) {
    t.strictSame(await rig.log(id), ['linked']);
    await rig.tell(id, `from ${id}`);
  }
  await right(t, rig, { told: 3 });
  t.strictSame((await rig.log('o')).sort(), ['from a', 'from b', 'from c']);
});

t.test('who links twice is told once, who unlinks is not told, who links again is', async (t) => {
  const rig = await LinkRig.start(t);
  const p = address('p');
  await rig.change('twice', { link: [p, p] });
  await rig.change('twice', { link: [p] });
  await rig.change('gone', { link: [p] });
  await rig.change('gone', { unlink: [p] });
  await rig.change('never', { unlink: [p] });
  await rig.change('again', { link: [p] });
  await rig.change('again', { unlink: [p], link: [p] });
  await rig.change('both', { link: [p], unlink: [] });
  await rig.change('both', { unlink: [p, p], link: [] });
  await rig.settled();
  await rig.tell('p', 'one');
  await right(t, rig, { told: 2 });
  for (const [id, log] of [['twice', ['one']], ['gone', []], ['never', []], ['again', ['one']], ['both', []]] as const) t.strictSame(await rig.log(id), log, id);
});

t.test('a broadcast goes to those who were linked when it was decided', async (t) => {
  const rig = await LinkRig.start(t, { limits: { broadcastChunkMax: 3, broadcastBacklogMax: 1 } });
  const p = address('p');
  await rig.link(p, 'o', 60);
  await rig.tell('p', 'first');
  // In the same moment, and with the broadcast still far from its end:
  const changes: Promise<void>[] = [];
  for (let i = 50; i < 60; i++) changes.push(rig.change(`o${i}`, { unlink: [p] }));
  for (let i = 0; i < 10; i++) changes.push(rig.change(`late${i}`, { link: [p] }));
  changes.push(rig.change('o59', { link: [p] }));
  await Promise.all(changes);
  await rig.tell('p', 'second', 'third');
  await right(t, rig, { endedMeanwhile: 5, madeMeanwhile: 5 });
  for (const id of ['o0', 'o49']) t.strictSame(await rig.log(id), ['first', 'second', 'third'], id);
  t.strictSame(await rig.log('o55'), ['first']);
  t.equal((await rig.log('late3')).includes('first'), false);
});

t.test('who has no such command is passed over', async (t) => {
  const rig = await LinkRig.start(t, { limits: { broadcastChunkMax: 2 } });
  for (let i = 0; i < 6; i++) await rig.change(`d${i}`, { link: [address('p')], type: 'test.v1.Deaf' });
  await rig.change('o', { link: [address('p')] });
  await rig.settled();
  await rig.tell('p', 'hello');
  await right(t, rig, { told: 1 });
  t.strictSame(await rig.log('o'), ['hello']);
});

t.test('many actors that broadcast at once', async (t) => {
  const rig = await LinkRig.start(t, { limits: { broadcastChunkMax: 8 } });
  for (let i = 0; i < 30; i++) await rig.change(`o${i}`, { link: Array.from({ length: 12 }, (_, p) => address(`p${p}`)) });
  await rig.settled();
  await Promise.all(Array.from({ length: 12 }, (_, p) => rig.tell(`p${p}`, `a${p}`, `b${p}`)));
  await right(t, rig, { told: 720 });
  const log = await rig.log('o7');
  for (let p = 0; p < 12; p++) t.ok(log.indexOf(`a${p}`) < log.indexOf(`b${p}`), `p${p} is heard in order`);
});

t.test('who is linked can be seen, page by page, and whom an actor is linked to', async (t) => {
  const rig = await LinkRig.start(t);
  const p = address('p');
  await rig.link(p, 'o', 25);
  await rig.change('o7', { unlink: [p], link: ['q', 'r'].map(address) });
  await rig.settled();
  const { links } = rig.test.engine;
  const seen: string[] = [];
  for (let from = 1; from > 0; ) {
    const page = await links.linkedTo(p, from, 10);
    t.equal(page.count, 24);
    seen.push(...page.links.map(({ actor }) => actor));
    from = page.next;
  }
  t.strictSame(seen.sort(), Array.from({ length: 25 }, (_, i) => address(`o${i}`)).filter((actor) => actor !== address('o7')).sort());
  t.strictSame(await links.linkedTo(address('nobody'), 1, 10), { count: 0, links: [], next: 0 });
  t.strictSame(await links.linksOf(address('o7')), ['q', 'r'].map(address));
  await rig.checkpoint();
  await rig.change('o7', { unlink: [address('q')], link: [p] });
  t.strictSame(await links.linksOf(address('o7')), ['r', 'p'].map(address), 'from a snapshot and what came behind it');
  await t.rejects(links.linkedTo('nothing', 1, 10), { code: 'BAD_ADDRESS' });
});

t.test('a node that is full reads ahead for a broadcast all the same, beside those it has, and nobody twice', async (t) => {
  const activationsMax = 80;
  const ahead = activationsMax / 4;
  const linked = 320;
  const broadcastBacklogMax = 80;
  // However long it takes: the broadcast does not go on before its messages are taken in.
  const { broadcastRestMaxMs } = limits;
  Object.assign(limits, { broadcastRestMaxMs: 600_000 });
  t.teardown(() => Object.assign(limits, { broadcastRestMaxMs }));
  // Two channels: without reading ahead, two histories are read at a time.
  const rig = await LinkRig.start(t, { limits: { activationsMax, broadcastChunkMax: 40, broadcastBacklogMax }, bits: 1, readMs: 50 });
  await rig.link(address('p'), 'o', linked);
  await rig.shrunk(activationsMax);
  const full = rig.test.engine.stat();
  t.ok(full.passivations >= linked - activationsMax, `${full.passivations} passivations`);
  let mostActivations = 0;
  const watch = setInterval(() => (mostActivations = Math.max(mostActivations, rig.test.engine.stat().activations)), 1);
  rig.readsAtOnceMax = 0;
  const { reads } = rig;
  await rig.tell('p', 'off sale');
  await right(t, rig, { told: linked });
  clearInterval(watch);
  t.ok(rig.readsAtOnceMax >= ahead / 2, `${rig.readsAtOnceMax} histories were read at a time`);
  t.ok(rig.readsAtOnceMax <= ahead + 2 + 1, 'no more than may be read ahead, one a channel, and the one that tells');
  t.ok(rig.reads - reads <= linked * 1.3, `${rig.reads - reads} histories were read for ${linked} actors`);
  // Whoever was told stays until there is a snapshot.
  t.ok(mostActivations <= activationsMax + broadcastBacklogMax + ahead + 3, `at most ${mostActivations} actors were in memory`);
});

t.test('what the metrics say of a broadcast', async (t) => {
  const rig = await LinkRig.start(t, { limits: { broadcastChunkMax: 4, broadcastBacklogMax: 3 }, bits: 1 });
  const stat = (): { running: number; left: number; chunks: number; sends: number } => rig.test.engine.stat().messages.broadcasts;
  await rig.link(address('p'), 'o', 60);
  t.strictSame(stat(), { running: 0, left: 0, chunks: 0, sends: 0 });
  await rig.tell('p', 'one', 'two');
  const seen: ReturnType<typeof stat>[] = [];
  while (stat().running > 0) {
    seen.push(stat());
    await new Promise(setImmediate);
  }
  t.match(seen[0], { running: 2 });
  // A chunk of four is taken off before it is durable.
  const isRight = ({ running, left, sends }: ReturnType<typeof stat>): boolean => [0, 4].includes(120 - sends - left) && running === (left > 60 ? 2 : 1);
  t.strictSame(seen.filter((each) => !isRight(each)).slice(0, 5), []);
  t.ok(seen.every(({ left }, i) => i === 0 || left <= seen[i - 1]!.left), 'what is left becomes less');
  await right(t, rig, { told: 120 });
  t.strictSame(stat(), { running: 0, left: 0, chunks: rig.cursors, sends: 120 });
});
