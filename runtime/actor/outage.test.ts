import t from 'tap';

import { TroupeError } from '../codec/errors.ts';
import { StoreError } from '../journal/redis/store-error.ts';
import { isRetryable, Outage } from './outage.ts';

t.test('one line when it begins, one when all are through', async (t) => {
  const lines: string[] = [];
  const log = { info: (_: object, text: string) => lines.push(text), warn: (fields: object, text: string) => lines.push(`${text}: ${(fields as { reason: string }).reason}`), error: (_: object, text: string) => t.fail(text) };
  const outage = new Outage(log, { begins: 'away', over: 'back' });
  outage.worked('a');
  t.same(lines, [], 'nothing to tell of');
  for (const who of ['a', 'b', 'a', 'c']) outage.failed(who, new Error(`of ${who}`));
  t.same(lines.splice(0), ['away: of a']);
  outage.worked('a');
  outage.left('c');
  t.same(lines, [], 'b is not through');
  outage.worked('b');
  outage.worked('b');
  t.same(lines.splice(0), ['back']);
  outage.failed('a', new Error('again'));
  outage.left('a');
  t.same(lines.splice(0), ['away: again'], 'who leaves knows of nothing that it is over');
  outage.worked('b');
  t.same(lines, ['back']);
});

t.test('what may pass by itself', async (t) => {
  t.ok(isRetryable(new StoreError('unknown', 'LOST', 'gone')));
  t.ok(isRetryable(new TroupeError('STORE_UNAVAILABLE', 'gone')));
  t.notOk(isRetryable(new StoreError('refused', 'NOPERM', 'no', false)));
  for (const error of [new TroupeError('JOURNAL_DAMAGED', 'x'), new TroupeError('ROLLED_BACK', 'x'), new TypeError('x'), 'x', null]) t.notOk(isRetryable(error));
});

t.test('a defect is told each time, with its stack, and is no outage', async (t) => {
  const lines: string[] = [];
  const errors: object[] = [];
  const log = { info: (_: object, text: string) => lines.push(text), warn: (_: object, text: string) => lines.push(text), error: (fields: object) => errors.push(fields) };
  const outage = new Outage(log, { begins: 'away', over: 'back' });
  const defect = new TypeError('a defect');
  outage.again('a', defect);
  outage.again('a', defect);
  t.strictSame(errors, [{ err: defect }, { err: defect }]);
  outage.again('b', new TroupeError('STORE_UNAVAILABLE', 'gone'));
  outage.again('b', new TroupeError('STORE_UNAVAILABLE', 'gone'));
  outage.worked('b');
  t.same(lines, ['away', 'back']);
  t.equal(errors.length, 2);
});
