/** What breaks when a deployment meets failing appends, lost sandboxes and restarts? */

import t from 'tap';

import { MemoryBundleStore } from '../bundle/memory-store.ts';
import type { AppendOutcome } from '../journal/journal.ts';
import { createMemoryJournal, MemoryStore } from '../journal/memory/memory-journal.ts';
import { RecordReader } from '../codec/record.ts';
import { encodeBundle } from '../bundle/bundle.ts';
import { FaultyJournal } from './testing/faulty-journal.ts';
import { startEngine } from './testing/harness.ts';

const proto = (type: string): string => `
message ${type}State { string by = 1; }
message ${type}Set {}
message ${type}SetReply { string by = 1; }
message ${type}Done { string by = 1; }
message ${type}Event { oneof event { ${type}Done done = 1; } }
service ${type}Commands { rpc Set(${type}Set) returns (${type}SetReply); }
`;

/** Types whose answers name the bundle that decided. */
function bundle(version: string, types: readonly string[]): Buffer {
  const files = new Map([
    ['troupe.json', JSON.stringify({ name: 'test', modules: types.map((type) => `${type}.js`) })],
    ['proto/test/v1/test.proto', `syntax = "proto3";\npackage test.v1;\n${types.map(proto).join('')}`],
  ]);
  for (const type of types) {
    files.set(`${type}.js`, `
import { defineActor } from 'troupe';
export default defineActor('test.v1.${type}', {
  initialState: () => ({}),
  decide: { Set(state, command, ctx) { ctx.emit('${type}Done', { by: '${version}' }); return { by: '${version}' }; } },
  evolve: { ${type}Done: (state, event) => ({ by: event.by }) },
});`);
  }
  return encodeBundle(files);
}

const unknown: AppendOutcome = { kind: 'unknown', message: 'the answer was lost' };

/** Every decision in the log, in order, must stand behind the control record of the bundle that it names. */
async function decidedBehindTheirActivation(journal: ReturnType<typeof createMemoryJournal>, bits: number, reader: (bytes: Buffer) => { kind: number; bundle: string; activation: string | null }): Promise<string[]> {
  const wrong: string[] = [];
  for (let index = 0; index < 2 ** bits; index++) {
    let served = '';
    for await (const { bytes, position } of journal.readBucket({ bits, index }, 1)) {
      const { kind, bundle, activation } = reader(bytes);
      if (activation !== null) served = activation;
      else if (kind === 1 && bundle !== served) wrong.push(`${index}@${position}`);
    }
  }
  return wrong;
}

function recordReader(): (bytes: Buffer) => { kind: number; bundle: string; activation: string | null } {
  const reader = new RecordReader();
  return (bytes) => {
    const record = reader.over(bytes);
    return { kind: record.kind, bundle: record.bundleHex(), activation: record.activation === null ? null : record.activation.bundle.toString('hex') };
  };
}

t.test('an activation that some buckets did not take is completed before they decide again', async (t) => {
  const inner = createMemoryJournal();
  const faulty = new FaultyJournal(inner);
  const journal = faulty.asJournal();
  await journal.open();
  const node = await startEngine({ journal, bucketBits: 2 });
  await node.engine.deploy(bundle('one', ['Thing']));
  const things = Array.from({ length: 12 }, (_, i) => `test.v1.Thing:${i}`);
  for (const to of things) await node.send(to, 'Set');
  faulty.judge = ({ bucket }) => (bucket.index % 2 === 0 ? unknown : null);
  await t.rejects(node.engine.deploy(bundle('two', ['Thing'])), { code: 'UNKNOWN_OUTCOME' });
  faulty.judge = null;
  const answers = await Promise.all(things.map((to) => node.send(to, 'Set')));
  for (const { body } of answers) t.same(body, { by: 'two' });
  t.same(await decidedBehindTheirActivation(inner, 2, recordReader()), []);
  t.match(await node.engine.deploy(bundle('two', ['Thing'])), { changed: false });
  await node.close();
});

