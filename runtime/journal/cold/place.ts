/**
 * Where the files of ranges lie: in a directory that nodes share, or in the hot tier's store itself. A range's file says which (`isInStore`), so one list
 * may have ranges of both: those of a journal that began without a directory and was given one later. A tier writes to one place, and reads
 * from all that it was told of.
 */

import * as path from 'node:path';

import { TroupeError } from '../../codec/errors.ts';
import type { ReadableFile } from '../sealed/reading.ts';
import { coldBounds } from './bounds.ts';
import { coldFile, isInStore } from './cold-range.ts';
import type { ColdName, ColdRange } from './cold-range.ts';
import { OpenFiles } from './open-files.ts';
import type { ReadableVolume } from './volume.ts';

/** What names a file. */
export type PlacedFile = Pick<ColdRange, 'namespace' | 'bucket' | 'file'>;

export interface Place {
  readonly volume: ReadableVolume;
  /** Whether it stays as it is when the hot tier goes back in time, and so can tell. */
  readonly isApart: boolean;
  /** Whether a file with this name lies here. */
  has(range: Pick<ColdRange, 'file'>): boolean;
  /** Of the file of a range, as the volume wants it and as errors name it. */
  pathOf(range: PlacedFile): string;
  /** What `list` of the volume is given for a namespace; it answers names without their folder. */
  folderOf(namespace: string): string;
  /** The file of a range that lies here. */
  fileOf(name: ColdName): string;
}

export function directoryPlace(directory: string, volume: ReadableVolume): Place {
  return {
    volume,
    isApart: true,
    has: (range) => !isInStore(range),
    pathOf: ({ file }) => path.join(directory, file),
    folderOf: (namespace) => path.join(directory, namespace),
    fileOf: coldFile,
  };
}

export interface OpenPlace {
  readonly place: Place;
  readonly files: OpenFiles;
}

export class OpenPlaces {
  private readonly places: OpenPlace[] = [];

  constructor(place: Place) {
    this.add(place);
  }

  add(place: Place): void {
    this.places.push({ place, files: new OpenFiles(place.volume, coldBounds.openFilesMax) });
  }

  all(): readonly OpenPlace[] {
    return this.places;
  }

  /** @throws TroupeError CONFIG_INVALID when the range lies elsewhere */
  of(range: Pick<ColdRange, 'file'>): OpenPlace {
    const found = this.places.find(({ place }) => place.has(range));
    if (found === undefined) throw elsewhere(range);
    return found;
  }

  pathOf(range: PlacedFile): string {
    return this.of(range).place.pathOf(range);
  }

  /** A handle; costs nothing, and fails when it is read. */
  fileOf(range: PlacedFile): ReadableFile {
    const { place, files } = this.of(range);
    return files.at(place.pathOf(range));
  }
}

function elsewhere({ file }: Pick<ColdRange, 'file'>): TroupeError {
  if (isInStore({ file })) return new TroupeError('CONFIG_INVALID', `${file} is kept in the hot tier's store, and is read through a journal on it`);
  return new TroupeError('CONFIG_INVALID', `${file} lies in the folder of a cold tier, and this node has none`, {
    hint: 'Start it with --cold and the folder that the other nodes have.',
  });
}
