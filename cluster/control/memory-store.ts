/**
 * The control plane's store in memory, for tests and simulations of many nodes in one process: the model of the contract in
 * control-store.ts, as plain as it can be. Nodes share one `MemoryControl`.
 */

import { BucketMap, NO_NODE } from '../bucket-map.ts';
import type { Assignment, BucketEntry } from '../bucket-map.ts';
import { checkCallSize, CONTROL_FORMAT, controlLimits } from './control-store.ts';
import type {
  AcceptOutcome, Beat, BeatAnswer, CampaignAnswer, ClusterConfig, ClusterRecord, ControlStore, Lead, NodeRecord, NodeRef, Opened, OperatorAnswer,
  PublishAnswer, ReleaseOutcome,
} from './control-store.ts';

interface Cluster {
  readonly record: ClusterRecord;
  lead: Lead;
  map: BucketMap;
  numbers: number;
  readonly nodes: Map<string, NodeRecord>;
  readonly pins: Map<number, number>;
}

/** What a server would hold. */
export class MemoryControl {
  cluster: Cluster | null = null;

  /** All there is, to be put back later: a store that goes back (C6). */
  save(): Cluster | null {
    const { cluster } = this;
    return cluster === null ? null : { ...cluster, nodes: new Map(cluster.nodes), pins: new Map(cluster.pins) };
  }
}

export class MemoryControlStore implements ControlStore {
  protected readonly control: MemoryControl;
  private clusterId: string | null = null;

  constructor(control: MemoryControl) {
    this.control = control;
  }

  async found(config: ClusterConfig): Promise<ClusterRecord> {
    this.control.cluster ??= {
      record: { ...config, format: CONTROL_FORMAT },
      lead: { term: 0, node: NO_NODE },
      map: BucketMap.empty(config.bucketBits, 1),
      numbers: 0,
      nodes: new Map(),
      pins: new Map(),
    };
    this.clusterId = this.control.cluster.record.id;
    return this.control.cluster.record;
  }

  async beat({ id, incarnation, number, info, knownMapVersion }: Beat): Promise<BeatAnswer> {
    const cluster = this.cluster();
    let node = cluster.nodes.get(id);
    if (node === undefined || node.incarnation !== incarnation) {
      if (node !== undefined && number !== NO_NODE && number < node.number) return { kind: 'replaced' };
      if (node === undefined && cluster.nodes.size >= controlLimits.nodesMax) return { kind: 'full' };
      // Who joins stands last: in the order of numbers.
      cluster.nodes.delete(id);
      node = { id, number: ++cluster.numbers, incarnation, counter: 0, info, drainWanted: false };
    }
    node = { ...node, counter: node.counter + 1, info };
    cluster.nodes.set(id, node);
    return {
      kind: 'ok',
      number: node.number,
      counter: node.counter,
      lead: cluster.lead,
      mapVersion: cluster.map.version,
      map: cluster.map.version === knownMapVersion ? null : cluster.map,
      nodes: [...cluster.nodes.values()],
      pins: new Map(cluster.pins),
    };
  }

  async leave(node: NodeRef): Promise<void> {
    const cluster = this.cluster();
    if (!this.isRegistered(node)) return;
    cluster.nodes.delete(node.id);
    if (cluster.lead.node === node.number) cluster.lead = { term: cluster.lead.term, node: NO_NODE };
  }

  async campaign(node: NodeRef, expectedTerm: number): Promise<CampaignAnswer> {
    const cluster = this.cluster();
    const won = cluster.lead.term === expectedTerm && this.isRegistered(node);
    if (won) cluster.lead = { term: expectedTerm + 1, node: node.number };
    return { won, ...cluster.lead };
  }

  async publish(lead: Lead, baseVersion: number, changes: readonly Assignment[]): Promise<PublishAnswer> {
    checkCallSize(changes.length);
    const cluster = this.cluster();
    for (const { index } of changes) this.checkIndex(index);
    const { version } = cluster.map;
    if (!this.isLead(lead)) return { kind: 'deposed', mapVersion: version };
    if (version !== baseVersion) return { kind: 'moved', mapVersion: version };
    if (changes.length > 0) cluster.map = cluster.map.assigned(version + 1, changes);
    return { kind: 'published', mapVersion: cluster.map.version };
  }