t.test('a bucket that is stopped does not stop a deployment, and follows it', async (t) => {
  const inner = createMemoryJournal();
  const faulty = new FaultyJournal(inner);
  const journal = faulty.asJournal();
  await journal.open();
  const node = await startEngine({ journal, bucketBits: 1 });
  await node.engine.deploy(bundle('one', ['Thing']));
  const things = Array.from({ length: 6 }, (_, i) => `test.v1.Thing:${i}`);
  for (const to of things) await node.send(to, 'Set');
  faulty.holdOpens();
  faulty.judge = ({ bucket }) => (bucket.index === 0 ? unknown : null);
  await Promise.all(things.map((to) => node.send(to, 'Set')));
  faulty.judge = null;
  t.match(await node.engine.deploy(bundle('two', ['Thing'])), { changed: true });
  const waiting = things.map((to) => node.send(to, 'Set'));
  faulty.releaseOpens();
  for (const { body } of await Promise.all(waiting)) t.same(body, { by: 'two' });
  t.same(await decidedBehindTheirActivation(inner, 1, recordReader()), []);
  await node.close();
});

t.test('completing an interrupted activation at start leaves the bundle\'s other types as they are', async (t) => {
  const journals = new MemoryStore();
  const store = new MemoryBundleStore();
  const inner = createMemoryJournal(journals);
  const faulty = new FaultyJournal(inner);
  const journal = faulty.asJournal();
  await journal.open();
  const node = await startEngine({ journal, store, bucketBits: 1 });
  // The first bucket takes neither activation, and the node ends before it could.
  inner.openBucket = () => Promise.reject(new Error('not now'));
  faulty.judge = ({ bucket }) => (bucket.index === 0 ? unknown : null);
  await t.rejects(node.engine.deploy(bundle('old', ['Thing', 'Other'])), { code: 'UNKNOWN_OUTCOME' });
  await node.engine.deploy(bundle('new', ['Thing']));
  await node.close();
  await inner.close();
  const again = createMemoryJournal(journals);
  await again.open();
  const next = await startEngine({ journal: again, store, bucketBits: 1 });
  for (const i of [0, 1, 2, 3]) {
    t.same((await next.send(`test.v1.Thing:${i}`, 'Set')).body, { by: 'new' });
    t.same((await next.send(`test.v1.Other:${i}`, 'Set')).body, { by: 'old' });
  }
  await next.close();
  await again.close();
  const third = createMemoryJournal(journals);
  await third.open();
  const last = await startEngine({ journal: third, store, bucketBits: 1 });
  for (const i of [0, 1, 2, 3]) t.same((await last.send(`test.v1.Thing:${i}`, 'Set')).body, { by: 'new' });
  await last.close();
});

t.test('sandboxes die while deployments run: every command is answered once, and decided by the bundle in front of it', async (t) => {
  const inner = createMemoryJournal();
  await inner.open();
  const node = await startEngine({ journal: inner, bucketBits: 2 });
  await node.engine.deploy(bundle('v0', ['Thing']));
  let done = false;
  let answered = 0;
  const failures: unknown[] = [];
  const clients = Array.from({ length: 16 }, async (_, i) => {
    for (let n = 0; !done; n++) {
      const { error } = await node.send(`test.v1.Thing:${i % 8}`, 'Set', {}, `${i}-${n}`);
      answered++;
      if (error !== null && error.code !== 'BEHAVIOR_FAILED') failures.push(error);
    }
  });
  for (let v = 1; v <= 6; v++) {
    const deploying = node.engine.deploy(bundle(`v${v}`, ['Thing'])).catch((error: { code: string }) => {
      if (error.code !== 'SANDBOX_LOST' && error.code !== 'BUNDLE_INVALID') throw error;
    });
    await new Promise((resolve) => setTimeout(resolve, 7 * v));
    const pid = node.pool.stat().activePid;
    if (pid !== 0) process.kill(pid, 'SIGKILL');
    await deploying;
  }
  done = true;
  await Promise.all(clients);
  t.same(failures, []);
  t.ok(answered > 100, `${answered} answers`);
  t.same(await decidedBehindTheirActivation(inner, 2, recordReader()), []);
  const { commandsWaiting } = node.engine.stat();
  t.equal(commandsWaiting, 0, 'no count has drifted');
  await node.close();
});
