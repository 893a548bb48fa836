/** Parked and failed messages taken up again: in order, once each, whatever comes in between. */

import t from 'tap';
import type { Test } from 'tap';

import type { TroupeError } from '../../codec/errors.ts';
import type { DeadLetter } from '../engine.ts';
import { bucketOf } from './message.ts';
import { BITS, listener, openLetters, speaker, startRig } from './testing/letters-rig.ts';
import type { Rig } from './testing/letters-rig.ts';

t.setTimeout(1_200_000);

const words = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `w${from + i}`);

/** What the log says must be what the node says. */
async function agree(t: Test, rig: Rig, open: number): Promise<void> {
  const oracle = openLetters(await rig.records());
  t.same(oracle.wrong, []);
  const letters = await rig.letters(open);
  t.same(letters.map(({ bucket, position }) => `${bucket}/${position}`).sort(), oracle.open.sort());
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(() => 'done', (error: TroupeError) => error.code);
}

async function failed(rig: Rig): Promise<DeadLetter[]> {
  const { letters } = await rig.node.engine.messages.desk.deadLetters({ type: '', after: { bucket: 0, position: 0 }, max: 1_000 });
  return letters.filter(({ state }) => state === 'failed');
}

/** Takes a listener out of service: three commands that end the sandbox. */
async function quarantine(rig: Rig, id: string): Promise<void> {
  for (let i = 0; i < 3; i++) await rig.node.send(listener(id), 'Hear', { word: 'loop' }, `k${i}`);
  const { error } = await rig.node.send(listener(id), 'Hear', { word: 'x' });
  if (error?.code !== 'QUARANTINED') throw new Error(`not quarantined: ${error?.code}`);
}

t.test('a poisonous message holds nobody up, and comes once more when it is retried', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ throws: ['poison'] });
  await rig.say('a', 'x', ['before', 'poison', 'behind'], { ask: true });
  t.same(await rig.heard('x', 2), ['before', 'behind']);
  t.same(await rig.answers('a', 2), ['before', 'behind'], 'who waits for the failed one goes on waiting');
  const [letter] = await rig.letters(1);
  t.match(letter, { state: 'failed', code: 'BEHAVIOR_ERROR', from: speaker('a'), to: listener('x'), command: 'Hear', body: { word: 'poison' }, onReply: 'TakeAnswer', resumes: 0 });
  await agree(t, rig, 1);

  const { desk } = rig.node.engine.messages;
  t.match(await desk.retry(letter!), { became: 'failed', code: 'BEHAVIOR_ERROR' }, 'nothing was fixed');
  const [again] = await rig.letters(1);
  t.equal(again!.resumes, letter!.position);
  t.equal(await codeOf(desk.retry(letter!)), 'BAD_REQUEST', 'it is another record now');

  await rig.restart();
  await rig.deploy();
  await agree(t, rig, 1);
  const tries = await Promise.all(Array.from({ length: 5 }, () => rig.node.engine.messages.desk.retry(again!).then(({ became }) => became, (error: TroupeError) => error.code)));
  t.same(tries.filter((outcome) => outcome === 'decision'), ['decision'], 'several operators, one effect');
  t.same(await rig.heard('x', 3), ['before', 'behind', 'poison']);
  t.same(await rig.answers('a', 3), ['before', 'behind', 'poison']);
  await rig.restart();
  await agree(t, rig, 0);
  t.equal(await codeOf(rig.node.engine.messages.desk.retry(again!)), 'BAD_REQUEST');
  t.same(await rig.answers('a', 3), ['before', 'behind', 'poison']);
});

t.test('a command that does not exist any more is a dead letter until it does', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ hums: true });
  // It is on its way when the command goes.
  rig.faulty().hold();
  const said = rig.say('a', 'x', ['hum'], { command: 'Hum' });
  const deployed = rig.deploy();
  while (rig.faulty().appendsHeld < 2) await new Promise((resolve) => setTimeout(resolve, 2));
  await rig.faulty().release();
  await Promise.all([said, deployed]);
  const [letter] = await rig.letters(1);
  t.match(letter, { state: 'failed', code: 'UNKNOWN_COMMAND', command: 'Hum' });
  await rig.deploy({ hums: true });
  t.match(await rig.node.engine.messages.desk.retry(letter!), { became: 'decision' });
  t.same(await rig.heard('x', 1), ['hum']);
  await agree(t, rig, 0);
});

