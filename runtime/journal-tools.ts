/** The composition root of `troupe journal`: picks the adapters for what an operator looks at from outside of a node. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { TroupeError } from './codec/errors.ts';
import type { Settings } from './config/defaults.ts';
import { checkColdFolder } from './journal/cold/cold-folder.ts';
import { createColdTier } from './journal/cold/cold-tier.ts';
import type { ColdTier } from './journal/cold/cold-tier.ts';
import type { JournalInspection } from './journal/inspection.ts';
import { inspectStore } from './journal/redis/inspection.ts';
import { parseStoreUrl } from './journal/redis/links.ts';
import { JournalOperations } from './journal/redis/operations.ts';
import { Witness } from './journal/redis/witness.ts';
import type { Witnessed } from './journal/redis/witness.ts';
import { inspectFolder } from './journal/segment/inspection.ts';

export type { BucketReport, CompactReport, InspectionFinding, JournalInspection, StatReport, VerifyReport } from './journal/inspection.ts';
export { describeLoss } from './journal/redis/operations.ts';
export type { JournalOperations, Loss, Losses } from './journal/redis/operations.ts';

/** The store's journal with --redis, else that of the data folder. @throws TroupeError as `inspectStore`, `inspectFolder` */
export async function inspectJournal(settings: Settings, onWarning: (message: string) => void): Promise<JournalInspection> {
  if (settings.redis !== '') return inspectStore({ store: parseStoreUrl(settings.redis), namespace: settings.namespace, tier: tierOf(settings, onWarning), onWarning });
  const bits = Math.log2(await bucketsOf(settings));
  return inspectFolder(join(settings.data, 'journal'), Array.from({ length: 2 ** bits }, (_, index) => ({ bits, index })));
}

/** What is lost, by all that the store, the cold tier and the nodes of this data folder know. @throws TroupeError CONFIG_INVALID, STORE_UNAVAILABLE, JOURNAL_DAMAGED */
export async function openLosses(settings: Settings, onWarning: (message: string) => void): Promise<JournalOperations> {
  if (settings.redis === '') throw new TroupeError('CONFIG_INVALID', 'accepting a loss is for a store; give it with --redis');
  const { namespace } = settings;
  const store = parseStoreUrl(settings.redis);
  const options = { store, namespace, bucketBits: Math.log2(settings.buckets), node: 'operator', tier: tierOf(settings, onWarning) };
  const operations = new JournalOperations(options, merged(await witnessesIn(join(settings.data, 'cluster', namespace), namespace)));
  await operations.connect();
  return operations;
}

/** @throws TroupeError CONFIG_INVALID */
function tierOf({ cold }: Settings, onWarning: (message: string) => void): ColdTier | null {
  checkColdFolder(cold);
  return cold === '' ? null : createColdTier({ directory: cold, onWarning });
}

/** Fixed when the folder was made. */
async function bucketsOf({ data, buckets }: Settings): Promise<number> {
  const text = await readFile(join(data, 'node.json'), 'utf8').catch(() => null);
  return text === null ? buckets : (JSON.parse(text) as { buckets: number }).buckets;
}

async function witnessesIn(folder: string, namespace: string): Promise<Witnessed[]> {
  const nodes = await readdir(folder).catch((): string[] => []);
  const found = await Promise.all(nodes.map((node) => new Witness(join(folder, node), namespace, () => undefined).read()));
  return found.filter((witnessed) => witnessed !== null);
}

/** Of several nodes of one journal, for each bucket the one that knows most: a later owner took a higher epoch. null when there are none. */
function merged(witnesses: readonly Witnessed[]): Witnessed | null {
  const [first] = witnesses;
  if (first === undefined) return null;
  if (witnesses.some(({ id }) => id !== first.id)) {
    throw new TroupeError('CONFIG_INVALID', `the nodes of this data folder have written to different journals: ${[...new Set(witnesses.map(({ id }) => id))].join(', ')}`, {
      hint: 'Give the data folder of one of them with --data, or one without any.',
    });
  }
  const standings = new Map<number, Witnessed['standings'][number]>();
  for (const standing of witnesses.flatMap((witnessed) => witnessed.standings)) {
    const known = standings.get(standing.bucket.index)?.known;
    if (known === undefined || known.epoch < standing.known.epoch) standings.set(standing.bucket.index, standing);
  }
  return { ...first, standings: [...standings.values()] };
}
