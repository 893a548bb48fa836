/** How an engine is doing, in numbers. */

import type { ErrorCode } from '../codec/errors.ts';
import type { BucketSizes } from '../journal/journal.ts';
import type { MessageCounts } from './bucket.ts';
import type { LogPlace } from './engine.ts';
import type { MessagesStat } from './messages/messages.ts';

export interface EngineStat {
  readonly activations: number;
  readonly stateBytes: number;
  readonly commandsWaiting: number;
  readonly commandBytesWaiting: number;
  readonly commandsAnswered: number;
  readonly duplicatesAnswered: number;
  /** Commands sent again by another node, of which an earlier try was looked for in the log. */
  readonly triesSearched: number;
  readonly activationsLoaded: number;
  readonly passivations: number;
  readonly snapshots: number;
  readonly rebuilds: number;
  readonly batches: number;
  readonly items: number;
  readonly groupsInFlight: number;
  /** How often a bucket had to be opened again or was given up, because an append or an ownership check failed. */
  readonly bucketStops: number;
  readonly messages: MessagesStat;
}

/** A bucket that this node owns, and the place behind what is durable of its log. */
export interface OwnedLog {
  readonly index: number;
  readonly place: LogPlace;
}

/** A bucket that this node owns, as it stands. */
export interface BucketStat extends BucketSizes, MessageCounts {
  readonly index: number;
  readonly epoch: number;
  /** Durable records in its log. */
  readonly position: number;
  /** The code with which everything for it is refused, because it cannot be opened for long; null while it is not. */
  readonly refused: ErrorCode | null;
}