  async accept(node: NodeRef, opened: readonly Opened[]): Promise<AcceptOutcome[]> {
    checkCallSize(opened.length);
    for (const { index } of opened) this.checkIndex(index);
    return this.change(opened, ({ index, epoch }) => {
      const entry = this.entryOf(index, node);
      if (entry === null) return ['unnamed'];
      const { owner, next } = entry;
      if (owner === node.number) {
        if (epoch < entry.epoch) return ['stale'];
        return epoch === entry.epoch ? ['known'] : ['accepted', { owner, next, epoch }];
      }
      if (epoch <= entry.epoch) return ['stale'];
      return ['accepted', { owner: next, next: NO_NODE, epoch }];
    });
  }

  async release(node: NodeRef, indexes: readonly number[]): Promise<ReleaseOutcome[]> {
    checkCallSize(indexes.length);
    for (const index of indexes) this.checkIndex(index);
    return this.change(indexes.map((index) => ({ index })), ({ index }) => {
      const entry = this.entryOf(index, node);
      if (entry === null) return ['unnamed'];
      if (entry.owner === node.number) return ['vacated', { owner: entry.next, next: NO_NODE, epoch: 0 }];
      return ['declined', { ...entry, next: NO_NODE }];
    });
  }

  async forget(lead: Lead, { id, number }: NodeRef): Promise<boolean> {
    const cluster = this.cluster();
    if (!this.isLead(lead)) return false;
    if (cluster.nodes.get(id)?.number === number) cluster.nodes.delete(id);
    for (const [index, pinned] of cluster.pins) if (pinned === number) cluster.pins.delete(index);
    return true;
  }

  async drain(id: string, wanted: boolean): Promise<OperatorAnswer> {
    const { nodes } = this.cluster();
    const node = nodes.get(id);
    if (node === undefined) return 'unknownNode';
    nodes.set(id, { ...node, drainWanted: wanted });
    return 'done';
  }

  async pin(index: number, id: string | null): Promise<OperatorAnswer> {
    const { nodes, pins } = this.cluster();
    this.checkIndex(index);
    if (id === null) {
      pins.delete(index);
      return 'done';
    }
    const node = nodes.get(id);
    if (node === undefined) return 'unknownNode';
    if (!pins.has(index) && pins.size >= controlLimits.pinsMax) return 'full';
    pins.set(index, node.number);
    return 'done';
  }

  /** Decides one item after the other, and makes one new version of all that changes. */
  private change<I extends { readonly index: number }, O>(items: readonly I[], decide: (item: I) => [outcome: O, entry?: BucketEntry]): O[] {
    const cluster = this.cluster();
    const entries = new Map<number, BucketEntry>();
    const outcomes = items.map((item) => {
      const [outcome, entry] = decide(item);
      if (entry !== undefined) entries.set(item.index, entry);
      return outcome;
    });
    if (entries.size > 0) cluster.map = cluster.map.replaced(cluster.map.version + 1, entries);
    return outcomes;
  }

  /** Null when the map does not name the node, or a newer incarnation has taken its place (C3). */
  private entryOf(index: number, node: NodeRef): BucketEntry | null {
    const entry = this.cluster().map.entryOf(index);
    return this.isRegistered(node) && (entry.owner === node.number || entry.next === node.number) ? entry : null;
  }

  private isRegistered({ id, number }: NodeRef): boolean {
    return this.cluster().nodes.get(id)?.number === number;
  }

  private isLead(lead: Lead): boolean {
    const { term, node } = this.cluster().lead;
    return term === lead.term && node === lead.node;
  }

  private checkIndex(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.cluster().map.size) throw new RangeError(`there is no bucket ${index}`);
  }

  private cluster(): Cluster {
    const { cluster } = this.control;
    if (cluster === null || cluster.record.id !== this.clusterId) throw new Error('the store holds another cluster, or none');
    return cluster;
  }
}
