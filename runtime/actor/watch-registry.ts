/** Who watches whom, by address; kept apart from activations because a watch outlives them. */

import type { BucketId } from '../codec/address.ts';
import type { CommitGroup } from './output-gate.ts';
import type { FreshRecord, WatchPump } from './watches.ts';

export class WatchRegistry {
  private readonly byAddress = new Map<string, Set<WatchPump>>();

  /** The set of an address's watches, or null when nobody watches. */
  of(address: string): Set<WatchPump> | null {
    return this.byAddress.get(address) ?? null;
  }

  add(address: string, pump: WatchPump): Set<WatchPump> {
    let pumps = this.byAddress.get(address);
    if (pumps === undefined) {
      pumps = new Set();
      this.byAddress.set(address, pumps);
    }
    pumps.add(pump);
    return pumps;
  }

  /** A record of a released group. What cannot be told to be durable is looked for in the log. */
  offer(record: FreshRecord, group: CommitGroup): void {
    const { watchers, bucket } = record.activation;
    for (const pump of watchers ?? []) {
      if (group.failed || bucket.stopped) pump.wake();
      else pump.offer(record);
    }
  }

  /** New records may be durable of which no answer told. */
  wakeAll(): void {
    for (const pumps of this.byAddress.values()) for (const pump of pumps) pump.wake();
  }

  /** Ends the watches of a bucket that is not this node's any more. */
  leave(bucket: BucketId): void {
    for (const pumps of [...this.byAddress.values()]) {
      for (const pump of [...pumps]) if (pump.bucketId.index === bucket.index) pump.fail({ code: 'NOT_OWNER', message: 'the actor moved to another node' });
    }
  }

  remove(address: string, pump: WatchPump): void {
    const pumps = this.byAddress.get(address);
    if (pumps === undefined) return;
    pumps.delete(pump);
    if (pumps.size === 0) this.byAddress.delete(address);
  }
}
