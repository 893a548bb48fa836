/**
 * What a Redis that came back has lost of what clients were answered, and whether that was found out: every acknowledged command that is not in the
 * log has to be one of a bucket that nobody serves. Whether the store may lose at all, its class says (docs/OPERATING.md).
 */

import type { BucketId } from '../../runtime/codec/address.ts';
import type { Book, Findings } from '../../runtime/faults/book.ts';
import { LogCheck } from '../../runtime/faults/log-check.ts';
import { RespClient } from '../../runtime/testing/resp.ts';
import { bucketOf } from './cluster-actors.ts';
import { isRefused, readStoredLog, standingOf } from './store-log.ts';

export interface StoreLoss {
  /** Acknowledged commands that are not in the log. */
  readonly lost: number;
  /** Of them, those in buckets that are served. */
  readonly unnoticed: number;
  /** Indices of the buckets that are refused (ROLLED_BACK). */
  readonly refused: readonly number[];
}

/** Valid when no command is on its way. What is left in the log has to be in order all the same; what is not goes to `findings`. */
export async function findStoreLoss(book: Book, redisPort: number, ids: readonly BucketId[], findings: Findings, namespace = 'main'): Promise<StoreLoss> {
  const client = await RespClient.open(redisPort, { bytes: true });
  try {
    const check = new LogCheck(book, findings);
    const refused = new Set<number>();
    for (const id of ids) {
      const standing = await standingOf(client, id, namespace);
      await check.bucket({ bucket: id, incarnation: standing.origin }, readStoredLog(client, id, standing, (what) => findings.add(what), namespace));
      if (await isRefused(client, id, namespace)) refused.add(id.index);
    }
    const missing = check.missing().map((n) => bucketOf(book.actor(n).address, ids[0]!.bits));
    return { lost: missing.length, unnoticed: missing.filter((index) => !refused.has(index)).length, refused: [...refused] };
  } finally {
    client.close();
  }
}

/** For people. `mayLose`: by its class the store may lose what it acknowledged. */
export function verdictOn({ lost, unnoticed, refused }: StoreLoss, mayLose: boolean): string {
  const what = `${lost} acknowledged commands are lost, and ${refused.length} buckets are refused as ROLLED_BACK`;
  const where = unnoticed === 0 ? 'every lost one is in a bucket that is refused' : `${unnoticed} OF THEM IN BUCKETS THAT ARE SERVED, which no class allows`;
  const why = mayLose
    ? 'Redis was killed with appendfsync everysec, which may lose what it answered while a synchronisation was under way; only always promises that nothing is lost'
    : 'this store may not lose anything';
  return `${what}; ${where}. ${why}`;
}