t.test('a message that ends the sandbox until its last strike is a dead letter, and comes when it is fixed', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ loops: ['loop'] });
  await rig.say('a', 'x', ['before', 'loop', 'behind'], { ask: true });
  t.same(await rig.heard('x', 2), ['before', 'behind']);
  const [letter] = await rig.letters(1);
  t.match(letter, { state: 'failed', code: 'BEHAVIOR_FAILED', command: 'Hear', body: { word: 'loop' }, onReply: 'TakeAnswer' });
  t.match(await rig.node.engine.messages.desk.retry(letter!), { became: 'failed', code: 'BEHAVIOR_FAILED' }, 'nothing was fixed, and the node goes on');
  await rig.deploy();
  const [again] = await rig.letters(1);
  t.match(await rig.node.engine.messages.desk.retry(again!), { became: 'decision' });
  t.same(await rig.heard('x', 3), ['before', 'behind', 'loop']);
  t.same(await rig.answers('a', 3), ['before', 'behind', 'loop']);
  await agree(t, rig, 0);
});

t.test('messages for a quarantined actor wait in order, and run in order when it is fixed', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ loops: ['loop'] });
  await quarantine(rig, 'x');
  // More than are taken up at once.
  for (let i = 0; i < 10; i++) await rig.say('a', 'x', words(10, i * 10), { ask: true });
  await rig.say('a', 'y', ['meanwhile']);
  t.same(await rig.heard('y', 1), ['meanwhile'], 'others go on');
  const letters = await rig.letters(100);
  t.match(letters[0], { state: 'parked', code: 'QUARANTINED', to: listener('x'), from: speaker('a') });
  t.equal(letters[99]!.code, 'PARKED', 'behind the others');
  t.match(await rig.node.engine.messages.desk.retry(letters[0]!), { became: 'parked', code: 'QUARANTINED', record: { position: letters[0]!.position } }, 'it still cannot');
  const before = (await rig.records()).length;
  await rig.node.engine.messages.desk.retry(letters[3]!);
  t.equal((await rig.records()).length, before, 'trying in vain leaves nothing behind');

  await rig.restart();
  await agree(t, rig, 100);
  const deployed = rig.deploy();
  // New ones come while the old ones are taken up.
  const said: Promise<void>[] = [];
  for (let i = 10; i < 20; i++) said.push(rig.say('a', 'x', words(10, i * 10), { ask: true }));
  await Promise.all([deployed, ...said]);
  const heard = await rig.heard('x', 200);
  t.same(heard.slice(0, 100), words(100), 'what was parked first');
  t.same(heard.slice(100).sort(), words(100, 100).sort());
  t.equal((await rig.answers('a', 200)).length, 200);
  await rig.restart();
  await agree(t, rig, 0);
});

t.test('messages that are parked while their actor is put back in service are not forgotten', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ loops: ['loop'] });
  await quarantine(rig, 'x');
  for (let round = 0; round < 10; round++) {
    const said = Array.from({ length: 5 }, (_, i) => rig.say(`s${i}`, 'x', words(4, round * 4)));
    if (round === 5) await rig.deploy();
    await Promise.all(said);
  }
  const heard = await rig.heard('x', 200);
  t.same(heard.sort(), words(40).flatMap((word) => Array.from({ length: 5 }, () => word)).sort());
  await agree(t, rig, 0);
});

t.test('what is parked, and not durable yet when its actor is put back in service, is taken up when it is', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ loops: ['loop'] });
  await quarantine(rig, 'x');
  const { inner } = rig.faulty();
  const append = inner.append.bind(inner);
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  const { bucket } = (await rig.node.engine.records(listener('x'), 1, 1))[0]!;
  const other = Array.from({ length: 50 }, (_, i) => `s${i}`).find((id) => bucketOf(speaker(id), BITS) !== bucket)!;
  inner.append = async (batch) => {
    if (batch.some((one) => one.bucket.index === bucket)) await gate;
    return append(batch);
  };
  await rig.say(other, 'x', ['w0'], { ask: true });
  const { messages } = rig.node.engine;
  while (messages.stat().parked === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const deployed = rig.deploy();
  // Time enough to look at what is parked, and to find that it cannot be read yet.
  await new Promise((resolve) => setTimeout(resolve, 300));
  open();
  await deployed;
  t.same(await rig.heard('x', 1), ['w0']);
  t.same(await rig.answers(other, 1), ['w0']);
  await agree(t, rig, 0);
});

