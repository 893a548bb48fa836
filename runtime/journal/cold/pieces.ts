/** Work that is long and waits for nothing is done in pieces: the event loop has its turn behind so many bytes or records. */

import { coldBounds } from './bounds.ts';

export class Pieces {
  private bytes = 0;
  private records = 0;

  /** Counts what was done, and says whether it is time for `pause`. */
  isOver(bytes: number, records = 1): boolean {
    this.bytes += bytes;
    this.records += records;
    return this.records >= coldBounds.pieceRecords || this.bytes >= coldBounds.pieceBytes;
  }

  async pause(): Promise<void> {
    this.bytes = this.records = 0;
    await new Promise(setImmediate);
  }
}
