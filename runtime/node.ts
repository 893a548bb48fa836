/**
 * The composition root: puts a node together from its settings. The only file of the runtime that knows which adapter stands
 * behind which port.
 */

import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

import type { Logger } from 'pino';

import { NodeEngine } from './actor/node-engine.ts';
import { everySecond, systemClock, systemEntropy, systemScheduler } from './actor/seams-node.ts';
import { Monitor } from './admin/monitor.ts';
import { bundleHash } from './bundle/bundle.ts';
import { checkStateCompatible } from './bundle/compatibility.ts';
import { MemoryBundleStore } from './bundle/memory-store.ts';
import { BundleStore } from './bundle/store.ts';
import { TroupeError } from './codec/errors.ts';
import { makeDataFolder } from './config/data-folder.ts';
import { defaults } from './config/defaults.ts';
import type { Settings } from './config/defaults.ts';
import { createAuthenticator } from './gateway/auth.ts';
import { authSettings, engineLimitsOf, openFront } from './front.ts';
import type { ListenAddress } from './front.ts';
import type { Journal } from './journal/journal.ts';
import { keepPlaces } from './kept-places.ts';
import { createMemoryJournal } from './journal/memory/memory-journal.ts';
import { createSegmentJournal } from './journal/segment/segment-journal.ts';
import { createSandboxPool } from './sandbox/pool.ts';

export interface RunningNode {
  readonly addresses: { readonly gateway: ListenAddress; readonly admin: ListenAddress };
  readonly durability: string;
  /** Resolves with the cause when the node cannot go on by itself. */
  readonly failed: Promise<Error>;
  close(): Promise<void>;
}

/** @throws TroupeError CONFIG_INVALID, ADDRESS_IN_USE, JOURNAL_LOCKED, JOURNAL_DAMAGED and others, with nothing left behind */
export async function startNode(settings: Settings, log: Logger): Promise<RunningNode> {
  const closing: (() => Promise<void>)[] = [];
  try {
    return await assemble(settings, log, closing);
  } catch (error) {
    await closeAll(closing);
    throw error;
  }
}

async function assemble(settings: Settings, log: Logger, closing: (() => Promise<void>)[]): Promise<RunningNode> {
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  if (settings.journal !== 'memory') {
    for (const part of ['', 'journal', 'bundles']) makeDataFolder(join(settings.data, part));
  }
  const auth = await createAuthenticator(authSettings(settings));
  const journal = createJournal(settings, log);
  journal.onFatal = fail;
  const opening = performance.now();
  // The sandbox processes start while the journal recovers.
  const pool = createSandboxPool({
    rssMaxBytes: settings.sandboxRssMaxMib * 1024 * 1024,
    decideTimeMaxMs: settings.decideTimeMaxMs,
    isolateMemoryMaxMib: settings.isolateMemoryMaxMib,
  });
  const started = pool.start();
  started.catch(() => {});
  closing.push(() => pool.close());
  await journal.open();
  closing.push(() => journal.close());
  const bucketBits = await settleBuckets(settings);
  const store = settings.journal === 'memory' ? new MemoryBundleStore() : await BundleStore.open(join(settings.data, 'bundles'));
  await started;
  const engine = new NodeEngine({
    journal, pool, store, log, bucketBits,
    node: settings.node,
    checks: { hash: bundleHash, compatible: checkStateCompatible },
    clock: systemClock,
    entropy: systemEntropy(),
    scheduler: systemScheduler,
    limits: engineLimitsOf(settings),
  });
  await engine.start();
  if (settings.journal !== 'memory') {
    const stopKeeping = keepPlaces(engine.places, join(settings.data, 'places'), log);
    closing.push(async () => stopKeeping());
  }
  const stopNoting = everySecond(() => void engine.notePlaces());
  closing.push(async () => stopNoting());
  log.info({ ms: Math.round(performance.now() - opening), records: journal.stat().records }, 'recovered');

  const front = await openFront({
    settings, log, auth, engine, journal, pool,
    deadLetters: engine.messages.desk,
    timers: engine.messages.pending,
    causes: engine.history,
    stat: () => engine.stat(),
    monitor: new Monitor(engine, systemClock),
  });
  closing.push(async () => {
    await front.closeGateway(() => engine.close());
  });
  closing.push(() => front.closeAdmin());
  return {
    addresses: front.addresses,
    durability: journal.durability,
    failed,
    close: () => closeAll(closing),
  };
}

async function closeAll(closing: (() => Promise<void>)[]): Promise<void> {
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) await close();
}

function createJournal(settings: Settings, log: Logger): Journal {
  if (settings.journal === 'memory') return createMemoryJournal();
  return createSegmentJournal({
    directory: join(settings.data, 'journal'),
    segmentFileBytes: settings.segmentFileBytes,
    sync: settings.sync,
    onWarning: (message: string) => log.warn({}, message),
  });
}

/** The number of buckets is fixed when the data folder is made; it is kept beside the journal. */
async function settleBuckets(settings: Settings): Promise<number> {
  const wanted = Math.log2(settings.buckets);
  if (settings.journal === 'memory') return wanted;
  const file = join(settings.data, 'node.json');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) {
    await writeDurably(settings.data, file, `${JSON.stringify({ format: 1, buckets: settings.buckets })}\n`);
    return wanted;
  }
  const kept = JSON.parse(text) as { format: number; buckets: number };
  if (kept.format !== 1) throw new TroupeError('JOURNAL_VERSION', `${file} has format ${kept.format}`);
  if (kept.buckets !== settings.buckets && settings.buckets !== defaults.buckets) {
    throw new TroupeError('CONFIG_INVALID', `the data folder has ${kept.buckets} buckets, the settings say ${settings.buckets}`, {
      hint: 'The number is fixed when the folder is made: leave --buckets out, or use another --data.',
    });
  }
  return Math.log2(kept.buckets);
}

async function writeDurably(folder: string, file: string, text: string): Promise<void> {
  const fresh = `${file}.new`;
  const handle = await open(fresh, 'w');
  await handle.writeFile(text);
  await handle.sync();
  await handle.close();
  await rename(fresh, file);
  const directory = await open(folder, 'r');
  await directory.sync();
  await directory.close();
}