t.test('a failed message that is retried while its actor cannot take it waits behind the others', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ throws: ['poison'], loops: ['loop'] });
  await rig.say('a', 'x', ['poison'], { ask: true });
  const [letter] = await rig.letters(1);
  await quarantine(rig, 'x');
  await rig.say('a', 'x', ['w0']);
  await rig.letters(2);
  t.match(await rig.node.engine.messages.desk.retry(letter!), { became: 'parked' });
  await agree(t, rig, 2);
  await rig.restart();
  await agree(t, rig, 2);
  await rig.deploy();
  t.same(await rig.heard('x', 2), ['w0', 'poison']);
  t.same(await rig.answers('a', 1), ['poison']);
  await agree(t, rig, 0);
});

t.test('a dropped message has no effect, and its sender is told', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ throws: ['poison'], loops: ['loop'] });
  await rig.say('a', 'x', ['poison'], { ask: true });
  await rig.say('a', 'x', ['poison']);
  const [asked, told] = await rig.letters(2);
  const { desk } = rig.node.engine.messages;
  t.match(await desk.drop(asked!), { became: 'dropped' });
  t.match(await desk.drop(told!), { became: 'dropped' });
  t.same(await rig.answers('a', 1), ['MESSAGE_DROPPED']);
  t.equal(await codeOf(desk.drop(asked!)), 'BAD_REQUEST');
  t.equal(await codeOf(desk.retry(asked!)), 'BAD_REQUEST');
  await agree(t, rig, 0);

  await quarantine(rig, 'y');
  await rig.say('b', 'y', words(5), { ask: true });
  const parked = await rig.letters(5);
  t.match(await desk.drop(parked[2]!), { became: 'dropped' });
  t.match(await desk.drop(parked[0]!), { became: 'dropped' });
  t.same(await rig.answers('b', 2), ['MESSAGE_DROPPED', 'MESSAGE_DROPPED']);
  await rig.restart();
  await agree(t, rig, 3);
  await rig.deploy();
  t.same(await rig.heard('y', 3), ['w1', 'w3', 'w4']);
  t.same((await rig.answers('b', 5)).sort(), ['MESSAGE_DROPPED', 'MESSAGE_DROPPED', 'w1', 'w3', 'w4']);
  await agree(t, rig, 0);
});

t.test('drops, retries and a deployment at once: each message goes one way', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ throws: words(20, 100), loops: ['loop'] });
  await quarantine(rig, 'x');
  await rig.say('a', 'x', words(60), { ask: true });
  await rig.say('a', 'y', words(20, 100), { ask: true });
  const letters = await rig.letters(80);
  const { desk } = rig.node.engine.messages;
  const orders = letters.flatMap((letter, i) => [...(i % 3 === 0 ? [desk.drop(letter)] : []), ...(i % 2 === 0 ? [desk.retry(letter)] : [])].map(codeOf));
  await Promise.all([rig.deploy(), ...orders]);
  for (const letter of await failed(rig)) await desk.retry(letter);
  const answers = await rig.answers('a', 80);
  const dropped = answers.filter((answer) => answer === 'MESSAGE_DROPPED').length;
  t.ok(dropped > 0 && dropped < 40, `${dropped} were dropped`);
  const { body: x } = await rig.node.get(listener('x'));
  const { body: y } = await rig.node.get(listener('y'));
  t.equal(new Set([...x.heard, ...y.heard]).size, 80 - dropped);
  t.equal(x.heard.length + y.heard.length, 80 - dropped);
  t.same(x.heard, [...x.heard].sort((a: string, b: string) => Number(a.slice(1)) - Number(b.slice(1))), 'in order');
  await agree(t, rig, 0);
});

