/** How long a node that starts waits for its store, and what ends that. */

import { pino } from 'pino';
import t from 'tap';

import { catalogue, TroupeError } from '../runtime/codec/errors.ts';
import { StoreError } from '../runtime/journal/redis/store-error.ts';
import { whenStoreAnswers } from './joining.ts';

const log = pino({ level: 'silent' });
const never = new AbortController().signal;
const away = new StoreError('unknown', 'UNREACHABLE', '10.0.0.5:6379: not connected');

t.test('it is tried again until it answers', async (t) => {
  let tries = 0;
  const answer = await whenStoreAnswers(log, never, async () => {
    if (++tries < 3) throw tries === 1 ? away : new TroupeError('STORE_UNAVAILABLE', 'starting');
    return 'there';
  });
  t.same([answer, tries], ['there', 3]);
});

t.test('who gives up says that the node was not started, and promises nothing', async (t) => {
  for (const failure of [away, new TroupeError('STORE_UNAVAILABLE', away.message), new StoreError('refused', 'NOPERM', away.message, false)]) {
    const error = (await whenStoreAnswers(log, never, () => Promise.reject(failure), -1).catch((thrown: unknown) => thrown)) as TroupeError;
    t.match(error, { code: 'STORE_UNAVAILABLE', message: away.message, retryable: true });
    t.not(error.hint, catalogue.STORE_UNAVAILABLE.hint);
    t.match(error.hint, /was not started/);
  }
  const other = new TroupeError('CONFIG_INVALID', 'too old');
  t.equal(await whenStoreAnswers(log, never, () => Promise.reject(other)).catch((thrown: unknown) => thrown), other, 'what waiting does not change is not waited for, and is what it was');
});

t.test('an end that is asked for ends the wait: between two tries, during one, and in front of the first', async (t) => {
  const reason = new Error('to end');
  const between = new AbortController();
  let tries = 0;
  const waiting = whenStoreAnswers(log, between.signal, () => {
    tries++;
    setTimeout(() => between.abort(reason), 20);
    return Promise.reject(away);
  });
  t.equal(await waiting.catch((thrown: unknown) => thrown), reason);
  t.equal(tries, 1);
  const during = new AbortController();
  setTimeout(() => during.abort(reason), 20);
  t.equal(await whenStoreAnswers(log, during.signal, () => new Promise(() => {})).catch((thrown: unknown) => thrown), reason);
  t.equal(await whenStoreAnswers(log, during.signal, () => t.fail('it is not even tried') as never).catch((thrown: unknown) => thrown), reason);
});
