import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';
import type { Test } from 'tap';

import { ensureRedis, needsRedis, planFor } from './redis.ts';

const redisTest = 'cluster/journal/journal.redis.test.ts';

t.test('which tests need a server', async (t) => {
  for (const file of [redisTest, 'runtime/testing/redis-server.redis.test.ts', 'cluster/node.e2e.test.ts', 'cluster/a/b.e2e.test.ts']) t.ok(needsRedis(file), file);
  for (const file of ['runtime/node.e2e.test.ts', 'cluster/allocation.test.ts', 'scripts/redis.test.ts', 'runtime/cluster/x.e2e.test.ts']) t.notOk(needsRedis(file), file);
});

t.test('it is installed only when it is needed, missing, and may be', async (t) => {
  const files = ['scripts/redis.test.ts', redisTest];
  const all = { redis: true, apt: true, root: true };
  t.equal(planFor(files, all), 'go on');
  t.equal(planFor(files, { ...all, redis: false }), 'install');
  t.equal(planFor(files, { ...all, redis: false, root: false }), 'give up');
  t.equal(planFor(files, { ...all, redis: false, apt: false }), 'give up');
  t.equal(planFor(['scripts/redis.test.ts'], { redis: false, apt: false, root: false }), 'go on');
  t.equal(planFor([], { redis: false, apt: true, root: true }), 'go on');
});

interface FakeMachine {
  /** Where the programs are. */
  readonly bin: string;
  readonly policy: string;
  readonly said: string[];
  ensure(isRoot?: boolean): Promise<string | null>;
  /** Arguments of each call of apt-get, and whether services were forbidden during it. */
  calls(): string[];
}

/** A machine with an apt-get that does `script` in its folder of programs. */
function machineOf(t: Test, script: string | null): FakeMachine {
  const bin = mkdtempSync(join(tmpdir(), 'troupe-redis-install-'));
  t.teardown(() => rmSync(bin, { recursive: true, force: true }));
  const policy = join(bin, 'policy-rc.d');
  const log = join(bin, 'calls');
  if (script !== null) {
    const note = `echo "$DEBIAN_FRONTEND $* $('${policy}' 2>/dev/null; echo $?)" >>'${log}'`;
    writeFileSync(join(bin, 'apt-get'), `#!/bin/sh\nPATH=/usr/bin:/bin\ncd '${bin}'\n${note}\n${script}\n`, { mode: 0o755 });
  }
  const said: string[] = [];
  return {
    bin, policy, said,
    ensure: (isRoot = true) => ensureRedis([redisTest], { path: bin, isRoot, servicePolicy: policy, say: (line) => said.push(line) }),
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
  };
}

const installs = 'case "$*" in *install*) touch redis-server; chmod +x redis-server;; esac';

t.test('it is installed without a question and without a service, and the second time there is nothing to do', async (t) => {
  const machine = machineOf(t, installs);
  t.equal(await machine.ensure(), null);
  t.strictSame(machine.calls(), [
    'noninteractive -o DPkg::Lock::Timeout=120 update -qq 101',
    'noninteractive -o DPkg::Lock::Timeout=120 install -qq -y --no-install-recommends redis-server 101',
  ]);
  t.notOk(existsSync(machine.policy), 'services are permitted again');
  t.equal(await machine.ensure(), null);
  t.equal(machine.calls().length, 2);
  t.strictSame(machine.said, ['tests: installing redis-server with apt-get (once) ...']);
});

t.test('what the machine has decided about services is left alone', async (t) => {
  const machine = machineOf(t, installs);
  writeFileSync(machine.policy, '#!/bin/sh\nexit 104\n', { mode: 0o755 });
  t.equal(await machine.ensure(), null);
  t.match(machine.calls(), [/ 104$/, / 104$/]);
  t.match(readFileSync(machine.policy, 'utf8'), /104/);
});

t.test('a list that cannot be fetched is no reason to give up', async (t) => {
  t.equal(await machineOf(t, `${installs}\ncase "$*" in *update*) exit 100;; esac`).ensure(), null);
});

t.test('an interruption ends the run, and services are permitted again', async (t) => {
  const { bin, policy } = machineOf(t, 'kill -INT $PPID; exit 130');
  const program = `
    import { ensureRedis } from '${new URL('redis.ts', import.meta.url)}';
    await ensureRedis(['${redisTest}'], { path: '${bin}', isRoot: true, servicePolicy: '${policy}', say() {} });
    setInterval(() => {}, 1000);
  `;
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'ignore', 'pipe'], timeout: 20_000 });
  t.equal(signal, 'SIGINT');
  t.notOk(existsSync(policy));
});

t.test('where it cannot be had, one line says what to install', async (t) => {
  const missing = /^redis-server is missing: 1 test file needs it; install it \([^\n]*apt-get install redis-server\)$/;
  t.match(await machineOf(t, null).ensure(), missing);
  const notRoot = machineOf(t, installs);
  t.match(await notRoot.ensure(false), missing);
  t.strictSame([notRoot.calls(), notRoot.said], [[], []]);
  const broken = machineOf(t, 'echo no network >&2; exit 100');
  t.match(await broken.ensure(), missing);
  t.match(broken.said, [/installing/, /failed: no network$/]);
  t.notOk(existsSync(broken.policy), 'services are permitted again');
});
