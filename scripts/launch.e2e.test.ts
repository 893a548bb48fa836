/** The launcher: which Node it accepts, how it sees what is missing, and that its program never outlives it. */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import t from 'tap';

const root = path.join(import.meta.dirname, '..');
const launch = createRequire(import.meta.url)('./launch.cjs');

t.test('an older Node gets one clear message, a newer one none', async (t) => {
  for (const old of ['v0.12.18', 'v8.17.0', 'v14.21.3', 'v18.20.4', 'v19.9.0']) t.match(launch.nodeTooOld(old), /NODE_TOO_OLD.*\nhint: /, old);
  for (const good of ['v20.0.0', 'v24.1.0', 'v26.10.0', 'v100.0.0']) t.equal(launch.nodeTooOld(good), null, good);
});

t.test('run.cjs and bin/troupe.cjs stop at once under an older Node', async (t) => {
  const folder = t.testdir({ 'old.cjs': 'Object.defineProperty(process, "version", { value: "v16.20.2" });' });
  for (const program of ['scripts/run.cjs', 'bin/troupe.cjs']) {
    const result = spawnSync(process.execPath, ['--require', path.join(folder, 'old.cjs'), path.join(root, program), 'start'], { encoding: 'utf8' });
    t.equal(result.status, 1, program);
    t.match(result.stderr, /Node v16\.20\.2.*needs Node 20 or newer/, program);
    t.equal(result.stdout, '', program);
  }
});

t.test('the launcher\'s files hold nothing that Node 8 cannot parse', async (t) => {
  for (const file of ['scripts/run.cjs', 'scripts/launch.cjs', 'scripts/install.cjs', 'scripts/follow.cjs', 'bin/troupe.cjs']) {
    t.strictSame(tooNew(readFileSync(path.join(root, file), 'utf8')), [], file);
  }
  t.not(tooNew('const a = b?.c;').length, 0);
  t.not(tooNew('a ?? b').length, 0);
  t.not(tooNew('try { } catch { }').length, 0);
  t.not(tooNew("require('node:fs')").length, 0);
});

