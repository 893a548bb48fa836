/**
 * The data folder of a node: made when it is missing, refused with a clear error when it cannot be.
 *
 * One folder after the other, because the platform's own recursive way never returns where a file system answers that it
 * cannot make anything (a path below /proc).
 */

import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { TroupeError } from '../codec/errors.ts';

/** @throws TroupeError CONFIG_INVALID when the folder cannot be made, is not a folder, or cannot be written */
export function makeDataFolder(folder: string): void {
  const path = resolve(folder);
  try {
    makeAll(path);
    if (!statSync(path).isDirectory()) throw new Error('it is not a folder');
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new TroupeError('CONFIG_INVALID', `${path} cannot be a folder for data: ${(error as Error).message}`, { cause: error });
  }
}

function makeAll(path: string): void {
  if (isThere(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeAll(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
