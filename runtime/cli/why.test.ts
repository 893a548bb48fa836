/** Chains of causes as a person reads them. */

import t from 'tap';

import type { CauseLink, RecordView } from '../actor/engine.ts';
import { recordText } from './record-text.ts';
import { refOf } from './why.ts';
import { chainText } from './why-text.ts';

const record: RecordView = {
  position: 17, bucket: 3, incarnation: 'ab', epoch: 1, kind: 'decision', actor: 'shop.v1.Order:o-1', addressee: '', cause: null, firing: null, resumes: 0, onReply: '',
  firstSeq: 1, command: 'PlaceOrder', key: 'k1', principal: 'alice', nowMs: 0, bundle: 'ab12cd34ef', payload: {}, events: [{ seq: 1, name: 'OrderPlaced', body: { quantity: 2 } }],
  sends: [], timers: [], links: [], broadcasts: [], linkTaken: null, cursor: null, reply: {}, rejection: null, failure: null,
};
const trace = { problem: '', events: ['order.js:9:7'], sends: [], timers: [], links: [], broadcasts: [], refusal: '' };
const noCause = { kind: 'client', place: null, entry: 0, incarnation: '' } as const;
const send = (to: string, name: string): RecordView['sends'][number] => ({ to, name, body: {}, number: 1, onReply: '' });

t.test('the beginning first, with what leads on, where in which script', async (t) => {
  const placed: CauseLink = {
    record: { ...record, cause: { session: 's-1', incarnation: '', bucket: 0, position: 0, entry: 0, number: 0 }, sends: [send('shop.v1.Other:x', 'Note'), send('shop.v1.Inventory:p-1', 'Reserve')], timers: [{ name: 'expiry', command: 'Expire' }] },
    trace: { ...trace, sends: ['order.js:10:7', 'order.js:11:7'], timers: ['order.js:12:7'] },
    cause: noCause,
  };
  const reserved: CauseLink = {
    record: { ...record, bucket: 5, position: 3, actor: 'shop.v1.Inventory:p-1', command: 'Reserve', key: '', principal: 'shop.v1.Order:o-1', events: [{ seq: 4, name: 'Reserved', body: {} }], sends: [send('shop.v1.Order:o-1', 'TakeReservation')] },
    trace: { ...trace, events: ['inventory.js:5:7'] },
    cause: { kind: 'message', place: { bucket: 3, position: 17 }, entry: 1, incarnation: 'ab' },
  };
  const taken: CauseLink = {
    record: { ...record, position: 19, firstSeq: 2, command: 'TakeReservation', key: '', principal: 'shop.v1.Inventory:p-1', events: [{ seq: 2, name: 'OrderConfirmed', body: {} }] },
    trace: { ...trace, problem: 'decided again, it comes out differently', events: [] },
    cause: { kind: 'message', place: { bucket: 5, position: 3 }, entry: 0, incarnation: 'ab' },
  };
  t.equal(chainText([taken, reserved, placed], 2), [
    '1970-01-01T00:00:00.000Z  shop.v1.Order:o-1  PlaceOrder  3/17  by alice  session s-1  bundle ab12cd34  key k1',
    '   event     1 OrderPlaced {"quantity":2}  order.js:9:7',
    '   send      shop.v1.Other:x Note {}  order.js:10:7',
    '-> send      shop.v1.Inventory:p-1 Reserve {}  order.js:11:7',
    '   timer     expiry Expire  order.js:12:7',
    '1970-01-01T00:00:00.000Z  shop.v1.Inventory:p-1  Reserve  5/3  by shop.v1.Order:o-1  bundle ab12cd34',
    '   event     4 Reserved {}  inventory.js:5:7',
    '-> answer    shop.v1.Order:o-1 TakeReservation {}',
    '1970-01-01T00:00:00.000Z  shop.v1.Order:o-1  TakeReservation  3/19  by shop.v1.Inventory:p-1  bundle ab12cd34',
    '-> event     2 OrderConfirmed {}',
    '   no lines  decided again, it comes out differently',
  ].join('\n'));
});

t.test('of many only some are shown, and what leads on', async (t) => {
  const many: CauseLink = { record: { ...record, events: [], sends: Array.from({ length: 30 }, (_, i) => send(`a.B:${i}`, 'X')) }, trace: { ...trace, events: [], sends: Array.from({ length: 30 }, (_, i) => `a.js:${i}:1`) }, cause: noCause };
  const effect: CauseLink = { record, trace, cause: { kind: 'message', place: { bucket: 3, position: 17 }, entry: 25, incarnation: '' } };
  const text = chainText([effect, many], 0).split('\n');
  t.ok(text.includes('-> send      a.B:25 X {}  a.js:25:1'));
  t.ok(text.includes('   send      ... and 19 more'));
});

t.test('what is asked for', async (t) => {
  t.same(refOf('shop.v1.Order:o-1', undefined), { actor: 'shop.v1.Order:o-1', seq: 0 });
  t.same(refOf('shop.v1.Order:o-1@12', undefined), { actor: 'shop.v1.Order:o-1', seq: 12 });
  t.throws(() => refOf('shop.v1.Order:o-1@0', undefined), { code: 'CONFIG_INVALID' });
  t.same(refOf('a.b.User:x@y@3', undefined), { actor: 'a.b.User:x@y', seq: 3 });
  t.same(refOf('a.b.User:x@3', '7'), { actor: 'a.b.User:x@3', seq: 7 });
  t.same(refOf('3/17', undefined), { bucket: 3, position: 17 });
  t.throws(() => refOf('nothing', undefined), { code: 'BAD_ADDRESS' });
  t.throws(() => refOf('3/17', '1'), { code: 'CONFIG_INVALID' });
});

t.test('a record shows what brought it, and what its events changed', async (t) => {
  const text = recordText({
    ...record, cause: { session: '', incarnation: 'ab', bucket: 5, position: 3, entry: 1, number: 9 }, resumes: 12, onReply: 'Take',
    firing: { timer: { position: 4, index: 0 }, name: 'tick', dueMs: 0, missed: 2, nextDueMs: 0 },
    events: [{ seq: 1, name: 'X', body: {}, changes: [{ path: 'a', before: 1, after: 2 }, { path: 'b[0]', after: 'x' }, { path: 'c', before: null }] }],
  });
  for (const part of ['sent by   5/3 entry 1', 'tick armed by 3/4, due 1970-01-01T00:00:00.000Z, 2 missed', 'again     from 3/12', 'reply to  Take', 'a: 1 -> 2', 'b[0]: "x"', 'c: null -> gone']) t.match(text, part);
});