/** What a Node of 2017 stumbles over, as far as a pattern can tell; comments are left out. */
function tooNew(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
  const bans = [/\?\.[a-zA-Z[(]/, /\?\?/, /catch\s*\{/, /require\('node:/, /\bimport\b\s*[({'"]/, /\d_\d/, /\.(at|flat|flatMap|replaceAll|matchAll)\(/, /Object\.fromEntries/, /\basync\b/, /`[^`]*\$\{/];
  return bans.filter((ban) => ban.test(code)).map(String);
}

t.test('what is installed is compared with the lock file', async (t) => {
  const lock = (version: string) => JSON.stringify({ packages: { '': {}, 'node_modules/a': { version }, 'node_modules/b': { version: '1.0.0', optional: true } } });
  const folder = t.testdir({ 'package-lock.json': lock('1.0.0') });
  t.equal(launch.installed(folder), false, 'no node_modules');
  mkdirSync(path.join(folder, 'node_modules'));
  t.equal(launch.installed(folder), false, 'an empty node_modules');
  writeFileSync(path.join(folder, 'node_modules/.package-lock.json'), lock('1.0.0'));
  t.equal(launch.installed(folder), true, 'installed by npm itself, without a stamp');
  writeFileSync(path.join(folder, 'package-lock.json'), lock('1.0.1'));
  t.equal(launch.installed(folder), false, 'the lock file names another version');
  launch.stamp(folder);
  t.equal(launch.installed(folder), true, 'the stamp answers for this lock file');
  writeFileSync(path.join(folder, 'package-lock.json'), lock('1.0.2'));
  t.equal(launch.installed(folder), false, 'and for no other');
});

t.test('without node_modules bin/troupe.cjs says what to do and installs nothing', async (t) => {
  const folder = copyOfLauncher(t.testdir());
  const result = spawnSync(process.execPath, [path.join(folder, 'bin/troupe.cjs'), 'behaviors'], { encoding: 'utf8' });
  t.equal(result.status, 1);
  t.match(result.stderr, /NODE_MISSING[\s\S]*npm start/);
});

t.test('a failed npm ci is said as such, with a hint', async (t) => {
  const folder = copyOfLauncher(t.testdir({ fake: { 'npm-cli.js': 'process.exit(7)' } }));
  const result = spawnSync(process.execPath, [path.join(folder, 'scripts/run.cjs'), 'start'], {
    encoding: 'utf8',
    env: { ...process.env, npm_execpath: path.join(folder, 'fake/npm-cli.js') },
  });
  t.equal(result.status, 1);
  t.match(result.stderr, /INSTALL_FAILED: `npm ci` ended with code 7[\s\S]*hint:/);
});

t.test('a binary that is still missing after installing is said as such', async (t) => {
  const folder = copyOfLauncher(t.testdir({ node_modules: { node: { 'installArchSpecificPackage.js': '' } } }));
  launch.stamp(folder);
  const result = spawnSync(process.execPath, [path.join(folder, 'scripts/run.cjs'), 'start'], { encoding: 'utf8' });
  t.equal(result.status, 1);
  t.match(result.stderr, /NODE_MISSING: .*could not be installed: it is not there/);
});

t.test('the exit code comes through', async (t) => {
  const program = start(t.testdir(), 'process.exit(42)');
  t.strictSame(await once(program, 'exit'), [42, null]);
});

t.test('SIGTERM and SIGINT reach the program, whose code is the answer', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const program = start(t.testdir(), `process.on('${signal}', () => process.exit(17)); setInterval(() => {}, 1000); console.log(process.pid)`);
    await firstLine(program);
    program.kill(signal);
    t.strictSame(await once(program, 'exit'), [17, null], signal);
  }
});

t.test('a program ended by a signal ends the launcher by the same signal', async (t) => {
  const program = start(t.testdir(), 'setInterval(() => {}, 1000); console.log(process.pid)');
  process.kill(Number(await firstLine(program)), 'SIGTERM');
  t.strictSame(await once(program, 'exit'), [null, 'SIGTERM']);
});

t.test('kill -9 of the launcher takes the program along', async (t) => {
  const program = start(t.testdir(), 'setInterval(() => {}, 1000); console.log(process.pid)');
  const pid = Number(await firstLine(program));
  program.kill('SIGKILL');
  await gone(pid);
  t.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

t.test('without the pipe that it follows, a program does outlive the launcher: the test above can fail', async (t) => {
  const folder = copyOfLauncher(t.testdir());
  writeFileSync(path.join(folder, 'scripts/follow.cjs'), '');
  const program = startIn(folder, 'setInterval(() => {}, 1000); console.log(process.pid)');
  const pid = Number(await firstLine(program));
  program.kill('SIGKILL');
  await once(program, 'exit');
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.equal(process.kill(pid, 0), true);
  process.kill(pid, 'SIGKILL');
});

/** As npm runs a script: a process, a shell, and the launcher. */
function startAsNpmDoes(folder: string, script: string): ChildProcess {
  copyOfLauncher(folder);
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  mkdirSync(path.join(folder, 'runtime/cli'), { recursive: true });
  writeFileSync(path.join(folder, 'runtime/cli/main.ts'), "process.on('SIGTERM', () => { console.log('in order'); process.exit(0); }); setInterval(() => {}, 1000); console.log(process.pid)");
  const source = `const { spawn } = require('child_process'); const shell = spawn('sh', ['-c', 'node scripts/run.cjs start; true'], { stdio: 'inherit' }); process.on('SIGTERM', () => { shell.kill('SIGTERM'); process.exit(0); });`;
  return spawn(process.execPath, ['-e', source], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, npm_lifecycle_event: script } });
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  t.test(`${signal} to npm ends in order what its script has started`, async (t) => {
    const npm = startAsNpmDoes(t.testdir(), 'start');
    const pid = Number(await firstLine(npm));
    const said = once(npm.stdout!, 'data');
    npm.kill(signal);
    t.match(String((await said)[0]), /in order/);
    await gone(pid);
  });
}

t.test('what another script of npm has started may outlive it', async (t) => {
  const npm = startAsNpmDoes(t.testdir(), 'in-the-background');
  const pid = Number(await firstLine(npm));
  npm.kill('SIGTERM');
  await once(npm, 'exit');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  t.equal(process.kill(pid, 0), true);
  process.kill(pid, 'SIGKILL');
});

function copyOfLauncher(folder: string): string {
  for (const part of ['scripts/run.cjs', 'scripts/launch.cjs', 'scripts/install.cjs', 'scripts/follow.cjs', 'bin/troupe.cjs', 'package.json', 'package-lock.json']) {
    cpSync(path.join(root, part), path.join(folder, part));
  }
  return folder;
}

/** Starts `source` as the command line of a copy of the project that shares our node_modules. */
function start(folder: string, source: string): ChildProcess {
  return startIn(copyOfLauncher(folder), source);
}

function startIn(folder: string, source: string): ChildProcess {
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  mkdirSync(path.join(folder, 'runtime/cli'), { recursive: true });
  writeFileSync(path.join(folder, 'runtime/cli/main.ts'), source);
  return spawn(process.execPath, [path.join(folder, 'bin/troupe.cjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function firstLine(child: ChildProcess): Promise<string> {
  const [bytes] = await once(child.stdout!, 'data');
  return String(bytes).split('\n')[0]!;
}

/** Resolves when the process is gone; a test that hangs here has failed. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
