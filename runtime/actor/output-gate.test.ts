/** What breaks if appends settle in another order than they were committed, or fail in the middle? */

import t from 'tap';

import type { Append, AppendOutcome, Journal } from '../journal/journal.ts';
import { Activation } from './activation.ts';
import { Bucket } from './bucket.ts';
import { Address } from './engine.ts';
import type { AnswerError } from './engine.ts';
import { JOB_COMMAND, Job } from './job.ts';
import { KeySlab } from './key-slab.ts';
import { KeyWindow } from './keys.ts';
import { OutputGate } from './output-gate.ts';

interface Call {
  readonly batch: readonly Append[];
  settle(outcome?: AppendOutcome): void;
}

/** Appends and checks are answered by the test, in the order it likes. */
function scripted(): { journal: Journal; appends: Call[]; confirms: ((owned: boolean) => void)[] } {
  const appends: Call[] = [];
  const confirms: ((owned: boolean) => void)[] = [];
  const journal = {
    append: (batch: readonly Append[]) =>
      new Promise<AppendOutcome[]>((resolve) =>
        appends.push({ batch, settle: (outcome = { kind: 'appended' }) => resolve(batch.map(() => outcome)) })),
    confirm: (owned: readonly unknown[]) =>
      new Promise<boolean[]>((resolve) => confirms.push((answer) => resolve(owned.map(() => answer)))),
    putSnapshots: () => {},
    putCheckpoints: () => {},
  } as unknown as Journal;
  return { journal, appends, confirms };
}

function setUp(): { gate: OutputGate; script: ReturnType<typeof scripted>; answers: string[]; stopped: Bucket[]; command: (bucket: Bucket, name: string, writes: boolean) => void } {
  const script = scripted();
  const answers: string[] = [];
  const stopped: Bucket[] = [];
  const gate = new OutputGate(script.journal, {
    answer: (job, arena) => job.deliver(arena),
    sent: () => {}, groupReleased: () => {},
    bucketStopped: (bucket) => void stopped.push(bucket),
  });
  const command = (bucket: Bucket, name: string, writes: boolean): void => {
    const group = gate.take();
    const hash = { hi: 1, lo: 1 };
    const activation = new Activation(name, 'a.B', hash, hash, bucket, new KeyWindow(new KeySlab(), 1));
    const job = new Job(JOB_COMMAND, activation, {
      to: new Address(name), name, format: 1, body: Buffer.alloc(0), bodyFrom: 0, bodyTo: 0, key: '', principal: '', session: '',
      done: () => void answers.push(name),
      failed: (error: AnswerError) => void answers.push(`${name} ${error.code}`),
    });
    group.jobs.push(job);
    if (writes) {
      group.records.begin().byte(1);
      group.records.end(bucket, 1, 1);
    } else {
      group.reads.add(bucket);
    }
    gate.commit(group);
  };
  return { gate, script, answers, stopped, command };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('answers leave in the order of the commits, whatever the order of the disk', async (t) => {
  const { script, answers, command } = setUp();
  const a = new Bucket({ bits: 1, index: 0 });
  const b = new Bucket({ bits: 1, index: 1 });
  command(a, 'first', true);
  command(b, 'second', true);
  script.appends[1]!.settle();
  await turn();
  t.same(answers, [], 'the second may have seen what the first wrote');
  script.appends[0]!.settle();
  await turn();
  t.same(answers, ['first', 'second']);
  t.equal(a.durablePosition, 1);
});

t.test('a read waits for what was committed before it, and for its own check', async (t) => {
  const { script, answers, command } = setUp();
  const a = new Bucket({ bits: 0, index: 0 });
  command(a, 'write', true);
  command(a, 'read', false);
  script.confirms[0]!(true);
  await turn();
  t.same(answers, []);
  script.appends[0]!.settle();
  await turn();
  t.same(answers, ['write', 'read']);
  command(a, 'late read', false);
  script.confirms[1]!(false);
  await turn();
  t.same(answers.at(-1), 'late read FENCED');
});

t.test('after a failed append nothing about the bucket leaves as ok, and the stop is told once, at the end', async (t) => {
  const { gate, script, answers, stopped, command } = setUp();
  const a = new Bucket({ bits: 1, index: 0 });
  const b = new Bucket({ bits: 1, index: 1 });
  command(a, 'lost', true);
  command(a, 'behind', true);
  command(a, 'read', false);
  command(b, 'other', true);
  script.appends[0]!.settle({ kind: 'unknown', message: 'x' });
  await turn();
  t.same(answers, ['lost UNKNOWN_OUTCOME']);
  t.same(stopped, [], 'later outcomes are still open');
  script.appends[1]!.settle({ kind: 'conflict', position: 0, head: { hi: 0, lo: 0 } });
  script.confirms[0]!(true);
  script.appends[2]!.settle();
  await turn();
  t.same(answers, ['lost UNKNOWN_OUTCOME', 'behind UNKNOWN_OUTCOME', 'read UNKNOWN_OUTCOME', 'other']);
  t.same(stopped, [a]);
  t.equal(a.stopped, true);
  command(b, 'more', true);
  script.appends[3]!.settle();
  await turn();
  t.same(stopped, [a], 'not told again');
  gate.forgetStop(a);
  a.stopped = false;
  command(a, 'anew', true);
  script.appends[4]!.settle();
  await turn();
  t.equal(answers.at(-1), 'anew');
});

t.test('a stop is told when the groups about the bucket are through, although the node is never idle', async (t) => {
  const { script, answers, stopped, command } = setUp();
  const a = new Bucket({ bits: 1, index: 0 });
  const b = new Bucket({ bits: 1, index: 1 });
  command(a, 'lost', true);
  command(b, 'other', true);
  script.appends[0]!.settle({ kind: 'unknown', message: 'x' });
  await turn();
  command(b, 'more', true);
  script.appends[1]!.settle();
  await turn();
  t.same(answers, ['lost UNKNOWN_OUTCOME', 'other'], 'one more is in flight');
  t.same(stopped, [a]);
});

t.test('what is durable in front of a refused append keeps its answer, whatever is heard first', async (t) => {
  const { script, answers, command } = setUp();
  const a = new Bucket({ bits: 0, index: 0 });
  command(a, 'durable', true);
  command(a, 'refused', true);
  script.appends[1]!.settle({ kind: 'refused', code: 'JOURNAL_FULL', message: 'x', retryable: false });
  await turn();
  script.appends[0]!.settle();
  await turn();
  t.same(answers, ['durable', 'refused JOURNAL_FULL']);
});

t.test('a record that is in the log is never called fenced', async (t) => {
  const { script, answers, command } = setUp();
  const a = new Bucket({ bits: 0, index: 0 });
  command(a, 'read', false);
  command(a, 'durable', true);
  script.confirms[0]!(false);
  script.appends[0]!.settle();
  await turn();
  t.same(answers, ['read FENCED', 'durable UNKNOWN_OUTCOME'], 'who sends it again under its key gets the first answer');
});

t.test('idle waits for everything committed', async (t) => {
  const { gate, script, command } = setUp();
  let idle = false;
  command(new Bucket({ bits: 0, index: 0 }), 'w', true);
  void gate.idle().then(() => (idle = true));
  await turn();
  t.equal(idle, false);
  script.appends[0]!.settle();
  await turn();
  t.equal(idle, true);
});
