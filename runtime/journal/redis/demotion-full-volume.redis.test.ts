/**
 * Demotion onto a volume that is really full, and freed again: the kernel refuses, in the middle of a range and when a name is made. What a failed
 * synchronisation leaves behind is shown on a simulated disk (../cold/cold-crash.test.ts); the memory that this volume is made of has none.
 */

import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';

import t from 'tap';
import type { Test } from 'tap';

import { cannot } from '../../testing/cannot.ts';
import { mountSmallVolume } from '../../testing/small-volume.ts';
import type { SmallVolume } from '../../testing/small-volume.ts';
import { createColdTier } from '../cold/cold-tier.ts';
import { Dice } from '../contract-model.ts';
import { keyOf } from './testing/oracle.ts';
import { until } from './testing/rig.ts';
import { BITS, bucket, tieredRigFor } from './testing/tiered-rig.ts';
import type { TieredJournal, TieredRig } from './testing/tiered-rig.ts';
import { TieredWork } from './testing/tiered-work.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const ROOM = { bytes: 8 * MIB, filesMax: 100 };
/** A range is about half of it: many blocks and pages. */
const HOT_BYTES = 256 * KIB;
const NOISE_BYTES = 2 * KIB;
/** More than one block of a range, and less than the smallest range. */
const LEFT_BYTES = 48 * KIB;
/** Of about 5 KiB each. */
const APPENDS = 120;

interface Case {
  readonly name: string;
  /** How many ranges lie on the volume when it is filled. */
  readonly ranges: number;
  fill(volume: SmallVolume): void;
  /** What every warning must be. */
  readonly refused: RegExp;
}

const cases: readonly Case[] = [
  {
    name: 'no room in the middle of a range', ranges: 3,
    fill: (volume) => volume.takeBytes(LEFT_BYTES),
    refused: /^demoting failed, and is tried again in \d+ ms: \S+\/main is full: ENOSPC: [^,]+, write$/,
  },
  {
    name: 'no room for the name of a range', ranges: 3,
    fill: (volume) => volume.takeFiles(),
    refused: /^demoting failed, and is tried again in \d+ ms: \S+\/main is full: ENOSPC: [^,]+, open \S+\.tmp'$/,
  },
  {
    name: 'no room for the folder of the first range', ranges: 0,
    fill: (volume) => volume.takeFiles(),
    refused: /^demoting failed, and is tried again in \d+ ms: \S+\/main is full: ENOSPC: [^,]+, mkdir \S+\/main'$/,
  },
];

class Place {
  readonly volume: SmallVolume;
  private readonly rig: TieredRig;

  constructor(volume: SmallVolume, rig: TieredRig) {
    this.volume = volume;
    this.rig = rig;
  }

  journal(name: string): Promise<TieredJournal> {
    return this.rig.journal(name, { tier: createColdTier({ directory: this.volume.directory }), hotBytesPerBucketMax: HOT_BYTES });
  }

  files(): string[] {
    const folder = join(this.volume.directory, 'main');
    return fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
  }

  /** What is wrong with the files and the list of them, by what the kernel and the server say: no part of the journal is asked. */
  async complaints(): Promise<string[]> {
    const complaints: string[] = [];
    const list = (await this.rig.redis.commandBytes('HVALS', keyOf(BITS, bucket.index, 'cold'))) as Buffer[];
    const digests: Buffer[] = [];
    for (const file of this.files()) {
      const [, named] = /-([0-9a-f]{32})\.seg$/.exec(file) ?? [];
      const found = createHash('sha256').update(fs.readFileSync(join(this.volume.directory, 'main', file))).digest('hex');
      if (named === undefined || !found.startsWith(named)) complaints.push(`${file} is no whole range`);
      else digests.push(Buffer.from(named, 'hex'));
    }
    for (const range of list) if (!digests.some((digest) => range.includes(digest))) complaints.push(`listed and not there: ${range.toString('latin1')}`);
    return complaints;
  }
}

async function demote(one: TieredJournal, work: TieredWork, ranges: number): Promise<void> {
  const goal = one.demotion.demotions + ranges;
  while (one.demotion.demotions < goal) {
    await work.append(one.journal, 1);
    await one.demotion.idle();
  }
}

async function fillAndFree(t: Test, { ranges, fill, refused }: Case, volume: SmallVolume): Promise<void> {
  const place = new Place(volume, await tieredRigFor(t));
  const one = await place.journal('one');
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(11), NOISE_BYTES);
  await demote(one, work, ranges);
  const files = place.files();
  t.equal(files.length, ranges);
  fill(volume);
  const { freeBytes } = volume;

  await work.append(one.journal, APPENDS);
  const tried = one.warnings.length;
  // It is tried again though nobody appends any more; and between two tries nothing is under way.
  await until(() => one.warnings.length >= tried + 2);
  t.same(place.files(), files, 'nothing has come into being');
  t.equal(volume.freeBytes, freeBytes, 'what the tries took they gave back');
  t.same(one.warnings.filter((text) => !refused.test(text)), [], 'the kernel refused every try, each in the same place');
  t.equal(one.demotion.demotions, ranges);
  const { hotBytes } = one.journal.stat();
  t.ok(hotBytes > 2 * HOT_BYTES, `${hotBytes} bytes are hot`);
  t.same(await place.complaints(), []);
  t.same(await work.complaintsOf(one.journal), [], 'all is read, from both tiers');

  // Its owner ends here, and the next one finds the volume no emptier.
  one.abandon();
  await one.demotion.close();
  const next = await place.journal('next');
  t.same(work.resume(await next.journal.openBucket(bucket)), []);
  await work.append(next.journal, 1);
  await until(() => next.warnings.length >= 1);
  t.same(next.warnings.filter((text) => !refused.test(text)), []);
  t.same(place.files(), files);

  volume.free();
  await until(() => next.journal.stat().hotBytes <= HOT_BYTES);
  await next.demotion.idle();
  t.ok(place.files().length > ranges, `${place.files().length} ranges`);
  t.same(await place.complaints(), []);
  t.same(await work.complaintsOf(next.journal), []);
  await demote(next, work, 2);
  t.same(await place.complaints(), []);
  await next.journal.close();
  const last = await place.journal('last');
  t.same(work.resume(await last.journal.openBucket(bucket)), []);
  t.same(await work.complaintsOf(last.journal), [], 'and by who has seen nothing of it');
}

for (const one of cases) {
  const volume = await mountSmallVolume(ROOM);
  await t.test(one.name, { skip: cannot(volume) }, async (t) => {
    const mounted = volume as SmallVolume;
    t.teardown(() => mounted.unmount());
    await fillAndFree(t, one, mounted);
  });
}
