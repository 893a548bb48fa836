/** The sandbox dies while messages are taken in whose records are not durable yet: their channel goes on behind them, when they are. */

import t from 'tap';

import { createMemoryJournal } from '../../journal/memory/memory-journal.ts';
import { FaultyJournal } from '../testing/faulty-journal.ts';
import { startEngine } from '../testing/harness.ts';
import { bucketOf } from './message.ts';
import { talker, talkers } from './testing/talkers.ts';
import type { TalkerState } from './testing/talkers.ts';

const BITS = 3;
const POLL_MS = 5;
const POLLS_MAX = 12_000;

async function until(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let i = 0; i < POLLS_MAX; i++) {
    if (await holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return false;
}

t.test('a channel goes on behind what was on its way to the disk when the sandbox died', async (t) => {
  const faulty = new FaultyJournal(createMemoryJournal());
  const journal = faulty.asJournal();
  await journal.open();
  const { engine, pool, send, get, close } = await startEngine({ journal, bucketBits: BITS });
  t.teardown(close);
  await engine.deploy(talkers);
  const [from, to] = [talker(0), [1, 2, 3, 4, 5, 6, 7].map(talker).find((other) => bucketOf(other, BITS) !== bucketOf(talker(0), BITS))!];
  const say = (): Promise<unknown> => send(from, 'Say', { to: [to] });
  const heard = async (): Promise<number> => ((await get(to)).body as TalkerState).heard?.[from] ?? 0;

  await say();
  const answered = async (): Promise<number> => ((await get(from)).body as TalkerState).answered?.[to] ?? 0;
  t.ok(await until(async () => (await answered()) === 1), 'both actors are in memory, and nothing is under way');
  faulty.hold();
  const said = say();
  t.ok(await until(() => faulty.appendsHeld > 0), 'the next word is said, and not durable');
  // What is said becomes durable and leaves; what is heard has its record, and waits for the disk.
  const released = faulty.release();
  faulty.hold();
  await Promise.all([released, said]);
  t.ok(await until(() => faulty.appendsHeld > 0 && engine.messages.underWay().waiting > 0), 'it is taken in, and its record not durable');
  const victim = pool.stat().activePid;
  process.kill(victim, 'SIGKILL');
  t.ok(await until(() => pool.stat().activePid !== victim && pool.stat().activePid > 0), 'the spare has taken over');
  await faulty.release();
  t.ok(await until(async () => (await heard()) === 2), 'what was on its way is heard');

  await say();
  t.ok(await until(async () => (await heard()) === 3), 'and so is what comes behind it');
  t.same(((await get(to)).body as TalkerState).wrong ?? [], [], 'each once, in order');
});
