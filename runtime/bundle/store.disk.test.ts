import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';
import type { Test } from 'tap';

import { bundleHash } from './bundle.ts';
import { BundleStore } from './store.ts';

async function directory(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'troupe-store-'));
  t.teardown(() => rm(path, { recursive: true }));
  return join(path, 'bundles');
}

const one = Buffer.from('one');
const two = Buffer.from('two');

t.test('what was put is there, also for the next process', async (t) => {
  const path = await directory(t);
  const store = await BundleStore.open(path);
  const hash = await store.put(one);
  t.equal(hash, bundleHash(one));
  t.equal(await store.put(one), hash, 'twice is once');
  await store.put(two);
  const again = await BundleStore.open(path);
  t.ok((await again.get(hash)).equals(one));
  t.strictSame(await again.list(), [bundleHash(one), bundleHash(two)].sort());
});

t.test('what is not there is missing, and no path is made of a hash that is none', async (t) => {
  const store = await BundleStore.open(await directory(t));
  await t.rejects(store.get(bundleHash(one)), { code: 'BUNDLE_MISSING' });
  await t.rejects(store.get('../../etc/passwd'), { code: 'BUNDLE_MISSING' });
});

t.test('other bytes under the name are damage, and putting the bundle again repairs it', async (t) => {
  const path = await directory(t);
  const store = await BundleStore.open(path);
  const hash = await store.put(one);
  const file = join(path, (await readdir(path))[0]!);
  await writeFile(file, 'onf');
  await t.rejects(store.get(hash), { code: 'JOURNAL_DAMAGED', location: file });
  await truncate(file, 0);
  await t.rejects(store.get(hash), { code: 'JOURNAL_DAMAGED', location: file });
  await store.put(one);
  t.ok((await store.get(hash)).equals(one));
});

t.test('what a crash left half written is cleared away and never read', async (t) => {
  const path = await directory(t);
  const store = await BundleStore.open(path);
  const hash = await store.put(one);
  const leftover = join(path, `${bundleHash(two)}.0123456789ab.new`);
  await writeFile(leftover, 'tw');
  await writeFile(join(path, 'notes.txt'), 'an operator\'s');
  const again = await BundleStore.open(path);
  t.strictSame((await readdir(path)).sort(), [`${hash}.bundle`, 'notes.txt'].sort());
  t.strictSame(await again.list(), [hash]);
  t.equal(await readFile(join(path, 'notes.txt'), 'utf8'), 'an operator\'s');
});

t.test('many at once, of few contents', async (t) => {
  const store = await BundleStore.open(await directory(t));
  await Promise.all(Array.from({ length: 40 }, (_, i) => store.put(i % 2 === 0 ? one : two)));
  t.ok((await store.get(bundleHash(one))).equals(one));
  t.ok((await store.get(bundleHash(two))).equals(two));
  t.equal((await store.list()).length, 2);
});
