/**
 * The journal as a whole, as the store holds it in one hash: `bits` of the number of buckets, `layout`, `id` that was drawn when it was
 * founded, `former` ids that were given up by accepted losses, `made` when every bucket has been made.
 *
 * U1  A journal is founded once. A node that knows of one (witness.ts) founds none in an empty store, and takes no other one for its own.
 * U2  It is founded before its buckets are made and `made` comes last: whoever finds it half made goes on. A bucket that is missing later
 *     was lost (L2).
 * U3  What is there is only read: a node starts while the store has no room left.
 */

import { randomBytes } from 'node:crypto';

import { TroupeError } from '../../codec/errors.ts';
import { bucketKeys, GROUPS, journalKey } from './keys.ts';
import type { LuaLibrary } from './library.ts';
import type { StoreLinks } from './links.ts';

export const LAYOUT = 1;

export interface FoundJournal {
  readonly id: string;
  readonly bits: number;
  readonly layout: number;
  readonly former: readonly string[];
  readonly isMade: boolean;
}

/** null when the store has no journal of this namespace. @throws StoreError */
export async function findJournal(links: StoreLinks, namespace: string): Promise<FoundJournal | null> {
  const key = journalKey(namespace);
  const answer = (await links.call('bulk', key, 'HMGET', [key, 'id', 'bits', 'layout', 'former', 'made'])) as (Buffer | null)[];
  const [id, bits, layout, former, made] = answer.map((value) => value?.toString() ?? null);
  if (bits === null) return null;
  return { id: id ?? '', bits: Number(bits), layout: Number(layout), former: (former ?? '').split(' '), isMade: made !== null };
}

export function newJournalId(): string {
  return randomBytes(8).toString('hex');
}

export interface FoundingParts {
  readonly links: StoreLinks;
  readonly library: LuaLibrary;
  readonly namespace: string;
  readonly bits: number;
  /** The id of the journal that this node knows, null when it knows none. */
  readonly knownId: string | null;
}

/**
 * Finds the journal, or founds it (U1). Its id.
 * @throws TroupeError ROLLED_BACK, CONFIG_INVALID, JOURNAL_VERSION; StoreError
 */
export async function foundJournal(parts: FoundingParts): Promise<string> {
  const { links, namespace, bits, knownId } = parts;
  let found = await findJournal(links, namespace);
  if (knownId !== null) mustBeKnown(found, knownId, namespace);
  if (found === null || found.id === '') {
    const key = journalKey(namespace);
    // Two nodes may do this at once: the first one to come has said it.
    await Promise.all([['bits', String(bits)], ['layout', String(LAYOUT)], ['id', newJournalId()]].map((field) => links.call('bulk', key, 'HSETNX', [key, ...field])));
    found = (await findJournal(links, namespace))!;
  }
  if (found.layout > LAYOUT) throw new TroupeError('JOURNAL_VERSION', `the store's journal has layout ${found.layout}`);
  if (found.bits !== bits) throw new TroupeError('CONFIG_INVALID', `the store has ${2 ** found.bits} buckets, the settings say ${2 ** bits}`);
  if (!found.isMade) await makeBuckets(parts);
  return found.id;
}

/** U1 */
function mustBeKnown(found: FoundJournal | null, knownId: string, namespace: string): void {
  if (found?.id === knownId || found?.former.includes(knownId)) return;
  const what = found === null ? 'is empty' : `holds another one (${found.id})`;
  throw new TroupeError('ROLLED_BACK', `this node has written to journal ${knownId} of namespace ${namespace}; the store ${what}`, {
    hint: 'Is it the right store? If so, restore it from its newest copy, or accept the loss with `troupe journal accept-loss` on this node.',
  });
}

/** U2 */
async function makeBuckets({ links, library, namespace, bits }: FoundingParts): Promise<void> {
  const groups = Array.from({ length: GROUPS }, async (_, group) => {
    const keys: string[] = [];
    for (let index = group; index < 2 ** bits; index += GROUPS) keys.push(bucketKeys(namespace, { bits, index }).meta);
    if (keys.length > 0) await links.callFunction('bulk', library, 'create', keys, keys.map(() => randomBytes(8)));
  });
  await Promise.all(groups);
  const key = journalKey(namespace);
  await links.call('bulk', key, 'HSET', [key, 'made', '1']);
}
