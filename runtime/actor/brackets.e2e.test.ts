/** The scenarios that the design's rules close, each seen to do harm when its rule is off. */

import t from 'tap';
import type { Test } from 'tap';

import { createMemoryJournal } from '../journal/memory/memory-journal.ts';
import { FaultyJournal } from './testing/faulty-journal.ts';
import { accountBundle, startEngine } from './testing/harness.ts';
import type { TestEngine } from './testing/harness.ts';

const account = 'test.v1.Account:a';

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Replaces the gate's wait for appends in flight: the rule E2, off. */
function withoutWaiting(node: TestEngine): void {
  const { gate } = node.engine as unknown as { gate: { idle: () => Promise<void> } };
  gate.idle = async () => {};
}

async function spendTwice(t: Test, ruleOn: boolean): Promise<{ first: string; second: string; overtaken: number }> {
  const faulty = new FaultyJournal(createMemoryJournal());
  const journal = faulty.asJournal();
  await journal.open();
  const node = await startEngine({ journal });
  t.teardown(() => node.close());
  await node.engine.deploy(accountBundle());
  if (!ruleOn) withoutWaiting(node);
  await node.send(account, 'Open', { amount: 10 });

  // The first withdrawal is decided and its append is on its way when the sandbox dies with the next batch.
  faulty.hold();
  const first = node.send(account, 'Withdraw', { amount: 10 });
  await until(() => faulty.appendsHeld > 0);
  process.kill(node.pool.stat().activePid, 'SIGKILL');
  const second = node.send(account, 'Withdraw', { amount: 10 });
  const before = node.engine.stat().rebuilds;
  await until(() => node.engine.stat().rebuilds > before || node.pool.stat().losses > 0);
  const overtaken = faulty.appendsHeld;
  if (!ruleOn) await until(() => faulty.appendsHeld > 1);
  await faulty.release();
  const result = {
    first: outcome(await first),
    second: outcome(await second),
    overtaken,
  };
  return result;
}

function outcome(answer: { error: { code: string; reason?: string } | null }): string {
  return answer.error === null ? 'ok' : (answer.error.reason ?? answer.error.code);
}

t.test('an output is being appended while the next batch kills the sandbox: nothing is spent twice', async (t) => {
  const { first, second, overtaken } = await spendTwice(t, true);
  t.equal(overtaken, 1, 'one append was in flight when the sandbox died');
  t.equal(first, 'ok');
  t.equal(second, 'OVERDRAWN', 'the rebuilt state holds the first withdrawal');
});

t.test('without waiting for appends in flight the same run spends twice', async (t) => {
  const { first, second } = await spendTwice(t, false);
  t.equal(first, 'ok');
  t.not(second, 'OVERDRAWN', 'the state that was rebuilt from the log lacked the first withdrawal');
});

async function delayedAppend(t: Test, ruleOn: boolean): Promise<{ first: string; second: string; late: string; withdrawals: number }> {
  const inner = createMemoryJournal();
  const faulty = new FaultyJournal(inner);
  const journal = faulty.asJournal();
  await journal.open();
  const node = await startEngine({ journal });
  t.teardown(() => node.close());
  await node.engine.deploy(accountBundle());
  await node.send(account, 'Open', { amount: 10 });
  if (!ruleOn) faulty.keepEpochs = true;
  faulty.loseNextAnswer();
  const first = await node.send(account, 'Withdraw', { amount: 10 });
  if (!ruleOn) await faulty.deliverBeforeNextAppend();
  const second = await node.send(account, 'Withdraw', { amount: 10 });
  const [late] = await faulty.deliver();
  const state = await node.get(account);
  return {
    first: outcome(first),
    second: outcome(second),
    late: late?.kind ?? 'delivered before',
    withdrawals: (state.body as { withdrawals: number }).withdrawals,
  };
}

t.test('a delayed append lands after its owner has read the log and decided anew: it is refused', async (t) => {
  const { first, second, late, withdrawals } = await delayedAppend(t, true);
  t.equal(first, 'UNKNOWN_OUTCOME', 'never ok');
  t.equal(second, 'ok', 'decided on the log as it stands under the new epoch');
  t.equal(late, 'fenced', 'what comes late finds the new epoch');
  t.equal(withdrawals, 1);
});

t.test('without a new epoch the delayed append lands, and the owner decides on a log that is not there', async (t) => {
  const { second, late } = await delayedAppend(t, false);
  t.equal(late, 'delivered before');
  t.not(second, 'ok', 'the log moved under its owner');
});

t.test('a read is answered only after an ownership check that began after it arrived', async (t) => {
  const faulty = new FaultyJournal(createMemoryJournal());
  const journal = faulty.asJournal();
  await journal.open();
  const node = await startEngine({ journal });
  t.teardown(() => node.close());
  await node.engine.deploy(accountBundle());
  await node.send(account, 'Open', { amount: 10 });
  const confirms = faulty.confirms;
  t.match(await node.get(account), { seq: 1, body: { balance: '10' }, error: null });
  t.equal(faulty.confirms, confirms + 1, 'one check per read that had no append to ride on');
  faulty.owned = false;
  t.match(await node.get(account), { error: { code: 'FENCED' } }, 'another owner may have gone on: no answer from this state');
  faulty.owned = true;
  await until(() => node.lines.length > 0);
  let again = await node.get(account);
  while (again.error !== null) again = await node.get(account);
  t.match(again, { seq: 1, body: { balance: '10' } });
});

t.test('without that check a former owner answers from a state that others may have left behind', async (t) => {
  const faulty = new FaultyJournal(createMemoryJournal());
  const journal = faulty.asJournal();
  await journal.open();
  const node = await startEngine({ journal });
  t.teardown(() => node.close());
  await node.engine.deploy(accountBundle());
  await node.send(account, 'Open', { amount: 10 });
  const { gate } = node.engine as unknown as { gate: { confirm: (group: { confirmSettled: boolean }) => void } };
  gate.confirm = (group) => {
    group.confirmSettled = true;
  };
  faulty.owned = false;
  t.match(await node.get(account), { error: null, body: { balance: '10' } }, 'it does not know that it was replaced');
});
