/**
 * The proof: what the clients were answered, held against what is in Redis and against what the nodes say now. Valid when no command
 * is open.
 *
 *  B1–B4  the answers among themselves (runtime/faults/book.ts)
 *  L1–L7  the log against itself and against the answers (runtime/faults/log-check.ts)
 *  W1–W2  the log against the epochs that were seen in force (epoch-witness.ts)
 *  V1–V2  what watches gave (watchers.ts)
 *  and    the state of every actor, read through a node, is the fold of its acknowledged commands
 */

import type { BucketId } from '../../runtime/codec/address.ts';
import type { Book } from '../../runtime/faults/book.ts';
import type { Link } from '../../runtime/faults/link.ts';
import { LogCheck } from '../../runtime/faults/log-check.ts';
import { checkStates } from '../../runtime/faults/states.ts';
import type { StoredRecord } from '../../runtime/journal/journal.ts';
import { RespClient } from '../../runtime/testing/resp.ts';
import type { EpochWitness } from './epoch-witness.ts';
import { readStoredLog, standingOf } from './store-log.ts';

/** Answers how many records were read. What is wrong is in the book's findings. */
export async function proveLog(book: Book, redisPort: number, ids: readonly BucketId[], witness: EpochWitness | null, namespace = 'main'): Promise<number> {
  const client = await RespClient.open(redisPort, { bytes: true });
  try {
    await witness?.look();
    const check = new LogCheck(book);
    for (const [i, id] of ids.entries()) {
      const standing = await standingOf(client, id, namespace);
      const log = readStoredLog(client, id, standing, (what) => book.findings.add(what), namespace);
      await check.bucket({ bucket: id, incarnation: standing.origin }, watched(log, (record) => witness?.check(i, record)));
    }
    check.finish();
    return check.records;
  } finally {
    client.close();
  }
}

const ASK_AGAIN_MS = 30_000;

/** B3, B4, and the states. Answers with the codes of the reads that had to be repeated. */
export async function proveAnswers(book: Book, link: Link): Promise<Map<string, number>> {
  book.settle();
  const refused = await checkStates(book, link, ASK_AGAIN_MS);
  link.close();
  return refused;
}

async function* watched(records: AsyncIterable<StoredRecord>, see: (record: StoredRecord) => void): AsyncIterable<StoredRecord> {
  for await (const record of records) {
    see(record);
    yield record;
  }
}
