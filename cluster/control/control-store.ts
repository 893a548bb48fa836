/**
 * Where the nodes of a cluster find each other: who beats, who schedules, which node owns which bucket. A port; the adapters are
 * `redis-store.ts` and, for tests and simulation, `memory-store.ts`. Both pass `testing/contract.ts`.
 *
 * **No safety rests on anything here.** Who may append to a bucket is decided by the bucket's epoch in the journal, atomically, and a
 * control plane that is wrong in every point costs time, never a record. This layer is for liveness alone.
 *
 * The contract, in prose. Comments elsewhere cite the numbers.
 *
 * C1  The store knows no time. It keeps counters; each node judges by its own monotonic clock how long a counter has stood still
 *     (liveness.ts). No key expires: the store's clock may jump by an hour.
 * C2  Every call takes effect at once and as a whole, or not at all. All checks come before the first write.
 * C3  A number is minted when an incarnation of a node joins, and is never used again. While a newer incarnation is registered under a
 *     node's id, the older one is answered `replaced` and counts for nothing; its buckets are an unknown number's.
 * C4  There is at most one scheduler a term, and terms grow by one. `campaign` needs the term that was seen. `publish` and `forget` need
 *     the current term and its scheduler: a deposed one changes nothing.
 * C5  `publish` needs the map's version as it stands: what was planned on an older map is refused, not merged. `accept` and `release` change
 *     only buckets for which the map names the node.
 * C6  Terms, versions and numbers only grow, unless the store itself goes back (a restore, a failover that lost its last second). A
 *     node sees that its own counter did not grow with a beat, and asks for everything anew.
 * C7  A rejected call may have taken effect or not; every call may be made again. Each settles within the adapter's time limit.
 */

import { TroupeError } from '../../runtime/codec/errors.ts';
import type { Assignment, BucketMap } from '../bucket-map.ts';

/** Version of everything that is kept in the store. */
export const CONTROL_FORMAT = 1;

/** Bounds of what one cluster keeps in the store and of what one call carries: its loops end. */
export const controlLimits = {
  nodesMax: 1_000,
  pinsMax: 1_024,
  /** Of one `publish`, `accept` or `release`; more are sent as several calls. */
  bucketsPerCallMax: 4_096,
  bucketBitsMax: 16,
  infoBytesMax: 4_096,
} as const;

export interface ClusterConfig {
  /** Drawn at random by whoever asks; the first one's is kept. */
  readonly id: string;
  readonly bucketBits: number;
}

export interface ClusterRecord extends ClusterConfig {
  readonly format: number;
}

/** What a node tells the others. Bytes of its JSON are bounded by `infoBytesMax`. */
export interface NodeInfo {
  /** "host:port" by what listens there, for example `transport`, `gateway`, `admin`. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Of Troupe. */
  readonly version: string;
  /** It is about to stop and gives its buckets away. */
  readonly draining: boolean;
  /** Its share of buckets relative to other nodes'; 0 for a node that cannot take any. */
  readonly weight: number;
  /** For operators: share of its time that it is busy, 0 to 1. */
  readonly load: number;
}

/** A node as it stands in the store. */
export interface NodeRecord {
  readonly id: string;
  readonly number: number;
  /** Random, drawn when its process starts. */
  readonly incarnation: string;
  readonly counter: number;
  readonly info: NodeInfo;
  /** An operator wants it emptied. */
  readonly drainWanted: boolean;
}

/** One incarnation of a node that has joined. */
export interface NodeRef {
  readonly id: string;
  readonly number: number;
}

/** Who schedules. `node` is NO_NODE when there is none. */
export interface Lead {
  readonly term: number;
  readonly node: number;
}

export interface Beat {
  readonly id: string;
  readonly incarnation: string;
  /** As minted; NO_NODE in the first beat, which joins. */
  readonly number: number;
  readonly info: NodeInfo;
  /** Version of the map the node has; 0 for none. */
  readonly knownMapVersion: number;
}

export interface ClusterView {
  readonly kind: 'ok';
  /** This node's number and counter, after this beat. */
  readonly number: number;
  readonly counter: number;
  readonly lead: Lead;
  readonly mapVersion: number;
  /** Null when the version is the known one. */
  readonly map: BucketMap | null;
  /** All that are registered, this one among them, by ascending number. */
  readonly nodes: readonly NodeRecord[];
  /** Where operators want buckets: bucket -> node number. */
  readonly pins: ReadonlyMap<number, number>;
}

