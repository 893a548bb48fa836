/** Keeps a node's notes of how far logs had come in a file, for the process that comes after this one. */

import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';

import type { LogPlaces } from './actor/log-places.ts';
import type { Log } from './actor/seams.ts';

const WRITE_MS = 5_000;

/**
 * Restores the notes from `file`, as far as there are any, and writes them there every few seconds until what it answers is called. Nothing depends on
 * the file: without it a node knows less of what was tried before it started.
 */
export function keepPlaces(places: LogPlaces, file: string, log: Log): () => void {
  let kept: Buffer | null = null;
  try {
    kept = readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log.warn({ err: error }, 'notes of how far logs had come cannot be read');
  }
  if (kept !== null) places.restore(kept);
  let isFailing = false;
  let isWriting = false;
  const timer = setInterval(() => {
    if (isWriting) return;
    isWriting = true;
    write(places.encode(), file).then(() => (isFailing = false), (error: unknown) => {
      if (!isFailing) log.warn({ err: error }, 'notes of how far logs have come cannot be written');
      isFailing = true;
    }).finally(() => (isWriting = false));
  }, WRITE_MS).unref();
  return () => clearInterval(timer);
}

async function write(bytes: Buffer, file: string): Promise<void> {
  await writeFile(`${file}.new`, bytes);
  await rename(`${file}.new`, file);
}
