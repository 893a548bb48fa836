/**
 * What an operator can see and do: the nodes, the buckets, and where the latter go. A port beside its consumer, the admin port.
 * `single-node.ts` answers for a node by itself, cluster/operations.ts for a cluster; every node answers for all of them.
 *
 * Everything here is a view: it is put together from what several nodes said at slightly different moments.
 */

/** What a node measures of itself. What is not known is null, never 0. */
export interface NodeLoad {
  /** Actors in memory. */
  readonly actors: number;
  /** Durable records of its buckets, since their logs were made. */
  readonly records: number;
  /** Bytes of its buckets in the hot tier; null where the journal does not tell. */
  readonly hotBytes: number | null;
  /** Bytes of its buckets in the cold tier; null where the journal does not tell. */
  readonly coldBytes: number | null;
  /** Snapshots stored of actors of its buckets; null where the journal does not tell. */
  readonly snapshots: number | null;
  /** Messages that actors of its buckets have sent and that are not known to be taken in. */
  readonly backlog: number;
  /** Messages to actors of its buckets that are parked, and that have failed. */
  readonly parked: number;
  readonly failed: number;
  /** Its buckets that nothing is taken for, because they cannot be opened for long. */
  readonly refused: number;
  /** Commands and reads that the engine answered, over the last seconds; null just after the start. */
  readonly requestsPerSecond: number | null;
  /** Records appended, over the last seconds: one for every command that was decided, rejected or failed. */
  readonly recordsPerSecond: number | null;
}

/** What a bucket's owner measures of it. */
export interface BucketLoad extends Omit<NodeLoad, 'requestsPerSecond' | 'refused'> {
  readonly index: number;
  readonly epoch: number;
  /** The code with which everything for the bucket is refused; null while it is not. Nodes of an older version leave it out. */
  readonly refused: string | null;
}

/**
 * - `live`: it serves.
 * - `draining`: it serves, and its buckets go elsewhere.
 * - `dead`: it has not been heard of for `--lease-ttl-ms`.
 */
export type NodeState = 'live' | 'draining' | 'dead';

export interface NodeView {
  readonly id: string;
  /** Another one whenever the node's process starts anew; 0 for a node by itself. */
  readonly number: number;
  readonly state: NodeState;
  /** It decides which node owns what. */
  readonly isScheduler: boolean;
  readonly version: string;
  /** "host:port" by what listens there: `gateway`, `admin`, `transport`. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Buckets that the bucket map gives it. */
  readonly buckets: number;
  /** Null when the node did not answer in time. */
  readonly load: NodeLoad | null;
}

/**
 * - `vacant`: nobody owns it.
 * - `given`: an owner is named, and opens it.
 * - `held`: its owner serves it.
 * - `moving`: its owner serves it, and hands it over to `next`.
 * - `refused`: it has an owner, who cannot open it and refuses what comes; `load.refused` says with which code. ROLLED_BACK waits for an operator.
 */
export type BucketState = 'vacant' | 'given' | 'held' | 'moving' | 'refused';

export interface BucketView {
  readonly index: number;
  readonly state: BucketState;
  /** The owner's id; null while nobody is. */
  readonly node: string | null;
  /** Who takes it over; null when it does not move. */
  readonly next: string | null;
  /** Under which its owner opened it; 0 when it has not yet. */
  readonly epoch: number;
  /** Where an operator wants it; null for anywhere. */
  readonly pinned: string | null;
  /** Null when its owner did not answer in time, or does not serve it. */
  readonly load: BucketLoad | null;
}

/** One move of a plan. */
export interface PlannedMove {
  /** From 1; moves of a round go at the same time. */
  readonly round: number;
  readonly bucket: number;
  /** Null for a bucket that nobody owns. */
  readonly from: string | null;
  readonly to: string;
}

export interface Operations {
  /** How long ago the control plane said last who is there and who owns what; grows while the store does not answer. */
  ageMs(): number;

  nodes(): Promise<NodeView[]>;

  /** By ascending index. */
  buckets(): Promise<BucketView[]>;

  /** What the scheduler is about to do, if nothing else happens; empty at rest. @throws TroupeError NOT_READY before the node has joined */
  plan(): PlannedMove[];

  /**
   * An operator wants a node emptied, or no longer. It empties in the background; `nodes` shows how far it is. The wish ends with the node's
   * process.
   * @throws TroupeError BAD_REQUEST for a node that is not there, NOT_READY while no other node can take buckets, STORE_UNAVAILABLE
   */
  drain(node: string, isWanted: boolean): Promise<void>;

  /**
   * An operator wants a bucket on this node, until the node's process ends; with null, wherever the scheduler puts it.
   * @throws TroupeError BAD_REQUEST for a bucket or a node that is not there, NOT_READY for a node that takes no buckets, STORE_UNAVAILABLE
   */
  move(bucket: number, node: string | null): Promise<void>;
}
