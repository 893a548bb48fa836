/** Bundles of a node that keeps nothing (`--journal memory`): the same promises as the store on disk, until the process ends. */

import { TroupeError } from '../codec/errors.ts';
import { bundleHash } from './bundle.ts';

export class MemoryBundleStore {
  private readonly contents = new Map<string, Buffer>();

  async put(content: Buffer): Promise<string> {
    const hash = bundleHash(content);
    this.contents.set(hash, Buffer.from(content));
    return hash;
  }

  async get(hash: string): Promise<Buffer> {
    const content = this.contents.get(hash);
    if (content === undefined) throw new TroupeError('BUNDLE_MISSING', `no bundle ${hash}`);
    return Buffer.from(content);
  }
}
