/** What opens a bucket that should stay where it is, or leaves one that nobody serves? A keeper with an engine of sets, and a store that is asked. */

import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { BucketKeeper } from './bucket-keeper.ts';
import { BucketMap, NO_NODE } from './bucket-map.ts';
import type { BucketEntry } from './bucket-map.ts';
import { BucketOwners } from './bucket-owners.ts';
import type { AcceptOutcome, Opened } from './control/control-store.ts';

const SELF = 1;
const OTHER = 2;
const clock = { monotonic: () => performance.now() };

class Rig {
  readonly owners = new BucketOwners(2, clock);
  readonly keeper: BucketKeeper;
  /** What the engine serves: bucket -> epoch. */
  readonly served = new Map<number, number>();
  readonly calls: string[] = [];
  /** What the store answers to `accept`. */
  outcome: AcceptOutcome = 'accepted';
  storeTakesMs = 0;
  isStoreAway = false;
  failures = 0;
  /** Handing over would take longer than the budget. */
  isSlow = false;
  refreshed: Promise<void> = Promise.resolve();
  private version = 1;
  private epochs = 0;

  constructor() {
    this.keeper = new BucketKeeper({
      owners: this.owners,
      pauseMaxMs: 1_000,
      clock,
      scheduler: { later: (delayMs, task) => void setTimeout(task, delayMs).unref() },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      engine: {
        owns: (index) => this.served.has(index),
        epochOf: (index) => this.served.get(index) ?? 0,
        acquire: async (indexes) => {
          this.calls.push(`open ${indexes.join()}`);
          await sleep(1);
          if (this.failures-- > 0) throw new Error('the store does not answer');
          return indexes.map((index) => {
            this.served.set(index, ++this.epochs);
            return { index, epoch: this.epochs };
          });
        },
        release: async (indexes, _pauseMaxMs, onLogIndex) => {
          this.calls.push(`release ${indexes.join()}`);
          if (this.isSlow) return false;
          for (const index of indexes) {
            this.served.delete(index);
            onLogIndex?.(index, Buffer.from(`log ${index}`));
          }
          return true;
        },
      },
      accept: async (opened: readonly Opened[]) => {
        this.calls.push(`accept ${opened.map(({ index }) => index).join()}`);
        if (this.storeTakesMs > 0) await sleep(this.storeTakesMs);
        if (this.isStoreAway) throw new Error('the store does not answer');
        return opened.map(() => this.outcome);
      },
      handOver: async (node, indexes, logIndexes) => void this.calls.push(`tell ${node} ${indexes.map((index) => logIndexes.get(index)).join()}`),
      refreshed: () => this.refreshed,
      vacate: async (indexes) => void this.calls.push(`vacate ${indexes.join()}`),
    });
  }

  /** The map says this of bucket 0, and of the others that they are the other node's. */
  async map(entry: BucketEntry): Promise<void> {
    const others: BucketEntry = { owner: OTHER, next: NO_NODE, epoch: 1 };
    const entries = new Map([0, 1, 2, 3].map((index) => [index, index === 0 ? entry : others]));
    this.owners.update(BucketMap.empty(2).replaced(++this.version, entries), SELF);
    this.keeper.sync();
    await this.keeper.idle();
  }

  /** What was called since the last time. */
  take(): string[] {
    return this.calls.splice(0);
  }
}

async function owner(t: Test): Promise<Rig> {
  const rig = new Rig();
  await rig.map({ owner: SELF, next: NO_NODE, epoch: 0 });
  t.same(rig.take(), ['open 0', 'accept 0']);
  await rig.map({ owner: SELF, next: NO_NODE, epoch: 1 });
  t.same(rig.take(), []);
  return rig;
}

t.test('a hand-off: released, told, vacated; and not taken back while the map still names this node', async (t) => {
  const rig = await owner(t);
  await rig.map({ owner: SELF, next: OTHER, epoch: 1 });
  t.same(rig.take(), ['release 0', 'tell 2 log 0', 'vacate 0']);
  await rig.map({ owner: SELF, next: OTHER, epoch: 1 });
  t.same(rig.take(), ['vacate 0'], 'said again, not opened');
  await rig.map({ owner: OTHER, next: NO_NODE, epoch: 2 });
  t.same(rig.take(), []);
});

t.test('a hand-off that is put off is tried again, and nobody is told meanwhile', async (t) => {
  const rig = await owner(t);
  rig.isSlow = true;
  await rig.map({ owner: SELF, next: OTHER, epoch: 1 });
  t.same(rig.take(), ['release 0']);
  t.equal(rig.keeper.stat.aborted, 1);
  t.ok(rig.served.has(0));
  rig.isSlow = false;
  await sleep(300);
  await rig.keeper.idle();
  t.same(rig.take(), ['release 0', 'tell 2 log 0', 'vacate 0']);
});

t.test('what was handed over here stays, though the map has not heard of it', async (t) => {
  const rig = new Rig();
  await rig.map({ owner: OTHER, next: NO_NODE, epoch: 7 });
  rig.keeper.take([0]);
  await sleep(5);
  await rig.map({ owner: OTHER, next: NO_NODE, epoch: 7 });
  t.same(new Set(rig.take()), new Set(['open 0', 'accept 0']));
  t.ok(rig.served.has(0));
  rig.outcome = 'unnamed';
  await rig.map({ owner: OTHER, next: NO_NODE, epoch: 9 });
  t.same(rig.take(), ['accept 0', 'release 0'], 'until the store says that it is another node\'s');
});

t.test('what another node has taken is opened again only by a map that was fetched since', async (t) => {
  const rig = await owner(t);
  let fetched: () => void = () => undefined;
  rig.refreshed = new Promise((resolve) => (fetched = resolve));
  rig.served.delete(0);
  rig.keeper.fenced(0);
  await rig.map({ owner: SELF, next: NO_NODE, epoch: 1 });
  t.same(rig.take(), []);
  fetched();
  await sleep(5);
  await rig.keeper.idle();
  t.same(rig.take().slice(0, 1), ['open 0']);
});

t.test('what the store is being told is not told again meanwhile, and what it did not take in is', async (t) => {
  const rig = new Rig();
  rig.storeTakesMs = 20;
  await rig.map({ owner: SELF, next: NO_NODE, epoch: 0 });
  t.same(rig.take(), ['open 0', 'accept 0']);
  rig.isStoreAway = true;
  await rig.map({ owner: SELF, next: NO_NODE, epoch: 0 });
  t.same(rig.take(), ['accept 0']);
  rig.isStoreAway = false;
  await sleep(300);
  await rig.keeper.idle();
  t.same(rig.take(), ['accept 0']);
});

t.test('what could not be opened is tried again, whoever asked for it', async (t) => {
  const rig = new Rig();
  rig.failures = 1;
  await rig.map({ owner: SELF, next: NO_NODE, epoch: 0 });
  t.notOk(rig.served.has(0));
  rig.keeper.take([0]);
  rig.failures = 1;
  await sleep(250);
  await rig.keeper.idle();
  t.ok(rig.served.has(0));
});

t.test('what the store does not take as accepted is asked for again', async (t) => {
  const rig = new Rig();
  rig.outcome = 'stale';
  await rig.map({ owner: SELF, next: NO_NODE, epoch: 5 });
  t.same(rig.take().slice(0, 3), ['open 0', 'accept 0', 'release 0']);
  rig.outcome = 'accepted';
  await sleep(250);
  await rig.keeper.idle();
  t.ok(rig.served.has(0));
});
