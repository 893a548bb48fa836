/** The error of acknowledged bytes that cannot be read any more (J7): it names the file and the offset. */

import { TroupeError } from '../../codec/errors.ts';

export function damaged(file: string, offset: number, why: string): TroupeError {
  return new TroupeError('JOURNAL_DAMAGED', `${file} is damaged at byte ${offset}: ${why}`, { location: `${file}@${offset}` });
}
