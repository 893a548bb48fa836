import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import { realDisk } from './disk.ts';
import type { DiskFile } from './disk.ts';

const directory = fs.mkdtempSync(join(tmpdir(), 'troupe-disk-'));
t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }));

function fileOf(name: string, bytes: Buffer): DiskFile {
  const path = join(directory, name);
  fs.writeFileSync(path, bytes);
  return realDisk.open(path, 'write');
}

await t.test('a closed file answers nothing, even when its descriptor names another file by now', async (t) => {
  const file = fileOf('closed', Buffer.from('what was'));
  file.close();
  file.close();
  const others = Array.from({ length: 8 }, (_, i) => fileOf(`other-${i}`, Buffer.from('another file')));
  const buffer = Buffer.alloc(8);
  const closed = { code: 'JOURNAL_FAILED' };
  t.throws(() => file.read(buffer, 0), closed);
  t.throws(() => file.readLater(buffer, 0, () => undefined), closed);
  t.throws(() => file.write(buffer, 0), closed);
  t.throws(() => file.writeLater(buffer, 0, () => undefined), closed);
  t.throws(() => file.sync(), closed);
  t.throws(() => file.size(), closed);
  for (const other of others) {
    t.equal(other.read(Buffer.alloc(12), 0), 12, 'the second close closed nobody else');
    other.close();
  }
});

await t.test('what is under way when a file is closed comes to its end', async (t) => {
  const bytes = Buffer.alloc(1024 * 1024, 'a');
  const file = fileOf('busy', bytes);
  const buffers = Array.from({ length: 16 }, () => Buffer.alloc(bytes.length));
  const reads = buffers.map((buffer) => new Promise<number>((resolve, reject) => {
    file.readLater(buffer, 0, (error, there) => (error === null ? resolve(there) : reject(error)));
  }));
  file.close();
  const others = Array.from({ length: 8 }, (_, i) => fileOf(`later-${i}`, Buffer.alloc(bytes.length, 'b')));
  t.same(await Promise.all(reads), reads.map(() => bytes.length));
  t.ok(buffers.every((buffer) => buffer.equals(bytes)));
  for (const other of others) other.close();
});

await t.test('a directory says what its writes are made of', async (t) => {
  const { bytes, direct } = realDisk.blocksOf(directory);
  t.ok([512, 4096].includes(bytes));
  t.same(fs.readdirSync(directory).filter((name) => name.endsWith('.tmp')), [], 'the probe is gone');
  t.throws(() => realDisk.blocksOf(join(directory, 'nowhere')), { code: 'ENOENT' }, 'what a disk throws says nothing about blocks');
  t.comment(`blocks of ${bytes} bytes, direct: ${direct}`);
});
