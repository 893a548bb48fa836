/** A node by itself, as operators see it: every bucket is its own, and nothing can go anywhere. */

import { TroupeError } from '../codec/errors.ts';
import type { Monitor } from './monitor.ts';
import type { BucketView, NodeView, Operations, PlannedMove } from './operations.ts';

export interface SingleNodeSettings {
  readonly id: string;
  readonly version: string;
  readonly monitor: Monitor;
  readonly addresses: () => Readonly<Record<string, string>>;
  /** Of the whole journal: on disk, buckets share their files. */
  readonly sizes: () => { readonly hotBytes: number; readonly coldBytes: number };
}

export class SingleNode implements Operations {
  private readonly settings: SingleNodeSettings;

  constructor(settings: SingleNodeSettings) {
    this.settings = settings;
  }

  ageMs(): number {
    return 0;
  }

  async nodes(): Promise<NodeView[]> {
    const { id, version, monitor, addresses, sizes } = this.settings;
    const { hotBytes, coldBytes } = sizes();
    const load = { ...monitor.node(), hotBytes, coldBytes };
    return [{ id, number: 0, state: 'live', isScheduler: false, version, addresses: addresses(), buckets: monitor.buckets().length, load }];
  }

  async buckets(): Promise<BucketView[]> {
    const { id, monitor } = this.settings;
    return monitor.buckets().map((load) => ({ index: load.index, state: load.refused === null ? 'held' : 'refused', node: id, next: null, epoch: load.epoch, pinned: null, load }));
  }

  plan(): PlannedMove[] {
    return [];
  }

  drain(): Promise<never> {
    return Promise.reject(notInCluster('there is nowhere to drain it to'));
  }

  move(): Promise<never> {
    return Promise.reject(notInCluster('there is nowhere to move a bucket to'));
  }
}

function notInCluster(what: string): TroupeError {
  return new TroupeError('BAD_REQUEST', `this node runs by itself: ${what}`, {
    hint: 'Nodes started with the same --redis form a cluster; docs/OPERATING.md has a section on it.',
  });
}
