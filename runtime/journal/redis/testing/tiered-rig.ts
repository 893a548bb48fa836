/** A server, a folder for the cold tier, and journals over both, each behind a proxy of its own, so that one of them can lose the store alone. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Test } from 'tap';

import type { BucketId } from '../../../codec/address.ts';
import { startRedis } from '../../../testing/redis-server.ts';
import type { RedisServer } from '../../../testing/redis-server.ts';
import { startProxy } from '../../../testing/tcp-proxy.ts';
import type { TcpProxy } from '../../../testing/tcp-proxy.ts';
import { createColdTier } from '../../cold/cold-tier.ts';
import type { ColdTier } from '../../cold/cold-tier.ts';
import type { Journal } from '../../journal.ts';
import type { Demotion, DemotionStep } from '../demotion.ts';
import type { StoreLinks } from '../links.ts';
import { createRedisJournal } from '../redis-journal.ts';
import type { JournalSeams, RedisJournalOptions } from '../redis-journal.ts';

export const BITS = 4;
export const bucket: BucketId = { bits: BITS, index: 3 };
/** So short that a few appends are demoted. */
export const HOT_BYTES = 1_500;

export interface TieredJournal {
  readonly journal: Journal;
  readonly demotion: Demotion;
  readonly proxy: TcpProxy;
  readonly warnings: string[];
  /** Resolves when the next demotion has come to this step, and stays there until `resume` is called. */
  pauseAt(step: DemotionStep): Promise<void>;
  resume(): void;
  /** As if the process had ended here: nothing more is sent, and what is under way never goes on. */
  abandon(): void;
}

export interface TieredRig {
  readonly redis: RedisServer;
  readonly directory: string;
  /** Open; closed when the test ends. */
  journal(name: string, options?: Partial<RedisJournalOptions>, seams?: JournalSeams): Promise<TieredJournal>;
  tier(): ColdTier;
}

/** The insides that a test may reach for. */
interface Insides {
  readonly demotion: Demotion;
  readonly links: StoreLinks;
  readonly tier: ColdTier;
}

export async function tieredRigFor(t: Test): Promise<TieredRig> {
  const redis = await startRedis({ appendfsync: 'no' });
  const directory = mkdtempSync(join(tmpdir(), 'troupe-cold-'));
  const ends: (() => Promise<unknown>)[] = [];
  t.teardown(async () => {
    for (const end of ends) await end();
    await redis.remove();
    rmSync(directory, { recursive: true, force: true });
  });
  const tier = (): ColdTier => createColdTier({ directory });
  return {
    redis,
    directory,
    tier,
    async journal(name, options = {}, seams = {}) {
      const proxy = await startProxy(redis.port);
      const warnings: string[] = [];
      const store = { addresses: [{ host: '127.0.0.1', port: proxy.port }], answerTimeMaxMs: 15_000 };
      const given: RedisJournalOptions = { store, bucketBits: BITS, node: name, tier: tier(), hotBytesPerBucketMax: HOT_BYTES, onWarning: (text) => warnings.push(text), ...options };
      const journal = createRedisJournal(given, seams);
      const { demotion, links, tier: own } = journal as unknown as Insides;
      ends.push(() => proxy.close());
      await journal.open();
      let isAbandoned = false;
      let resume: () => void = () => {};
      ends.unshift(async () => {
        proxy.heal();
        await proxy.accept();
        resume();
        if (!isAbandoned) await journal.close();
      });
      return {
        journal, demotion, proxy, warnings,
        pauseAt(wanted) {
          return new Promise((reached) => {
            demotion.onStep = (step) => {
              if (step !== wanted) return Promise.resolve();
              demotion.onStep = null;
              reached();
              return new Promise((resolve) => {
                resume = resolve;
              });
            };
          });
        },
        resume: () => resume(),
        abandon() {
          isAbandoned = true;
          resume = () => {};
          links.close();
          void own.close();
        },
      };
    },
  };
}
