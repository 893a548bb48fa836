/**
 * Bundles on disk: one file each, named by the hash of its content, never changed and never removed. A record names the
 * bundle that decided it, so a bundle that history names must be there before the first such record is.
 *
 * K1  `put` resolves only when the content and its name survive power loss: write beside, sync, rename, sync the directory.
 * K2  `get` returns bytes that have this hash, or an error. A file with other bytes is damage (JOURNAL_DAMAGED).
 */

import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';

import { TroupeError } from '../codec/errors.ts';
import { bundleHash } from './bundle.ts';

const filePattern = /^([0-9a-f]{64})\.bundle$/;
const leftoverPattern = /^[0-9a-f]{64}\.[0-9a-f]{12}\.new$/;

export class BundleStore {
  private readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Opens the store in `directory`, which is made if need be; the journal's lock keeps a second node off it. */
  static async open(directory: string): Promise<BundleStore> {
    await mkdir(directory, { recursive: true });
    for (const file of await readdir(directory)) {
      // What a crash left of a `put` that never answered.
      if (leftoverPattern.test(file)) await unlink(join(directory, file));
    }
    return new BundleStore(directory);
  }

  /** Keeps a bundle (K1); returns its hash. A damaged file of this name is replaced. */
  async put(content: Buffer): Promise<string> {
    const hash = bundleHash(content);
    const file = this.fileOf(hash);
    const stored = await readFile(file).catch(() => null);
    if (stored === null || bundleHash(stored) !== hash) await this.write(file, hash, content);
    // Also when the file was there: the process that renamed it may have died before this.
    await syncDirectory(this.directory);
    return hash;
  }

  /** The content of a bundle (K2). @throws TroupeError BUNDLE_MISSING, JOURNAL_DAMAGED */
  async get(hash: string): Promise<Buffer> {
    if (!/^[0-9a-f]{64}$/.test(hash)) throw new TroupeError('BUNDLE_MISSING', `${JSON.stringify(hash)} is not a bundle's hash`);
    const file = this.fileOf(hash);
    const content = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') throw new TroupeError('BUNDLE_MISSING', `bundle ${hash} is not in ${this.directory}`);
      throw new TroupeError('JOURNAL_DAMAGED', `bundle ${hash} cannot be read: ${error.message}`, { location: file, cause: error });
    });
    if (bundleHash(content) !== hash) {
      throw new TroupeError('JOURNAL_DAMAGED', `${file} does not hold the bundle that it is named after`, { location: file });
    }
    return content;
  }

  /** Hashes of all bundles, sorted. */
  async list(): Promise<string[]> {
    const hashes: string[] = [];
    for (const file of await readdir(this.directory)) {
      const hash = filePattern.exec(file)?.[1];
      if (hash !== undefined) hashes.push(hash);
    }
    return hashes.sort();
  }

  private fileOf(hash: string): string {
    return join(this.directory, `${hash}.bundle`);
  }

  private async write(file: string, hash: string, content: Buffer): Promise<void> {
    const beside = join(this.directory, `${hash}.${randomBytes(6).toString('hex')}.new`);
    const handle = await open(beside, 'wx');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
