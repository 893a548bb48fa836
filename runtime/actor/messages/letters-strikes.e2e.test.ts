/** Messages that end the sandbox: how many of one actor's fail, and from which one on they are parked. */

import t from 'tap';

import type { DeadLetter } from '../engine.ts';
import { listener, openLetters, startRig } from './testing/letters-rig.ts';

t.setTimeout(1_200_000);

t.test('of messages that all end the sandbox, as many fail as it takes to quarantine their actor; the others are parked behind them', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  await rig.deploy({ loops: ['loop'] });
  const lettersOf = async (id: string): Promise<readonly DeadLetter[]> =>
    (await rig.node.engine.messages.desk.deadLetters({ type: '', actor: listener(id), after: { bucket: 0, position: 0 }, max: 100 })).letters;
  // Of one record, so that they come together, and are suspected together.
  await rig.say('a', 'x', ['loop', 'loop', 'loop', 'loop', 'loop', 'fine']);
  const letters = await rig.letters(6);
  // Those behind the first that is parked are so for either reason: they may be admitted together with it.
  t.same(letters.map(({ state, code }) => `${state} ${code === 'PARKED' ? 'QUARANTINED' : code}`), [
    'failed BEHAVIOR_FAILED', 'failed BEHAVIOR_FAILED', 'failed BEHAVIOR_FAILED', 'parked QUARANTINED', 'parked QUARANTINED', 'parked QUARANTINED',
  ]);
  t.equal(letters[3]!.code, 'QUARANTINED');
  // One after the other it is no different.
  for (const word of ['loop', 'loop', 'loop', 'loop', 'fine']) {
    const before = (await lettersOf('y')).length;
    await rig.say('b', 'y', [word]);
    await rig.letters(7 + before);
  }
  const later = await lettersOf('y');
  t.same(later.map(({ state }) => state), ['failed', 'failed', 'failed', 'parked', 'parked']);
  t.same(openLetters(await rig.records()).wrong, []);
  await rig.deploy();
  t.same(await rig.heard('x', 3), ['loop', 'loop', 'fine'], 'what was parked comes by itself, what has failed does not');
  const oracle = openLetters(await rig.records());
  t.same(oracle.wrong, []);
  t.equal(oracle.open.length, 6);
});
