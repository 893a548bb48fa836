import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';
import type { Test } from 'tap';

import { ensurePrograms, planFor, programs } from './programs.ts';
import type { Program } from './programs.ts';

const redisTest = 'cluster/journal/journal.redis.test.ts';
const clockTest = 'cluster/journal/journal-clock.redis.test.ts';
const [redis, compiler] = programs as [Program, Program];

t.test('which tests need what', async (t) => {
  for (const file of [redisTest, clockTest, 'runtime/testing/redis-server.redis.test.ts', 'cluster/node.e2e.test.ts', 'cluster/a/b.e2e.test.ts', 'bench/subject/x.e2e.test.ts']) t.ok(redis.isNeededBy(file), file);
  for (const file of ['runtime/node.e2e.test.ts', 'cluster/allocation.test.ts', 'scripts/programs.test.ts', 'runtime/cluster/x.e2e.test.ts']) t.notOk(redis.isNeededBy(file), file);
  t.ok(compiler.isNeededBy(clockTest));
  t.ok(compiler.isNeededBy('cluster/faults/slow-disk.e2e.test.ts'));
  for (const file of [redisTest, 'runtime/codec/wall-clock.test.ts', 'runtime/clock.redis.test.ts']) t.notOk(compiler.isNeededBy(file), file);
});

t.test('the tests that compile something are those that are said to', async (t) => {
  const root = join(import.meta.dirname, '..');
  const compiles = globSync('{runtime,cluster,bench}/**/*.test.ts', { cwd: root }).filter((file) => readFileSync(join(root, file), 'utf8').match(/makeShiftedClock\(|makeSlowDisk\(|'store-(clock|killed-slow)'/) !== null);
  t.ok(compiles.length > 0);
  for (const file of compiles) t.ok(compiler.isNeededBy(file), file);
});

t.test('it is installed only when it is missing, and may be', async (t) => {
  t.equal(planFor([], { apt: true, root: true }), 'go on');
  t.equal(planFor([redis], { apt: true, root: true }), 'install');
  t.equal(planFor([compiler], { apt: true, root: false }), 'give up');
  t.equal(planFor([redis, compiler], { apt: false, root: true }), 'give up');
});

interface FakeMachine {
  /** Where the programs are. */
  readonly bin: string;
  readonly policy: string;
  readonly said: string[];
  /** The lines about what is missing. */
  ensure(isRoot?: boolean, files?: readonly string[]): Promise<string[]>;
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
    ensure: async (isRoot = true, files = [redisTest]) => {
      const missing = await ensurePrograms(files, { path: bin, isRoot, servicePolicy: policy, say: (line) => said.push(line) });
      return missing.map(({ line }) => line);
    },
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
  };
}

const installs = 'case "$*" in *install*redis-server*) touch redis-server; chmod +x redis-server;; esac; case "$*" in *install*gcc*) touch cc; chmod +x cc;; esac';

t.test('it is installed without a question and without a service, and the second time there is nothing to do', async (t) => {
  const machine = machineOf(t, installs);
  t.strictSame(await machine.ensure(), []);
  t.strictSame(machine.calls(), [
    'noninteractive -o DPkg::Lock::Timeout=120 update -qq 101',
    'noninteractive -o DPkg::Lock::Timeout=120 install -qq -y --no-install-recommends redis-server 101',
  ]);
  t.notOk(existsSync(machine.policy), 'services are permitted again');
  t.strictSame(await machine.ensure(), []);
  t.equal(machine.calls().length, 2);
  t.strictSame(machine.said, ['tests: installing redis-server with apt-get (once) ...']);
  t.strictSame(await machine.ensure(true, ['scripts/programs.test.ts', redisTest]), []);
  t.equal(machine.calls().length, 2, 'nor for tests that need nothing more');
});

t.test('all that is missing is installed at once, and what is there is not installed again', async (t) => {
  const machine = machineOf(t, installs);
  t.strictSame(await machine.ensure(true, [redisTest, clockTest]), []);
  t.match(machine.calls(), [/ update /, / install -qq -y --no-install-recommends redis-server gcc libc6-dev /]);
  const half = machineOf(t, installs);
  t.strictSame(await half.ensure(), []);
  t.strictSame(await half.ensure(true, [redisTest, clockTest]), []);
  t.match(half.calls().slice(2), [/ update /, / --no-install-recommends gcc libc6-dev /]);
});

t.test('tests that need nothing start nothing', async (t) => {
  const machine = machineOf(t, installs);
  t.strictSame(await machine.ensure(true, ['scripts/programs.test.ts']), []);
  t.strictSame([machine.calls(), machine.said], [[], []]);
});

t.test('what the machine has decided about services is left alone', async (t) => {
  const machine = machineOf(t, installs);
  writeFileSync(machine.policy, '#!/bin/sh\nexit 104\n', { mode: 0o755 });
  t.strictSame(await machine.ensure(), []);
  t.match(machine.calls(), [/ 104$/, / 104$/]);
  t.match(readFileSync(machine.policy, 'utf8'), /104/);
});

t.test('a list that cannot be fetched is no reason to give up', async (t) => {
  t.strictSame(await machineOf(t, `${installs}\ncase "$*" in *update*) exit 100;; esac`).ensure(), []);
});

t.test('an interruption ends the run, and services are permitted again', async (t) => {
  const { bin, policy } = machineOf(t, 'kill -INT $PPID; exit 130');
  const program = `
    import { ensurePrograms } from '${new URL('programs.ts', import.meta.url)}';
    await ensurePrograms(['${redisTest}'], { path: '${bin}', isRoot: true, servicePolicy: '${policy}', say() {} });
    setInterval(() => {}, 1000);
  `;
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'ignore', 'pipe'], timeout: 20_000 });
  t.equal(signal, 'SIGINT');
  t.notOk(existsSync(policy));
});

t.test('where it cannot be had, one line for each says what to install', async (t) => {
  const missing = /^redis-server is missing: 1 test file needs it; install it \([^\n]*apt-get install redis-server\)$/;
  t.match(await machineOf(t, null).ensure(), [missing]);
  t.match(await machineOf(t, null).ensure(true, [redisTest, clockTest]), [
    /^redis-server is missing: 2 test files need it;/,
    /^cc is missing: 1 test file needs it; install it \([^\n]*apt-get install gcc libc6-dev\)$/,
  ]);
  const notRoot = machineOf(t, installs);
  t.match(await notRoot.ensure(false), [missing]);
  t.strictSame([notRoot.calls(), notRoot.said], [[], []]);
  const broken = machineOf(t, 'echo no network >&2; exit 100');
  t.match(await broken.ensure(), [missing]);
  t.match(broken.said, [/installing/, /failed: no network$/]);
  t.notOk(existsSync(broken.policy), 'services are permitted again');
});
