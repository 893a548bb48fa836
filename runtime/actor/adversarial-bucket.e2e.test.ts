/** What breaks while a bucket is stopped by an append that failed, and being opened again? */

import t from 'tap';

import { TroupeError } from '../codec/errors.ts';
import type { AppendOutcome } from '../journal/journal.ts';
import { createMemoryJournal } from '../journal/memory/memory-journal.ts';
import { FORMAT_JSON } from '../sandbox/sandbox.ts';
import { Address } from './engine.ts';
import type { CommandRequest } from './engine.ts';
import { FaultyJournal } from './testing/faulty-journal.ts';
import { accountBundle, makeBundle, startEngine } from './testing/harness.ts';
import type { TestEngine } from './testing/harness.ts';

const account = 'test.v1.Account:a';

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

function outcome(answer: { error: { code: string; reason?: string } | null }): string {
  return answer.error === null ? 'ok' : (answer.error.reason ?? answer.error.code);
}

async function setUp(): Promise<{ faulty: FaultyJournal; node: TestEngine }> {
  const faulty = new FaultyJournal(createMemoryJournal());
  const journal = faulty.asJournal();
  await journal.open();
  const node = await startEngine({ journal, bucketBits: 0 });
  await node.engine.deploy(accountBundle());
  return { faulty, node };
}

const unknown: AppendOutcome = { kind: 'unknown', message: 'the answer was lost' };

