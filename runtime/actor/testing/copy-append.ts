/** An append with buffers of its own: for journals that pass it on later than the engine may use its buffers again (J10). */

import type { Append } from '../../journal/journal.ts';

export function copyAppend(append: Append): Append {
  const { bucket, epoch, position, count, headBefore, headAfter, bytes, from, to, actorHashes, hashesFrom } = append;
  const hashes = Array.from({ length: 2 * count }, (_, i) => actorHashes[hashesFrom + i]!);
  return {
    bucket, epoch, position, count,
    headBefore: { ...headBefore },
    headAfter: { ...headAfter },
    bytes: Buffer.from(bytes.subarray(from, to)),
    from: 0,
    to: to - from,
    actorHashes: hashes,
    hashesFrom: 0,
  };
}