/**
 * - `replaced`: a newer incarnation runs under this id; this one must stop.
 * - `full`: there are `nodesMax` nodes.
 */
export type BeatAnswer = ClusterView | { readonly kind: 'replaced' | 'full' };

export type CampaignAnswer = Lead & { readonly won: boolean };

/**
 * - `published`: all changes are in the map. None of them otherwise:
 * - `deposed`: the term is over, or another's.
 * - `moved`: the map's version is another.
 */
export type PublishAnswer = { readonly kind: 'published' | 'deposed' | 'moved'; readonly mapVersion: number };

/**
 * - `accepted`: the node is the owner now, under this epoch.
 * - `known`: it was already.
 * - `unnamed`: the map does not name this node; it should close the bucket.
 * - `stale`: a higher epoch was accepted before; it should open the bucket again.
 */
export type AcceptOutcome = 'accepted' | 'known' | 'unnamed' | 'stale';

/**
 * - `vacated`: the node was the owner. Who was to take over is the owner now, if there was one; else nobody is.
 * - `declined`: the node was to take over, and will not.
 * - `unnamed`: the map does not name this node.
 */
export type ReleaseOutcome = 'vacated' | 'declined' | 'unnamed';

export interface Opened {
  readonly index: number;
  /** Of the journal, at least 1. */
  readonly epoch: number;
}

export type OperatorAnswer = 'done' | 'unknownNode' | 'full';

/** `found` comes first; every other call is about the cluster that it answered, and is rejected when the store holds another or none. */
export interface ControlStore {
  /** Makes the cluster's record if there is none, with an empty map of version 1 and term 0. Answers what is there. */
  found(config: ClusterConfig): Promise<ClusterRecord>;

  /** Says that this node lives, and answers what the cluster looks like. Joins when it has no number, or its record is gone. */
  beat(beat: Beat): Promise<BeatAnswer>;

  /** Takes the node out at once; the cluster has no scheduler then if it was this one. Nothing for an incarnation that is not registered. */
  leave(node: NodeRef): Promise<void>;

  /** Becomes scheduler of the next term, if `expectedTerm` is the current one (C4). */
  campaign(node: NodeRef, expectedTerm: number): Promise<CampaignAnswer>;

  /** The scheduler's changes (C4, C5), at most `bucketsPerCallMax`, no bucket twice. */
  publish(lead: Lead, baseVersion: number, changes: readonly Assignment[]): Promise<PublishAnswer>;

  /** The node has opened these buckets, or says again that it has. One outcome each, in order. */
  accept(node: NodeRef, opened: readonly Opened[]): Promise<AcceptOutcome[]>;

  /** The node gives these buckets up, or does not take them over. One outcome each, in order. */
  release(node: NodeRef, indexes: readonly number[]): Promise<ReleaseOutcome[]>;

  /** The scheduler strikes out a node that has been dead for long, and all pins to its number (C4). Answers false when deposed. */
  forget(lead: Lead, node: NodeRef): Promise<boolean>;

  /** An operator's wish: empty the node, or no longer. It ends with this incarnation of the node. */
  drain(id: string, wanted: boolean): Promise<OperatorAnswer>;

  /** An operator's wish: the bucket belongs on this node, until the node is gone or, with null, until further notice. */
  pin(index: number, id: string | null): Promise<OperatorAnswer>;
}

/**
 * Whether this node fits the cluster that is there.
 * @throws TroupeError CONFIG_INVALID when the cluster has another number of buckets, JOURNAL_VERSION when a newer version made it
 */
export function checkFounded(asked: ClusterConfig, found: ClusterRecord): void {
  if (found.format > CONTROL_FORMAT) {
    throw new TroupeError('JOURNAL_VERSION', `the cluster was founded in format ${found.format}; this version knows ${CONTROL_FORMAT}`);
  }
  if (found.bucketBits === asked.bucketBits) return;
  throw new TroupeError('CONFIG_INVALID', `the cluster has ${2 ** found.bucketBits} buckets, not ${2 ** asked.bucketBits}`, {
    hint: 'The number of buckets is fixed when a cluster is founded; start this node with the same, or use another namespace.',
  });
}

/** @throws RangeError for more buckets than a call may carry: callers send several */
export function checkCallSize(count: number): void {
  if (count > controlLimits.bucketsPerCallMax) throw new RangeError(`${count} buckets in one call; at most ${controlLimits.bucketsPerCallMax}`);
}
