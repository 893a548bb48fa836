/**
 * Power cuts. CI checks a little over 10,000 images; TROUPE_CRASH_IMAGES=1000000 checks more, from other seeds.
 */

import t from 'tap';

import { CrashRun } from './crash-run.ts';
import type { CrashSettings } from './crash-run.ts';

// Some ten milliseconds an image on a busy machine.
t.setTimeout(1_200_000);
const imagesWanted = Number(process.env['TROUPE_CRASH_IMAGES'] ?? 10_000);

/** Faults found in the images of one run. */
async function faultsOf(settings: CrashSettings, imagesMax = Infinity): Promise<{ images: number; faults: string[] }> {
  const run = new CrashRun(settings);
  await run.work();
  const faults: string[] = [];
  const images = run.images.slice(0, imagesMax);
  for (const image of images) {
    const fault = await run.fault(image);
    if (fault !== null) faults.push(fault);
  }
  return { images: images.length, faults };
}

await t.test('every legal image has all acknowledged records, unaltered and in order', async (t) => {
  let images = 0;
  for (let seed = 1; images < imagesWanted; seed++) {
    const result = await faultsOf({ seed, steps: 40, imagesPerMoment: 2 });
    images += result.images;
    if (result.faults.length > 0) t.same(result.faults.slice(0, 3), [], `seed ${seed}`);
  }
  t.ok(images >= imagesWanted, `${images} images`);
});

await t.test('the check finds what is lost without synchronisation', async (t) => {
  const { faults } = await faultsOf({ seed: 1, steps: 40, imagesPerMoment: 2, sync: false }, 300);
  t.ok(faults.some((fault) => /were acknowledged/.test(fault) || /does not open/.test(fault)), `${faults.length} faults`);
});

await t.test('the check finds what is lost when frames share blocks (F5)', async (t) => {
  const { faults } = await faultsOf({ seed: 1, steps: 40, imagesPerMoment: 2, blockBytes: 8 }, 600);
  t.ok(faults.length > 0, `${faults.length} faults`);
});
