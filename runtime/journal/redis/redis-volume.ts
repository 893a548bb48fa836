/**
 * Sealed ranges as Redis has them, for those who read: a string is a file, of which any part can be read. What cannot be reached now is
 * STORE_UNAVAILABLE, never missing; what is missing, or is no string, is damage.
 */

import { coldFile, isInStore, storeFile } from '../cold/cold-range.ts';
import type { ColdName } from '../cold/cold-range.ts';
import type { Place } from '../cold/place.ts';
import type { ReadableVolume, VolumeFile } from '../cold/volume.ts';
import { damaged } from '../sealed/damaged.ts';
import { sealedKey, sealedPattern } from './keys.ts';
import type { Argument } from './link.ts';
import type { StoreLinks } from './links.ts';
import { asTroupeError, StoreError } from './store-error.ts';

/** In front of a key, in paths; a path is what errors name. */
const SCHEME = 'redis:';

/** Where the ranges are that are sealed in this store. */
export function redisPlace(links: StoreLinks): Place {
  return {
    volume: new RedisVolume(links),
    isApart: false,
    has: isInStore,
    pathOf: ({ namespace, bucket, file }) => SCHEME + sealedKey(namespace, bucket, nameIn(file, '/')),
    folderOf: (namespace) => SCHEME + sealedPattern(namespace),
    fileOf: storeFile,
  };
}

/** The name under which a range is sealed. */
export function sealedName(range: ColdName): string {
  return nameIn(coldFile(range), '/');
}

class RedisVolume implements ReadableVolume {
  private readonly links: StoreLinks;

  constructor(links: StoreLinks) {
    this.links = links;
  }

  /** Nothing is asked of the store before the first read. */
  async open(path: string): Promise<VolumeFile> {
    return {
      read: async (buffer, position) => {
        if (buffer.length === 0) return 0;
        const bytes = (await this.ask(path, 'GETRANGE', [String(position), String(position + buffer.length - 1)])) as Buffer;
        if (bytes.length === 0) await this.mustBeThere(path);
        return bytes.copy(buffer);
      },
      close: async () => undefined,
    };
  }

  /** `pattern`: as `folderOf` gives it. Looks at every key of the store, a few at a time. */
  async list(pattern: string): Promise<string[]> {
    try {
      const keys = await this.links.stringKeys(keyIn(pattern));
      return keys.map((key) => nameIn(key, ':'));
    } catch (error) {
      throw asTroupeError(error);
    }
  }

  async stat(path: string): Promise<{ readonly bytes: number }> {
    const bytes = (await this.ask(path, 'STRLEN')) as number;
    if (bytes === 0) await this.mustBeThere(path);
    return { bytes };
  }

  /** To Redis a string that is missing is empty. */
  private async mustBeThere(path: string): Promise<void> {
    if ((await this.ask(path, 'EXISTS')) === 0) throw damaged(path, 0, 'it is missing');
  }

  private async ask(path: string, command: string, args: readonly Argument[] = []): Promise<unknown> {
    const key = keyIn(path);
    try {
      return await this.links.call('bulk', key, command, [key, ...args]);
    } catch (error) {
      if (error instanceof StoreError && error.code === 'WRONGTYPE') throw damaged(path, 0, 'it is no string');
      throw asTroupeError(error);
    }
  }
}

function keyIn(path: string): string {
  return path.slice(SCHEME.length);
}

/** What is behind the last separator. */
function nameIn(text: string, separator: string): string {
  return text.slice(text.lastIndexOf(separator) + 1);
}
