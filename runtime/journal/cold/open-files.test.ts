import t from 'tap';

import { Dice } from '../contract-model.ts';
import { OpenFiles } from './open-files.ts';
import type { Volume } from './volume.ts';

/** Files whose only byte is the number in their name; counts what is open, and fails reads of a closed one. */
class CountingVolume implements Volume {
  openNow = 0;
  highest = 0;
  opened = 0;
  fails: (path: string) => string | null = () => null;

  async open(path: string): ReturnType<Volume['open']> {
    await new Promise(setImmediate);
    const code = this.fails(path);
    if (code !== null) throw Object.assign(new Error(code), { code });
    this.openNow++;
    this.opened++;
    this.highest = Math.max(this.highest, this.openNow);
    let closed = false;
    return {
      read: async (buffer) => {
        if (closed) throw new Error('read after close');
        await new Promise(setImmediate);
        if (closed) throw new Error('closed while it was read');
        const code = this.fails(`read ${path}`);
        if (code !== null) throw Object.assign(new Error(code), { code });
        buffer[0] = Number(path);
        return 1;
      },
      close: async () => {
        if (closed) throw new Error('closed twice');
        closed = true;
        this.openNow--;
      },
    };
  }

  async list(): Promise<string[]> {
    return [];
  }

  async stat(): ReturnType<Volume['stat']> {
    return { bytes: 1, modifiedMs: 0 };
  }

  async remove(): Promise<void> {}
}

async function byteOf(files: OpenFiles, path: string): Promise<number> {
  const buffer = Buffer.alloc(1);
  await files.read(path, buffer, 0);
  return buffer[0]!;
}

const settle = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 5));

await t.test('few stay open, the ones used last, whatever is read', async (t) => {
  const volume = new CountingVolume();
  const files = new OpenFiles(volume, 4);
  const dice = new Dice(3);
  for (let round = 0; round < 100; round++) {
    const paths = Array.from({ length: 3 }, () => String(dice.below(200)));
    t.same(await Promise.all(paths.map((path) => byteOf(files, path))), paths.map(Number));
    t.ok(files.count <= 4);
  }
  await settle();
  t.ok(volume.openNow <= 4 && volume.highest <= 8, `${volume.highest} were open at once`);
  for (const path of ['1', '2', '3']) await byteOf(files, path);
  const { opened } = volume;
  for (let i = 0; i < 10; i++) for (const path of ['1', '2', '3']) await byteOf(files, path);
  t.equal(volume.opened, opened, 'what is used again is not opened again');
  files.close();
  await settle();
  t.equal(volume.openNow, 0);
  await t.rejects(byteOf(files, '1'), { code: 'JOURNAL_FAILED' });
});

await t.test('what is being read is not closed under the reader', async (t) => {
  const volume = new CountingVolume();
  const files = new OpenFiles(volume, 1);
  const reads = ['1', '1', '2', '3', '1', '4'].map((path) => byteOf(files, path));
  files.close();
  t.same(await Promise.all(reads), [1, 1, 2, 3, 1, 4]);
  await settle();
  t.equal(volume.openNow, 0);
});

await t.test('after an error the next reader begins anew', async (t) => {
  const volume = new CountingVolume();
  const files = new OpenFiles(volume, 4);
  volume.fails = (path) => (path === '7' ? 'ENOENT' : path === 'read 8' ? 'EIO' : null);
  await t.rejects(byteOf(files, '7'), { code: 'JOURNAL_DAMAGED', location: '7@0' }, 'missing is damage');
  const both = await Promise.allSettled([byteOf(files, '8'), byteOf(files, '8')]);
  t.match(both, [{ reason: { code: 'JOURNAL_FAILED', retryable: true } }, { reason: { code: 'JOURNAL_FAILED' } }], 'a volume that does not answer is not');
  await settle();
  t.equal(volume.openNow, 0);
  volume.fails = () => null;
  t.same([await byteOf(files, '7'), await byteOf(files, '8')], [7, 8]);
  files.close();
});

await t.test('a file that another node replaced meanwhile is opened again, once', async (t) => {
  const volume = new CountingVolume();
  const files = new OpenFiles(volume, 4);
  t.equal(await byteOf(files, '5'), 5);
  let stale = 1;
  volume.fails = (path) => (path === 'read 5' && stale-- > 0 ? 'ESTALE' : null);
  t.equal(await byteOf(files, '5'), 5);
  stale = 2;
  await t.rejects(byteOf(files, '5'), { code: 'JOURNAL_FAILED' });
  t.equal(await byteOf(files, '5'), 5);
  files.close();
  await settle();
  t.equal(volume.openNow, 0);
});
