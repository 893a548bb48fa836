/** `troupe journal` as a process, on a real store with a cold tier, and on a data folder. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import type { BucketId } from '../codec/address.ts';
import { createColdTier } from '../journal/cold/cold-tier.ts';
import { LogMaker } from '../journal/contract-log.ts';
import type { Journal } from '../journal/journal.ts';
import { createRedisJournal } from '../journal/redis/redis-journal.ts';
import { createSegmentJournal } from '../journal/segment/segment-journal.ts';
import { startRedis } from '../testing/redis-server.ts';

const program = path.join(import.meta.dirname, 'main.ts');
const BUCKETS = 4;
const ids: BucketId[] = [0, 1, 2].map((index) => ({ bits: 2, index }));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function troupe(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, 'journal', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

function folderFor(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'troupe-cli-journal-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Some hundred KiB in each of three buckets. */
async function fill(journal: Journal, appends: number): Promise<LogMaker[]> {
  const logs = (await journal.openBuckets(ids)).map((head) => new LogMaker(head));
  for (let i = 0; i < appends; i++) {
    const outcomes = await journal.append(logs.map((log) => log.next([`a.A:${i % 7}`, `a.A:${i % 3}`], () => Buffer.alloc(1_000, i))));
    if (outcomes.some(({ kind }) => kind !== 'appended')) throw new Error('not appended');
  }
  return logs;
}

await t.test('on a store', async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.remove());
  const cold = folderFor(t);
  const data = folderFor(t);
  const env = { TROUPE_REDIS: redis.url, TROUPE_COLD: cold, TROUPE_DATA: data };
  const options = { store: { addresses: [{ host: '127.0.0.1', port: redis.port }] }, bucketBits: 2, node: 'n1' };
  const witness = path.join(data, 'cluster/main/n1');
  const open = async (): Promise<Journal> => {
    const journal = createRedisJournal({ ...options, witness, tier: createColdTier({ directory: cold }) });
    await journal.open();
    return journal;
  };

  await t.test('without a journal', async (t) => {
    const ran = await troupe(['stat'], env);
    t.match(ran, { code: 2, out: '', err: /CONFIG_INVALID: the store has no journal of namespace main/ });
  });

  const owner = await open();
  t.teardown(() => owner.close());
  const logs = await fill(owner, 100);

  await t.test('stat, compact under a living owner, stat again', async (t) => {
    const before = JSON.parse((await troupe(['stat', '--json'], env)).out) as { records: number; hotBytes: number; coldFiles: number; buckets: number };
    t.match(before, { records: 600, coldFiles: 0, coldBytes: 0, buckets: BUCKETS, lost: 0 });
    const compacted = await troupe(['compact', '--redis', redis.url, '--cold', cold]);
    t.match(compacted, { code: 0, out: /^3 files written for 3 buckets; hot were .* KiB, now .* KiB\n$/, err: '' });
    const after = (await troupe(['stat', '--buckets-too', '--json'], env)).out.trim().split('\n').map((line) => JSON.parse(line) as { bucket: number });
    t.match(after[0], { bucket: 0, records: 200, hotRecords: 2, coldFiles: 1, note: null });
    t.match(after[3], { bucket: 3, records: 0, hotRecords: 0, coldFiles: 0 });
    t.match(await troupe(['stat'], env), { code: 0, out: /^BUCKET +RECORDS .*\nall +600 .* ok\n$/ });
    t.match(await troupe(['compact'], env), { out: /^0 files written for 0 buckets/ }, 'what is left is not worth a file');
    t.match(await troupe(['stat', '--redis', redis.url, '--cold', path.join(cold, 'nowhere')]), { code: 2, err: /cannot be the cold tier/ });
    t.match(await troupe(['compact', '--redis', redis.url]), { code: 2, err: /3 of 4 buckets have records in a cold tier/ });
    // The owner was told nothing; it reads and appends as before.
    t.match(await owner.append(logs.map((log) => log.next(['a.A:1']))), ids.map(() => ({ kind: 'appended' })));
    for (const log of logs) t.same(await Array.fromAsync(owner.readBucket(log.bucket, 1)), log.all());
  });

  await t.test('verify', async (t) => {
    t.match(await troupe(['verify'], env), { code: 0, out: 'ok: 603 records of 4 buckets, 3 cold files\n', err: '' });
    const [first] = readdirSync(path.join(cold, 'main')).sort();
    const file = path.join(cold, 'main', first!);
    const bytes = readFileSync(file);
    writeFileSync(file, Buffer.from(bytes).fill(0xff, 2_000, 2_001));
    const damaged = await troupe(['verify'], env);
    t.match(damaged, { code: 1, out: /^DAMAGED bucket 0: .* \(main\/range-.*\.seg, offset \d+\)\n/ });
    t.match(JSON.parse((await troupe(['verify', '--json'], env)).out), { findings: [{ bucket: 0 }], coldFiles: 3 });
    renameSync(file, `${file}.away`);
    t.match(await troupe(['verify'], env), { code: 1, out: /DAMAGED bucket 0: .*the file is missing/ });
    rmSync(`${file}.away`);
    writeFileSync(file, bytes);
    // The same records with a snapshot more: a file that nobody lists.
    const tier = createColdTier({ directory: cold });
    const [log] = logs;
    const snapshot = { bucket: ids[0]!, actor: 'a.A:0', actorHash: { hi: 1, lo: 1 }, position: 1, head: log!.headAt(1), bytes: Buffer.from('x') };
    await tier.write({ bucket: ids[0]!, incarnation: log!.incarnation, from: 1, headBefore: log!.headAt(0), records: log!.all(1, 11), snapshots: [snapshot] });
    await tier.close();
    t.match(await troupe(['verify'], env), { code: 0, out: /^unlisted main\/range-.*-0{15}1-0{14}11-.*\.seg\n1 file is in the list of no bucket.*\nok: 603 records/ });
    await redis.command('XTRIM', '{main:1}:2.1:log', 'MAXLEN', '0');
    t.match(await troupe(['verify'], env), { code: 1, out: /^DAMAGED bucket 1: .*the log ends before its head/ });
  });

  await t.test('accept-loss', async (t) => {
    await owner.close();
    await redis.command('FLUSHALL');
    t.match(await troupe(['accept-loss', '--redis', redis.url, '--data', data, '--json']), { code: 0, out: /"positions 1 to 201 are lost"/ }, 'without the cold tier');
    const shown = await troupe(['accept-loss'], { ...env, TROUPE_BUCKETS: String(BUCKETS) });
    t.match(shown, { code: 0, out: /^the store has no journal\nBUCKET +WHAT\n0 +positions 199 to 201 are lost\n/, err: /nothing was changed/ });
    t.match(await troupe(['accept-loss', '--all'], env), { code: 2, err: /add --yes/ });
    t.match(await troupe(['accept-loss', '--bucket', '9', '--yes'], env), { code: 2, err: /nothing is known to be lost of bucket 9/ });
    t.match(await troupe(['accept-loss', '--bucket', '0', '2', '--yes'], env), { code: 0, out: /^the store has no journal\nBUCKET +WHAT\n0 [^\n]*\n2 [^\n]*\n$/, err: /of 2 other buckets something is lost, too\naccepted for 2 buckets/ });
    t.match(await troupe(['accept-loss', '--all', '--yes', '--json'], env), { code: 0, out: /"bucket":1,.*"accepted":true/, err: /accepted for 2 buckets/ });
    t.match(await troupe(['accept-loss'], env), { code: 0, out: 'nothing is known to be lost\n' });
    const again = await open();
    const heads = await again.openBuckets(ids);
    t.ok(heads.every(({ position }) => position === 198), `${heads.map(({ position }) => position).join()}: behind the cold files`);
    for (const log of logs) t.same(await Array.fromAsync(again.readBucket(log.bucket, 1)), log.all(1, 199));
    await again.close();
    t.match(await troupe(['verify'], env), { code: 0, out: /ok: 594 records of 4 buckets, 3 cold files\n$/ });
  });
});

