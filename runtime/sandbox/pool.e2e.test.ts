/** The promises of sandbox.ts, with real processes. */

import { spawn } from 'node:child_process';
import fs from 'node:fs';

import t from 'tap';

import { BatchWriter } from './batch.ts';
import { createSandboxPool } from './pool.ts';
import { FORMAT_JSON, FORMAT_PROTO } from './sandbox.ts';
import type { Sample, SampleMismatch } from './sandbox.ts';
import { bundle, counterBundle, counterModule, counterProto, Driver, json } from './testing/bundles.ts';

function alive(pid: number): boolean {
  try {
    return !fs.readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<void> {
  while (alive(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
}

t.setTimeout(1_200_000);
const looping = `import { defineActor } from 'troupe';
export default defineActor('test.v1.Counter', {
  initialState: () => ({}),
  decide: { Add(state, command) { if (command.amount === 13) for (;;); return { count: 1 }; } },
  evolve: { Added: (state) => state },
});
`;

t.test('the spare takes over when the active process is killed (S2)', async (t) => {
  const pool = createSandboxPool();
  const driver = new Driver(pool);
  await pool.start();
  await pool.install(1, counterBundle);
  await driver.activate(1, 'test.v1.Counter', 'a', 1);
  await driver.decide(1, 1, 0, { amount: 3 });
  const { activePid, sparePid } = pool.stat();
  process.kill(activePid, 'SIGKILL');
  // Sent while the end is not known yet: it is reported as unanswered, or answered by the spare, never lost without a word.
  const sent = driver.decide(1, 1, 0, { amount: 3 }).then((answer) => answer.error?.code ?? 'answered', (error: { code: string }) => error.code);
  t.match(await sent, /SANDBOX_LOST|INTERNAL/);
  while (driver.losses.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.equal(driver.losses.length, 1);
  t.equal(pool.generation, 2);
  t.equal(pool.stat().activePid, sparePid);
  await driver.activate(1, 'test.v1.Counter', 'a', 1);
  t.same(json(await driver.decide(1, 1, 0, { amount: 4 })), { count: 4 }, 'the state of the old process is gone, the bundle is there');
  await pool.close();
  await gone(sparePid);
});

t.test('a batch that hangs ends its process and nothing of it is delivered (S2, S3)', async (t) => {
  const pool = createSandboxPool();
  const driver = new Driver(pool);
  await pool.start();
  await pool.install(1, bundle(looping, counterProto));
  await driver.batch((writer) => {
    writer.activate(1, 'test.v1.Counter', 'a', 1, null, []);
    writer.activate(2, 'test.v1.Counter', 'b', 1, null, []);
  });
  const hanging = driver.batch((writer) => {
    writer.decide(2, 1, 0, FORMAT_JSON, Buffer.from('{"amount":1}'), 1, 1, 1, '', false);
    writer.decide(1, 1, 0, FORMAT_JSON, Buffer.from('{"amount":13}'), 1, 1, 1, '', false);
  });
  const behind = driver.batch((writer) => writer.decide(2, 1, 0, FORMAT_JSON, Buffer.from('{"amount":1}'), 1, 1, 1, '', false));
  await Promise.all([t.rejects(hanging, { code: 'BEHAVIOR_TIMEOUT' }), t.rejects(behind, { code: 'BEHAVIOR_TIMEOUT' })]);
  t.same(driver.losses.map((loss) => loss.unanswered.length), [2]);
  await driver.activate(2, 'test.v1.Counter', 'b', 1);
  t.same(json(await driver.decide(2, 1, 0, { amount: 1 })), { count: 1 });
  await pool.close();
});

t.test('the node kills a process that does not keep its own deadline (S3)', async (t) => {
  const pool = createSandboxPool();
  const driver = new Driver(pool);
  await pool.start();
  await pool.install(1, counterBundle);
  const { activePid } = pool.stat();
  process.kill(activePid, 'SIGSTOP');
  await t.rejects(driver.activate(1, 'test.v1.Counter', 'a', 1), { code: 'SANDBOX_LOST' }, 'by the clock alone nobody is convicted');
  await gone(activePid);
  t.equal((await driver.activate(1, 'test.v1.Counter', 'a', 1)).error, null);
  await pool.close();
});

t.test('a process past its cap is killed (S4)', async (t) => {
  const pool = createSandboxPool({ rssMaxBytes: 1024 * 1024 });
  await t.rejects(pool.start(), { code: 'SANDBOX_LOST', message: /grew to/ });
  await pool.close();
});

t.test('a process that cannot start is an error with what it wrote, not an endless loop (O3)', async (t) => {
  const pool = createSandboxPool({ entry: new URL('./no-such-program.ts', import.meta.url) });
  await t.rejects(pool.start(), { code: 'SANDBOX_LOST', message: /no-such-program/ });
  await pool.close();
});

t.test('a process has no environment and no descriptor but its pipes (S5)', async (t) => {
  const pool = createSandboxPool();
  await pool.start();
  const { activePid } = pool.stat();
  const environment = fs.readFileSync(`/proc/${activePid}/environ`, 'latin1').split('\0').filter((item) => item !== '').sort();
  t.same(environment, ['LC_ALL=C', 'TZ=UTC']);
  t.equal(fs.readlinkSync(`/proc/${activePid}/cwd`), '/');
  const open = fs.readdirSync(`/proc/${activePid}/fd`).map((fd) => [Number(fd), fs.readlinkSync(`/proc/${activePid}/fd/${fd}`)] as const);
  const foreign = open.filter(([fd, target]) => fd > 3 && !/^anon_inode|^pipe:|^socket:|^\/dev\/null$/.test(target));
  t.same(foreign, [], 'no file is open');
  await pool.close();
});

t.test('a process ends when its node is killed, even while a script hangs (S5)', async (t) => {
  const parent = spawn(process.execPath, ['--no-node-snapshot', new URL('./testing/orphan-parent.ts', import.meta.url).pathname], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise<string>((resolve) => parent.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString())));
  const pids = JSON.parse(line) as number[];
  t.ok(pids.every(alive));
  parent.kill('SIGKILL');
  await Promise.all(pids.map(gone));
  t.notOk(pids.some(alive));
});

t.test('a refused bundle changes nothing; an installed one is in every later process', async (t) => {
  const pool = createSandboxPool();
  const driver = new Driver(pool);
  await pool.start();
  await t.rejects(pool.check(bundle('for (;;);', counterProto)), { code: 'BUNDLE_INVALID' });
  const loaded = await pool.check(counterBundle);
  t.same(await pool.install(1, counterBundle), loaded);
  for (let round = 0; round < 2; round++) {
    process.kill(pool.stat().activePid, 'SIGKILL');
    while (driver.losses.length === round) await new Promise((resolve) => setTimeout(resolve, 5));
    t.equal((await driver.activate(1, 'test.v1.Counter', 'a', 1)).error, null);
  }
  await pool.close();
});

t.test('samples are run again in the spare and compared', async (t) => {
  const pool = createSandboxPool();
  const driver = new Driver(pool);
  const mismatches: SampleMismatch[] = [];
  pool.onMismatch = (mismatch) => mismatches.push(mismatch);
  await pool.start();
  await pool.install(1, counterBundle);
  await driver.activate(1, 'test.v1.Counter', 'a', 1);
  await driver.decide(1, 1, 0, { amount: 3, note: 'x' });
  const answer = await driver.decide(1, 1, 0, Buffer.from([8, 5]), FORMAT_PROTO, true);
  const sample: Sample = {
    bundle: 1, type: 'test.v1.Counter', id: 'a', stateBefore: answer.stateBefore, command: 0, body: Buffer.from([8, 5]),
    nowMs: 1_700_000_000_000, seedHi: 7, seedLo: 9, caller: 'tester', firing: null, status: 0, tail: answer.tail!,
  };
  pool.sample(sample);
  while (pool.stat().samplesCompared < 1) await new Promise((resolve) => setTimeout(resolve, 5));
  t.same(mismatches, []);
  pool.sample({ ...sample, body: Buffer.from([8, 6]) });
  while (pool.stat().samplesCompared < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  t.equal(mismatches.length, 1, 'a difference is found');
  await pool.close();
});

t.test('large batches and large results cross whole', async (t) => {
  const pool = createSandboxPool();
  const driver = new Driver(pool);
  await pool.start();
  await pool.install(1, counterBundle);
  const note = 'x'.repeat(200_000);
  const items = 40;
  await driver.batch((writer) => {
    for (let i = 1; i <= items; i++) writer.activate(i, 'test.v1.Counter', `c-${i}`, 1, null, []);
  });
  const list = await driver.batch((writer) => {
    for (let i = 1; i <= items; i++) writer.decide(i, 1, 0, FORMAT_JSON, Buffer.from(JSON.stringify({ amount: i, note })), 1, 1, 1, '', true);
  });
  t.equal(list.length, items);
  t.ok(list.every((answer, i) => (json(answer) as { count: number }).count === i + 1 && answer.tail!.length > 2 * note.length), 'result i answers item i (S1)');
  await pool.close();
});

t.test('batches before the pool has a process wait for it', async (t) => {
  const pool = createSandboxPool();
  const driver = new Driver(pool);
  const starting = pool.start();
  const installed = pool.install(1, bundle(counterModule, counterProto));
  await Promise.all([starting, installed]);
  const writer = new BatchWriter();
  t.equal(writer.items, 0);
  t.equal((await driver.activate(1, 'test.v1.Counter', 'a', 1)).error, null);
  await pool.close();
});
