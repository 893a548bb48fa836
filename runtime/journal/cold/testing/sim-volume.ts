/** A cold tier on the simulated disk: readers and the writer see the same one. */

import type { SimDisk } from '../../segment/sim-disk.ts';
import { createColdTier } from '../cold-tier.ts';
import type { ColdTier, ColdTierOptions } from '../cold-tier.ts';
import { DirectRangeWriter } from '../range-writer.ts';
import type { Volume } from '../volume.ts';

export const directory = '/cold';

/** Every file was modified at the beginning of time. */
export function volumeOf(disk: SimDisk): Volume {
  const later = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  return {
    async open(path) {
      await later();
      const file = disk.open(path, 'read');
      return {
        async read(buffer, position) {
          await later();
          return file.read(buffer, position);
        },
        async close() {},
      };
    },
    async list(directory) {
      await later();
      return disk.list(directory);
    },
    async stat(path) {
      await later();
      return { bytes: disk.open(path, 'read').size(), modifiedMs: 0 };
    },
    async remove(path) {
      await later();
      disk.remove(path);
    },
  };
}

export function tierOn(disk: SimDisk, options: Partial<ColdTierOptions> = {}): ColdTier {
  return createColdTier({ directory, ...options }, { volume: volumeOf(disk), writer: () => new DirectRangeWriter(disk) });
}
