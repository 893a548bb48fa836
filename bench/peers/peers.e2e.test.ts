/**
 * The measurement of peers against a counter of this test's own, over node:http: the driver finds what is acknowledged, and the check fails when a
 * server loses or doubles one increment. The peers themselves are not here: they are installed by whoever measures them.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';

import { isAlive } from '../../runtime/faults/proc.ts';
import type { RunReport } from '../report/report.ts';
import { findPeer, findRestateSdk } from './install.ts';
import { dialects } from './dialect.ts';
import type { DialectName } from './dialect.ts';
import { HttpLoad } from './http-load.ts';
import { runOnPeer, runPeer } from './run-peer.ts';
import { ServerProcess } from './server-process.ts';
import { Slices } from './slices.ts';

t.setTimeout(1_200_000);

type Fault = 'none' | 'loses' | 'doubles' | 'fails' | 'closes' | 'isSilent';

const LOAD = { connections: 4, actors: 20, durationMs: 350, warmUpMs: 50, seed: 3 };
/** Those that are answered at all are by then, also where a machine stands still for a while. */
const STOP_MS = 5_000;
/** Behind those that touch every counter. */
const FAULTY_AT = 40;

/** Speaks as the peers do: what is behind the last slash but the handler's name is the counter, a body is an increment. */
function counters(fault: Fault): RequestListener {
  const values = new Map<string, number>();
  let increments = 0;
  return (request, response) => {
    void text(request).then((body) => {
      const [, key = ''] = /(c-\d+)/.exec(request.url!) ?? [];
      const isFaulty = body !== '' && ++increments === FAULTY_AT;
      const times = isFaulty && fault === 'loses' ? 0 : isFaulty && fault === 'doubles' ? 2 : 1;
      values.set(key, (values.get(key) ?? 0) + times * Number(body));
      if (isFaulty && fault === 'fails') response.statusCode = 503;
      if (isFaulty && fault === 'closes') request.socket.destroy();
      if (!isFaulty || fault !== 'isSilent') response.end(String(values.get(key)));
    });
  };
}

async function serving<T>(listener: RequestListener, use: (port: number) => Promise<T>): Promise<T> {
  const server: Server = createServer({ keepAlive: true, noDelay: true }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await use((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function measured(listener: RequestListener, name: DialectName = 'workerd'): Promise<RunReport> {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-peers-test-'));
  const processes = () => [{ role: 'server', pid: process.pid }];
  try {
    return await serving(listener, (port) => runOnPeer({ name, port, processes }, directory, 1, LOAD));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

for (const name of ['restate', 'workerd'] as const) {
  t.test(`as ${name} is asked: what was acknowledged is there`, async (t) => {
    const run = await measured(counters('none'), name);
    t.same(run.check, { passed: true, detail: '20 counters hold the sum of the acknowledged increments' });
    t.ok(run.commands > 0 && run.commandsPerSecond! > 0);
    t.same(run.errors, {});
    t.equal(run.timeline.commands.reduce((a, b) => a + b, 0), run.commands, 'the timeline holds all of them');
    t.ok(run.latencyMs!.p50 <= run.latencyMs!.p999 && run.latencyMs!.p999 <= run.latencyMs!.max);
    t.same(run.processes.map(({ role }) => role), ['server', 'driver']);
  });
}

for (const fault of ['loses', 'doubles'] as const) {
  t.test(`the check fails when the server ${fault} one increment, and then there is no figure`, async (t) => {
    const run = await measured(counters(fault));
    t.match(run.check, { passed: false, detail: /^1 counters differ: c-\d+ holds/ });
    t.same([run.commandsPerSecond, run.latencyMs, run.latencyCurve, run.timeline.commands], [null, null, [], []]);
  });
}

for (const [fault, told] of [['fails', '503'], ['closes', 'connection lost']] as const) {
  t.test(`the check fails when the server ${fault} once: what it did is not known`, async (t) => {
    const run = await measured(counters(fault));
    t.match(run.check, { passed: false, detail: told });
    t.equal(run.commandsPerSecond, null);
  });
}

t.test('a request that is never answered fails the check, and does not hold it up', async (t) => {
  const check = await serving(counters('isSilent'), async (port) => {
    const load = await HttpLoad.open(port, dialects.workerd, LOAD);
    await load.touchAll();
    load.start();
    while (load.sums.reduce((a, b) => a + b, 0) < 10 * FAULTY_AT) await sleep(5);
    await load.stop(STOP_MS);
    const found = await load.check();
    load.close();
    return found;
  });
  t.same(check, { passed: false, detail: `not acknowledged: 1 x connection lost: no answer within ${STOP_MS} ms` });
});

t.test('an answer in chunks is an error, not a wrong figure', async (t) => {
  const run = await measured((_request, response) => {
    response.write('1');
    response.end('2');
  });
  t.match(run.check, { passed: false, detail: /without a Content-Length/ });
});

t.test('a peer that is not installed: what to install, and nothing is started', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-peers-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const options = { ...LOAD, directory: folder, rounds: 1 };
  await t.rejects(runPeer('workerd', { ...options, workerd: join(folder, 'workerd') }), { name: 'PeerMissing', message: /is no program/ });
  t.throws(() => findRestateSdk({ npmFolder: folder }), { name: 'PeerMissing', message: /npm install --prefix <folder> @restatedev\/restate-server @restatedev\/restate-sdk/ });
  t.throws(() => findRestateSdk({}), { name: 'PeerMissing', message: /--peer-folder <folder>/ });
});

t.test('a peer is found in an npm folder, as the binary itself', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-peers-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const bin = join(folder, `node_modules/@restatedev/restate-server-${process.platform}-${process.arch}/bin`);
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'restate-server'), '#!/bin/sh\necho restate-server 9.9.9\n', { mode: 0o755 });
  t.same(findPeer('restate', { npmFolder: folder }), { binary: join(bin, 'restate-server'), version: '9.9.9' });
});

t.test('a server that ends before it is ready is told with its output', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-peers-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const server = new ServerProcess({ binary: '/bin/sh', args: ['-c', 'echo the disk is on fire >&2'], directory, env: {} });
  await t.rejects(server.until(async () => false), /has ended:\nthe disk is on fire/);
  await server.stop();
  const none = new ServerProcess({ binary: join(directory, 'none'), args: [], directory, env: {} });
  await t.rejects(none.until(async () => true), /none has ended/);
  await none.stop();
});

t.test('a server does not outlive the harness, even when that is killed', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-peers-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const module = JSON.stringify(join(import.meta.dirname, 'server-process.ts'));
  const options = JSON.stringify({ binary: '/bin/sleep', args: ['600'], directory, env: {} });
  const script = `const { ServerProcess } = await import(${module}); console.log(new ServerProcess(${options}).pid); setInterval(() => {}, 1000);`;
  const harness = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [pid] = (await once(harness.stdout, 'data')) as [Buffer];
  t.ok(isAlive(Number(pid)));
  harness.kill('SIGKILL');
  while (isAlive(Number(pid))) await sleep(10);
});

t.test('slices without an answer are there', async (t) => {
  const slices = new Slices();
  slices.record(10, 3);
  slices.record(20, 1);
  slices.record(250, 2);
  t.same(slices.timeline(400), { sliceMs: 100, commands: [2, 0, 1, 0], p50Ms: [1, 0, 2, 0], p99Ms: [3, 0, 2, 0], maxMs: [3, 0, 2, 0] });
});