t.test('an actor that is asked for while its bucket is stopped is read after the new epoch, not before', async (t) => {
  const { faulty, node } = await setUp();
  await node.send(account, 'Open', { amount: 10 });
  faulty.holdOpens();
  faulty.loseNextAnswer();
  t.equal(outcome(await node.send(account, 'Withdraw', { amount: 10 })), 'UNKNOWN_OUTCOME');
  await until(() => faulty.opens > 0);
  // The second withdrawal comes while nobody owns the bucket; then the first one's append lands, in front of the new epoch.
  const second = node.send(account, 'Withdraw', { amount: 10 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.match(await faulty.deliver(), [{ kind: 'appended' }]);
  faulty.releaseOpens();
  t.equal(outcome(await second), 'OVERDRAWN', 'the first withdrawal is in the log that was read');
  t.match((await node.get(account)).body, { withdrawals: 1 });
  await node.close();
});

t.test('commands keep their order through a bucket that is opened again', async (t) => {
  const { faulty, node } = await setUp();
  await node.send(account, 'Open', { amount: 1_000 });
  const { loop } = node.engine as unknown as { loop: { run(): void } };
  const answers: Promise<{ seq: number; error: unknown }>[] = [];
  const withdraw = (): void => {
    answers.push(node.send(account, 'Withdraw', { amount: 1 }));
  };
  let judged = 0;
  faulty.judge = () => {
    if (judged++ > 0) return null;
    // Two commands are decided on their way in the sandbox when the append in front of them fails; one comes after that.
    withdraw();
    loop.run();
    withdraw();
    setImmediate(() => setImmediate(withdraw));
    return unknown;
  };
  withdraw();
  await until(() => answers.length === 4);
  const [first, ...rest] = await Promise.all(answers);
  t.match(first, { error: { code: 'UNKNOWN_OUTCOME' } });
  t.same(rest.map(({ error }) => error), [null, null, null]);
  t.same(rest.map(({ seq }) => seq), [2, 3, 4], 'in the order in which they were sent');
  await node.close();
});

t.test('nothing is decided in a bucket before its log is folded again', async (t) => {
  const bundle = makeBundle(`
syntax = "proto3";
package test.v1;
message SenderState { uint32 sent = 1; }
message Tell {}
message TellReply {}
message Told {}
message SenderEvent { oneof event { Told told = 1; } }
message Note {}
message NoteReply {}
service SenderCommands { rpc Tell(Tell) returns (TellReply); rpc Note(Note) returns (NoteReply); }
`, `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Sender', {
  initialState: () => ({}),
  decide: { Tell(state, command, ctx) { ctx.emit('Told', {}); ctx.send('test.v1.Sender:other', 'Note', {}); return {}; }, Note() { return {}; } },
  evolve: { Told: (state) => ({ sent: state.sent + 1 }) },
});`);
  const inner = createMemoryJournal();
  const faulty = new FaultyJournal(inner);
  const journal = faulty.asJournal();
  await journal.open();
  const readBucket = inner.readBucket.bind(inner);
  let slow: Promise<void> | null = null;
  inner.readBucket = async function* (...args) {
    await slow;
    yield* readBucket(...args);
  };
  const node = await startEngine({ journal, bucketBits: 0 });
  await node.engine.deploy(bundle);
  const sender = 'test.v1.Sender:a';
  for (let i = 0; i < 3; i++) await node.send(sender, 'Tell');
  // What is lost next is to be the command's append, not that of a message.
  await until(() => node.engine.bucketStats()[0]!.backlog === 0 && node.engine.stat().groupsInFlight === 0);
  let read = (): void => {};
  slow = new Promise((resolve) => {
    read = resolve;
  });
  faulty.loseNextAnswer();
  t.match(await node.send(sender, 'Tell'), { error: { code: 'UNKNOWN_OUTCOME' } });
  await until(() => faulty.opens > 0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const next = node.send(sender, 'Tell');
  await new Promise((resolve) => setTimeout(resolve, 20));
  read();
  t.match(await next, { error: null, seq: 4 }, 'and the answer is the one that the log gives');
  await node.send(sender, 'Tell');
  const records = await node.engine.records(sender, 1, 100);
  t.same(records.flatMap(({ sends }) => sends.map(({ number }) => number)), [1, 2, 3, 4, 5], 'channel numbers are dense');
  await node.close();
});

t.test('a receiver that throws keeps nobody else from an answer', async (t) => {
  const { node } = await setUp();
  const { engine } = node;
  const request: CommandRequest = {
    to: new Address(account), name: 'Open', format: FORMAT_JSON, body: Buffer.from('{}'), bodyFrom: 0, bodyTo: 2, key: 'k', principal: '', session: '',
    done: () => { throw new Error('thrown by done'); },
    failed: () => { throw new Error('thrown by failed'); },
  };
  const thrown = (): number => node.lines.filter(({ message }) => message === 'an answer was not taken').length;
  engine.submit(request);
  const behind = node.send(account, 'Open', { amount: 1 });
  t.match(await behind, { seq: 2, error: null });
  engine.submit(request);
  engine.submit({ ...request, to: new Address('nonsense') });
  engine.get({ to: new Address(account), format: FORMAT_JSON, done: request.done, failed: request.failed });
  await until(() => thrown() === 4);
  t.match(await node.send(account, 'Open', { amount: 1 }), { seq: 3, error: null });
  await node.close();
});

t.test('a bucket that went back says so to whoever asks for it, until it is opened again', async (t) => {
  const { faulty, node } = await setUp();
  const { engine } = node;
  await node.send(account, 'Open', { amount: 10 });
  t.match(engine.bucketStats(), [{ refused: null }]);
  const { openBucket } = faulty.inner;
  faulty.inner.openBucket = () => Promise.reject(new TroupeError('ROLLED_BACK', 'it is behind'));
  faulty.judge = () => ({ kind: 'rolledBack', message: 'it is behind' });
  t.match(await node.send(account, 'Withdraw', { amount: 1 }), { error: { code: 'ROLLED_BACK' } });
  t.match(await node.send(account, 'Withdraw', { amount: 1 }), { error: { code: 'ROLLED_BACK' } });
  t.match(engine.bucketStats(), [{ refused: 'ROLLED_BACK', position: 2 }]);
  await t.rejects(engine.messages.pending.pendingTimers(account), { code: 'ROLLED_BACK', message: 'it is behind' });
  await t.rejects(engine.links.linkedTo(account, 0, 1), { code: 'ROLLED_BACK' });
  await t.rejects(engine.messages.desk.drop({ bucket: 0, position: 1 }), { code: 'ROLLED_BACK' });
  faulty.judge = null;
  faulty.inner.openBucket = openBucket;
  await until(() => engine.epochOf(0) > 0);
  t.match(engine.bucketStats(), [{ refused: null }]);
  t.same(await engine.messages.pending.pendingTimers(account), []);
  await node.close();
});

t.test('a node whose bucket cannot be opened again can be closed, and nobody waits for an answer', async (t) => {
  const { faulty, node } = await setUp();
  await node.send(account, 'Open', { amount: 10 });
  faulty.inner.openBucket = () => Promise.reject(new Error('the disk is gone'));
  faulty.loseNextAnswer();
  t.match(await node.send(account, 'Withdraw', { amount: 1 }), { error: { code: 'UNKNOWN_OUTCOME' } });
  const waiting = node.send(account, 'Withdraw', { amount: 1 });
  await until(() => node.lines.some(({ message }) => message.startsWith('cannot open')));
  await node.close();
  t.match(await waiting, { error: { code: 'NOT_READY' } });
});