await t.test('on a data folder', async (t) => {
  const data = folderFor(t);
  const directory = path.join(data, 'journal');
  mkdirSync(directory);
  writeFileSync(path.join(data, 'node.json'), JSON.stringify({ format: 1, buckets: BUCKETS }));
  t.match(await troupe(['stat', '--data', data]), { code: 2, err: /holds no journal/ });
  const journal = createSegmentJournal({ directory, segmentFileBytes: 256 * 1024 });
  await journal.open();
  await fill(journal, 300);
  t.match(await troupe(['stat', '--data', data]), { code: 5, err: /JOURNAL_LOCKED/ });
  // Sealing goes on in the background, on whatever the machine has left for it.
  while (journal.stat().segments < 3) await sleep(20);
  await journal.close();
  const before = readdirSync(directory).sort();
  const listing = (): string[] => readdirSync(directory).sort();
  const stat = JSON.parse((await troupe(['stat', '--data', data, '--json'])).out) as { coldFiles: number };
  t.match(stat, { records: 1_800, buckets: BUCKETS, lost: 0 });
  t.ok(stat.coldFiles > 2);
  t.match(await troupe(['verify', '--data', data]), { code: 0, out: new RegExp(`^ok: 1800 records of 4 buckets, ${stat.coldFiles} cold files\n$`) });
  t.match(await troupe(['compact', '--data', data]), { code: 2 }, 'there is nothing to compact');
  t.same(listing(), before, 'nothing was changed');
  const segment = path.join(directory, before.find((file) => file.endsWith('.seg'))!);
  const bytes = readFileSync(segment);
  bytes[3_000]! ^= 1;
  writeFileSync(segment, bytes);
  const damaged = await troupe(['verify', '--data', data]);
  t.match(damaged, { code: 1, out: /^DAMAGED / });
  t.ok(damaged.out.includes(segment), 'by its name in the folder');
  t.same(listing(), before);
});
