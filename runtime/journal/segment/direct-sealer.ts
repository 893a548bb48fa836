/** Seals on the calling thread, for tests on a simulated disk, which a worker thread could not see. */

import type { Disk } from '../sealed/disk.ts';
import { seal } from './seal.ts';
import type { SealRequest } from './seal.ts';
import type { Sealer } from './sealing.ts';

export class DirectSealer implements Sealer {
  private readonly disk: Disk;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  async seal(request: SealRequest): Promise<string> {
    await new Promise(setImmediate);
    return seal(this.disk, request);
  }

  async close(): Promise<void> {}
}
