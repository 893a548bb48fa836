/** The folder of a cold tier, as whoever opens one wants to find it. */

import { accessSync, constants, statSync } from 'node:fs';

import { TroupeError } from '../../codec/errors.ts';

/** '' is no cold tier. @throws TroupeError CONFIG_INVALID: a volume that is not mounted must not become a new, empty tier */
export function checkColdFolder(folder: string): void {
  if (folder === '') return;
  try {
    if (!statSync(folder).isDirectory()) throw new Error('it is not a folder');
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new TroupeError('CONFIG_INVALID', `${folder} cannot be the cold tier: ${(error as Error).message}`, {
      hint: 'Make the folder, or mount the volume that all nodes share, and start again.',
    });
  }
}