for (const failing of ['refused', 'unknown', 'unknown, yet written'] as const) {
  t.test(`a bucket that is opened again in the middle of it (append ${failing})`, async (t) => {
    const rig = await startRig();
    t.teardown(() => rig.close());
    await rig.deploy({ throws: ['poison'], loops: ['loop'] });
    await rig.say('a', 'z', ['poison', 'poison', 'poison'], { ask: true });
    await quarantine(rig, 'x');
    await rig.say('a', 'x', words(80), { ask: true });
    await rig.letters(83);
    const poison = await failed(rig);
    const faulty = rig.faulty();
    let appends = 0;
    faulty.judge = (append) => {
      if (++appends % 4 !== 0) return null;
      if (failing === 'refused') return { kind: 'refused', code: 'JOURNAL_FULL', message: 'no room just now', retryable: true };
      if (failing === 'unknown, yet written') void faulty.inner.append([append]);
      return { kind: 'unknown', message: 'the answer was lost' };
    };
    const deployed = codeOf(rig.deploy());
    const retries = Promise.all(poison.map((letter) => codeOf(rig.node.engine.messages.desk.retry(letter))));
    await deployed;
    await retries;
    faulty.judge = null;
    t.ok(faulty.opens > 0, 'buckets were opened again');
    await rig.deploy().catch(() => {});
    t.same(await rig.heard('x', 80), words(80));
    // What was tried before the fix stood has failed again.
    for (const letter of await failed(rig)) t.match(await rig.node.engine.messages.desk.retry(letter), { became: 'decision' });
    t.same(await rig.heard('z', 3), ['poison', 'poison', 'poison']);
    t.equal((await rig.answers('a', 83)).length, 83);
    await rig.restart();
    await agree(t, rig, 0);
  });
}

t.test('a timer that fired in vain fires once more, unless it was cancelled or armed anew', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ throws: ['tick'], loops: ['loop'] });
  const arm = (timer: string, inMs: number, id = 'x'): Promise<unknown> => rig.node.send(listener(id), 'Arm', { timer, inMs, word: 'tick' });
  for (const timer of ['kept', 'cancelled', 'replaced']) await arm(timer, 5);
  const letters = await rig.letters(3);
  t.match(letters.map(({ state, command, from, to, onReply }) => ({ state, command, from, to, onReply })), Array.from({ length: 3 }, () => ({ state: 'failed', command: 'Hear', from: listener('x'), to: listener('x'), onReply: '' })));
  t.same(letters.map(({ timer }) => timer).sort(), ['cancelled', 'kept', 'replaced']);
  await rig.node.send(listener('x'), 'Disarm', { timer: 'cancelled' });
  await arm('replaced', 3_600_000);

  await quarantine(rig, 'y');
  await rig.restart();
  await agree(t, rig, 3);
  await rig.deploy();
  const became = new Map<string, string>();
  for (const letter of letters) became.set(letter.timer, (await rig.node.engine.messages.desk.retry(letter)).became);
  t.same(Object.fromEntries(became), { kept: 'decision', cancelled: 'dropped', replaced: 'dropped' });
  t.same(await rig.heard('x', 1), ['tick']);
  await rig.restart();
  await agree(t, rig, 0);
  t.same(await rig.heard('x', 1), ['tick'], 'and does not fire again');
});

t.test('a timer of a quarantined actor fires when it is fixed', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ loops: ['loop'] });
  await rig.node.send(listener('x'), 'Arm', { timer: 'soon', inMs: 3_600_000, word: 'tick' });
  await quarantine(rig, 'x');
  await rig.restart(3_600_000);
  t.match(await rig.letters(1), [{ state: 'parked', code: 'QUARANTINED', timer: 'soon' }]);
  await rig.say('a', 'x', ['behind']);
  await rig.restart();
  await agree(t, rig, 2);
  await rig.deploy();
  t.same(await rig.heard('x', 2), ['tick', 'behind']);
  await agree(t, rig, 0);
});

t.test('a page begins where the one before has ended', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ throws: ['poison'] });
  for (let i = 0; i < 8; i++) await rig.say('a', `x${i}`, ['poison', 'poison', 'poison']);
  const all = await rig.letters(24);
  const { desk } = rig.node.engine.messages;
  const paged: string[] = [];
  let after: { bucket: number; position: number } | null = { bucket: 0, position: 0 };
  while (after !== null) {
    const { letters, next } = await desk.deadLetters({ type: 'test.v1.Listener', after, max: 5 });
    t.ok(letters.length <= 5);
    paged.push(...letters.map(({ bucket, position }) => `${bucket}/${position}`));
    after = next;
  }
  t.same(paged, all.map(({ bucket, position }) => `${bucket}/${position}`));
  t.same((await desk.deadLetters({ type: 'test.v1.Speaker', after: { bucket: 0, position: 0 }, max: 5 })).letters, []);
});
