/** `troupe start` as a process: what it prints works when copied, it ends in order, and says why it cannot start. */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';

import t from 'tap';

t.setTimeout(1_200_000);

const root = path.join(import.meta.dirname, '../..');
const program = path.join(root, 'bin/troupe.cjs');

class Node {
  readonly child: ChildProcess;
  out = '';
  err = '';

  constructor(args: string[], env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [program, 'start', '--port', '0', '--admin-port', '0', ...args], {
      cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'] ?? '', ...env },
    });
    this.child.stdout!.on('data', (chunk: Buffer) => (this.out += chunk.toString()));
    this.child.stderr!.on('data', (chunk: Buffer) => (this.err += chunk.toString()));
  }

  /** Resolves when a line of stdout matches; fails with what was said when the process ends before. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.out);
      if (found !== null) return found;
      const ended = once(this.child, 'close').then(() => 'ended');
      if ((await Promise.race([once(this.child.stdout!, 'data'), ended])) === 'ended') throw new Error(`ended before ${pattern}:\n${this.err}`);
    }
  }

  async end(signal?: NodeJS.Signals): Promise<number | null> {
    const closed = once(this.child, 'close');
    if (signal !== undefined) this.child.kill(signal);
    return ((await closed) as [number | null])[0];
  }
}

function shell(command: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('sh', ['-c', command], { cwd: root, encoding: 'utf8' });
}

t.test('the demo: every command it names works as printed, and is there after kill -9', async (t) => {
  const data = t.testdir();
  const node = new Node(['--demo', '--data', data]);
  await node.until(/Ctrl-C/);
  t.match(node.out, /durability {2}disk /);
  const commands = node.out.split('\n').filter((line) => line.startsWith('  node bin/troupe.cjs '));
  t.equal(commands.length, 6);
  const [created, stocked, sent, got, listed, told] = commands.map(shell) as Record<number, ReturnType<typeof shell>> & Iterable<ReturnType<typeof shell>>;
  t.equal(created!.status, 0, created!.stderr);
  t.equal(stocked!.status, 0, stocked!.stderr);
  t.match(told, { status: 0, stdout: /\nnothing is missing\n$/ }, told!.stderr);
  t.match(sent, { status: 0, stdout: /^seq 1\n/ }, sent!.stderr);
  t.match(got, { status: 0, stdout: /"userId": "u-1"/ }, got!.stderr);
  t.match(listed, { status: 0, stdout: /seq 1 +OrderPlaced[\s\S]*send +shop\.v1\.Inventory:p-1 Reserve[\s\S]*timer/ }, listed!.stderr);
  await node.end('SIGKILL');

  const again = new Node(['--demo', '--data', data]);
  await again.until(/Ctrl-C/);
  t.match(again.err, /changed=false/, 'the deployed bundle was there too');
  const after = shell(again.out.split('\n').find((line) => line.includes(' get '))!);
  t.equal(after.stdout, got!.stdout);
  t.equal(await again.end('SIGTERM'), 0);
  t.match(again.err, /stopped/);
});

t.test('SIGINT, passed on twice by terminal and launcher, still ends in order', async (t) => {
  const codes: (number | null)[] = [];
  // On a machine that stands still between the two they are two.
  for (let tries = 0; tries < 4 && !codes.includes(0); tries++) {
    const node = new Node(['--journal', 'memory', '--data', t.testdir()]);
    await node.until(/durability {2}memory/);
    node.child.kill('SIGINT');
    codes.push(await node.end('SIGINT'));
  }
  t.equal(codes.at(-1), 0, codes.join());
});

t.test('a node that waits for its store ends with the first signal, whether nobody answers or somebody who says nothing', async (t) => {
  const mute = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const ports = [mute, gone].map((server) => (server.address() as AddressInfo).port);
  gone.close();
  for (const [signal, port, isWaiting] of [['SIGTERM', ports[1], /waiting for it/], ['SIGINT', ports[0], /starting/]] as const) {
    const node = new Node(['--redis', `redis://127.0.0.1:${port}`, '--cluster-port', '0', '--data', t.testdir()]);
    while (!isWaiting.test(node.err)) await once(node.child.stderr!, 'data');
    const began = performance.now();
    t.equal(await node.end(signal), 0, node.err);
    // Far from the minute for which it would have waited; on a quiet machine it is some tenths of a second.
    t.ok(performance.now() - began < 40_000, `${signal}: ${Math.round(performance.now() - began)} ms`);
    t.match(node.err, /stopping; a second signal ends at once[^]*stopped/);
    t.notMatch(node.err, /STORE_UNAVAILABLE/);
    t.comment(`${signal}: ${Math.round(performance.now() - began)} ms`);
  }
  mute.close();
});

t.test('a port that is taken, a folder that is in use, settings that are wrong', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const taken = new Node(['--port', String((server.address() as AddressInfo).port), '--data', t.testdir({ a: {}, file: '', half: { journal: '' } })]);
  t.equal(await taken.end(), 5);
  t.match(taken.err, /error ADDRESS_IN_USE: .*\nhint: .*\nsee docs\/errors\/ADDRESS_IN_USE\.md/);
  const adminTaken = new Node(['--admin-port', String((server.address() as AddressInfo).port), '--data', path.join(t.testdirName, 'a')]);
  t.equal(await adminTaken.end(), 5);
  t.match(adminTaken.err, /error ADDRESS_IN_USE: .*\nhint: .*--admin-port/);
  server.close();

  for (const unusable of ['file', 'file/below', 'half']) {
    const refused = new Node(['--data', path.join(t.testdirName, unusable)]);
    t.equal(await refused.end(), 2, unusable);
    t.match(refused.err, /error CONFIG_INVALID: .* cannot be a folder for data/, unusable);
  }

  const data = path.join(t.testdirName, 'a');
  const holder = new Node(['--data', data]);
  await holder.until(/durability/);
  const second = new Node(['--data', data]);
  t.equal(await second.end(), 5);
  t.match(second.err, /error JOURNAL_LOCKED: .*process \d+/);
  t.equal(await holder.end('SIGTERM'), 0);

  const misspelt = new Node([], { TROUPE_LOG_LEVL: 'warn' });
  t.equal(await misspelt.end(), 2);
  t.match(misspelt.err, /error CONFIG_INVALID: TROUPE_LOG_LEVL is no setting; did you mean TROUPE_LOG_LEVEL\?/);
  t.equal(misspelt.out, '');

  const open = new Node(['--host', '0.0.0.0']);
  t.equal(await open.end(), 2);
  t.match(open.err, /needs --auth jwt/);
});
