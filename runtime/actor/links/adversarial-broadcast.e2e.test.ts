/** Everybody is told once, whatever happens on the way: a sandbox that dies, a bucket that is opened again, the power that fails between two chunks. */

import t from 'tap';
import type { Test } from 'tap';

import { address, LinkRig } from '../testing/link-rig.ts';

t.setTimeout(1_200_000);

const LINKED = 24;
const CHUNK = 4;
const limits = { broadcastChunkMax: CHUNK, broadcastBacklogMax: 3 };

async function right(t: Test, rig: LinkRig, told: number): Promise<void> {
  const found = await rig.judge();
  t.strictSame(found.wrong.slice(0, 5), [], 'the records say that everybody was told once');
  t.equal(found.told, told);
}

/** Waits until so many cursor records were written. */
async function cursors(rig: LinkRig, count: number): Promise<void> {
  for (let tries = 0; rig.cursors < count; tries++) {
    if (tries > 12_000) throw new Error(`only ${rig.cursors} chunks: ${JSON.stringify(rig.test.lines.slice(-5))}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

t.test('a sandbox that is killed again and again', async (t) => {
  const rig = await LinkRig.start(t, { limits });
  await rig.link(address('p'), 'o', 60);
  await rig.tell('p', 'one', 'two');
  for (let i = 1; i <= 4; i++) {
    await cursors(rig, i * 4);
    process.kill(rig.test.pool.stat().activePid, 'SIGKILL');
  }
  await right(t, rig, 120);
  t.ok(rig.test.engine.stat().rebuilds >= 3, `${rig.test.engine.stat().rebuilds} rebuilds`);
  t.strictSame(await rig.log('o59'), ['one', 'two']);
});

for (const [what, lands] of [['never written', false], ['written, and nobody heard of it', true]] as const) {
  t.test(`appends that fail while a broadcast runs: ${what}`, async (t) => {
    const rig = await LinkRig.start(t, { limits, bits: 1 });
    await rig.link(address('p'), 'o', 60);
    await rig.tell('p', 'one', 'two');
    for (let i = 1; i <= 5; i++) {
      await cursors(rig, i * 4);
      rig.faults.loseNextAnswer();
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (lands) await rig.faults.deliver();
    }
    await right(t, rig, 120);
    const { bucketStops, messages } = rig.test.engine.stat();
    t.ok(bucketStops >= 4, `${bucketStops} stops`);
    // What was written and not heard of counts for nobody; nothing counts twice.
    const { sends } = messages.broadcasts;
    t.ok(lands ? sends <= 120 : sends === 120, `${sends} sends are counted`);
  });
}

t.test('a bucket that is handed over and taken back, and hand-overs that are given up', async (t) => {
  const rig = await LinkRig.start(t, { limits, bits: 1 });
  await rig.link(address('p'), 'o', 60);
  await rig.tell('p', 'one', 'two');
  const { ownership } = rig.test.engine;
  const buckets = [0, 1];
  let givenUp = 0;
  for (let i = 1; i <= 5; i++) {
    await cursors(rig, i * 4);
    // Something waits for the disk for longer than a hand-over may take.
    rig.faults.hold();
    void rig.change('other', { link: [address('q')] });
    while (rig.faults.appendsHeld === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    if (!(await ownership.release(buckets, 5))) givenUp++;
    await rig.faults.release();
    await cursors(rig, i * 4 + 1);
    t.equal(await ownership.release(buckets), true);
    const { length } = await ownership.acquire(buckets, async () => {});
    t.equal(length, 2);
  }
  await right(t, rig, 120);
  t.equal(givenUp, 5);
});

for (const isHeard of [true, false]) {
  for (const losesCheckpoints of [false, true]) {
    const name = `the power fails between any two chunks, ${isHeard ? 'the last one known' : 'the last one written, not known'}, ${losesCheckpoints ? 'no checkpoint' : 'with a checkpoint'}`;
    t.test(name, async (t) => {
      t.setTimeout(1_200_000);
      const rig = await LinkRig.start(t, { limits, bits: 2, losesCheckpoints });
      await rig.link(address('p'), 'o', LINKED);
      const chunks = LINKED / CHUNK;
      let told = 0;
      for (let fails = isHeard ? 0 : 1; fails <= chunks - (isHeard ? 1 : 0); fails++) {
        const word = `w${fails}`;
        rig.failBehind(fails, isHeard);
        // Nobody may be there to answer them.
        void rig.tell('p', word);
        void rig.change(`o${fails}`, { unlink: [address('p')] });
        await rig.powerless();
        await rig.crash();
        const { told: sofar, wrong } = await rig.judge();
        t.strictSame(wrong.slice(0, 5), [], `behind ${fails} chunks`);
        t.ok(sofar > told, `${sofar - told} were told`);
        told = sofar;
        // For the next round.
        await rig.change(`o${fails}`, { link: [address('p')] });
        await rig.settled();
      }
      if (losesCheckpoints) t.equal(rig.midway, 0);
      else t.ok(rig.midway >= chunks / 2, `${rig.midway} starts from the middle of a broadcast`);
    });
  }
}
