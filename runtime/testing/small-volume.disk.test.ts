import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { isAlive } from '../faults/proc.ts';
import { cannot } from './cannot.ts';
import { mountSmallVolume } from './small-volume.ts';
import type { SmallVolume } from './small-volume.ts';

const MIB = 1024 * 1024;
const options = { bytes: 2 * MIB, filesMax: 10 };
const WAIT_MAX_MS = 60_000;

const first = await mountSmallVolume(options);
if (typeof first !== 'string') await first.unmount();

async function volumeOf(t: Test): Promise<SmallVolume> {
  const volume = (await mountSmallVolume(options)) as SmallVolume;
  t.teardown(() => volume.unmount());
  return volume;
}

t.test('it has the room that was asked for, and no more', { skip: cannot(first) }, async (t) => {
  const volume = await volumeOf(t);
  t.equal(volume.freeBytes, options.bytes);
  volume.takeBytes(3 * 4096 + 1);
  t.equal(volume.freeBytes, 3 * 4096);
  const file = join(volume.directory, 'file');
  t.throws(() => fs.writeFileSync(file, Buffer.alloc(4 * 4096, 7)), { code: 'ENOSPC' });
  t.equal(fs.statSync(file).size, 3 * 4096, 'a part of it is there');
  fs.unlinkSync(file);
  volume.free();
  t.equal(volume.freeBytes, options.bytes);
  fs.writeFileSync(file, Buffer.alloc(4 * 4096, 7));
  t.strictSame(fs.readFileSync(file), Buffer.alloc(4 * 4096, 7));
});

t.test('it has as many names as were asked for', { skip: cannot(first) }, async (t) => {
  const volume = await volumeOf(t);
  volume.takeFiles();
  t.equal(volume.freeFiles, 0);
  t.equal(fs.readdirSync(volume.directory).length, options.filesMax - 1);
  t.throws(() => fs.writeFileSync(join(volume.directory, 'file'), ''), { code: 'ENOSPC' });
  t.throws(() => fs.mkdirSync(join(volume.directory, 'folder')), { code: 'ENOSPC' });
  t.equal(volume.freeBytes, options.bytes, 'bytes there are');
  volume.free();
  fs.mkdirSync(join(volume.directory, 'folder'));
});

t.test('nobody else sees it, and it is gone when it is unmounted (M1)', { skip: cannot(first) }, async (t) => {
  const volume = await volumeOf(t);
  const mountPoint = volume.directory.replace(/^\/proc\/\d+\/root/, '');
  fs.writeFileSync(join(volume.directory, 'file'), 'x');
  t.notMatch(fs.readFileSync('/proc/self/mounts', 'utf8'), mountPoint);
  t.strictSame(fs.readdirSync(mountPoint), []);
  await volume.unmount();
  t.notOk(fs.existsSync(volume.directory));
  t.notOk(fs.existsSync(mountPoint), 'its folder is gone too');
  await volume.unmount();
});

t.test('it does not outlive a test that is killed (M1)', { skip: cannot(first) }, async (t) => {
  const program = `
    import { mountSmallVolume } from '${new URL('small-volume.ts', import.meta.url)}';
    const { pid, directory } = await mountSmallVolume(${JSON.stringify(options)});
    console.log(pid + ' ' + directory);
    setInterval(() => {}, 1000);
  `;
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: owner.stdout }), 'line')) as [string];
  const [pid, directory] = line.split(' ') as [string, string];
  t.ok(isAlive(Number(pid)) && fs.existsSync(directory));
  owner.kill('SIGKILL');
  const until = performance.now() + WAIT_MAX_MS;
  while (isAlive(Number(pid)) && performance.now() < until) await sleep(5);
  t.notOk(isAlive(Number(pid)));
  t.notOk(fs.existsSync(directory));
});

t.test('where it cannot be had, a reason', async (t) => {
  const { PATH } = process.env;
  t.teardown(() => { process.env.PATH = PATH; });
  process.env.PATH = '/nowhere';
  t.match(await mountSmallVolume(options), /^no volume can be mounted: .*ENOENT/);
});
