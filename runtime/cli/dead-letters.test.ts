/** Dead letters as a person reads them. */

import t from 'tap';

import type { DeadLetter } from '../actor/engine.ts';
import { letterTable, outcomeText, placeOf } from './dead-letters.ts';
import { ageText } from './quantities.ts';

const letter: DeadLetter = {
  bucket: 3, position: 17, state: 'failed', code: 'BEHAVIOR_ERROR', message: 'no\u001b[2J such thing', nowMs: 1_000, bundle: 'ab', from: 'shop.v1.Order:o-1', to: 'shop.v1.Inventory:p-1',
  command: 'Reserve', body: {}, onReply: 'TakeReservation', timer: '', resumes: 0,
};

t.test('a table, and later pages without its head', async (t) => {
  const parked: DeadLetter = { ...letter, position: 9, state: 'parked', code: 'PARKED', message: 'an earlier one is', from: 'shop.v1.Order:o-2', timer: 'expiry' };
  const text = letterTable([letter, parked], 61_000, true);
  t.equal(text, [
    'PLACE  STATE   AGE    FROM               TO                     COMMAND  WHY',
    '3/17   failed  1 min  shop.v1.Order:o-1  shop.v1.Inventory:p-1  Reserve  BEHAVIOR_ERROR  no\\u001b[2J such thing',
    '3/9    parked  1 min  timer expiry       shop.v1.Inventory:p-1  Reserve  PARKED          an earlier one is',
  ].join('\n'));
  t.equal(letterTable([letter], 61_000, false).split('\n').length, 1);
});

t.test('what has become of one', async (t) => {
  const place = { bucket: 3, position: 17 };
  const record = { bucket: 3, position: 40 };
  const error = { code: 'BEHAVIOR_ERROR', message: 'again' };
  t.equal(outcomeText(place, { became: 'decision', record, code: '', message: '' }), '3/17 was taken, record 3/40');
  t.equal(outcomeText(place, { became: 'rejection', record, code: 'LATE', message: 'too late' }), '3/17 was taken and refused, record 3/40: LATE: too late');
  t.equal(outcomeText(place, { became: 'failed', record, ...error }), '3/17 has failed again, as 3/40: BEHAVIOR_ERROR: again');
  t.equal(outcomeText(place, { became: 'parked', record: place, ...error }), '3/17 waits for its actor: BEHAVIOR_ERROR: again');
  t.equal(outcomeText(place, { became: 'parked', record, ...error }), '3/17 waits for its actor, as 3/40: BEHAVIOR_ERROR: again');
  t.equal(outcomeText(place, { became: 'dropped', record, code: '', message: '' }), '3/17 is dropped, record 3/40, which is in no actor\'s history: `troupe why 3/40` shows it');
});

t.test('places and ages', async (t) => {
  t.same(placeOf('0/12'), { bucket: 0, position: 12 });
  for (const wrong of ['', '3', '3/', '/4', '3/4/5', 'a/4', '3/-4', ' 3/4']) t.throws(() => placeOf(wrong), { code: 'CONFIG_INVALID' }, wrong);
  for (const [ms, text] of [[-5, '0 s'], [59_999, '59 s'], [60_000, '1 min'], [3_599_999, '59 min'], [7_200_000, '2 h'], [86_400_000 * 9, '9 d']] as const) t.equal(ageText(ms), text);
});
