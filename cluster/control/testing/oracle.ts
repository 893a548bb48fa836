/**
 * What must hold in a cluster whatever happens to it, checked from outside: the oracle shares nothing with what it checks, and looks at every
 * call that takes effect on the store and at all that nodes conclude.
 *
 * O1  Terms, numbers and versions of the map grow, and a map that differs has another version.
 * O2  A map is published by the scheduler in office, for the version that it read.
 * O3  A node changes by itself only buckets for which the map named it.
 * O4  A term has one scheduler.
 * O5  A node that is well is declared dead by nobody, whatever becomes of the store.
 * O6  When faults are over, all buckets are soon held by living nodes, evenly, and all nodes know it.
 */

import type { BucketMap } from '../../bucket-map.ts';
import type { ControlStore, Lead, NodeRef } from '../control-store.ts';
import type { MemoryControl } from '../memory-store.ts';
import { controlDefaults } from '../timing.ts';
import type { VirtualTime } from './virtual-time.ts';

/** A node that runs, as it sees itself. */
export interface NodeSight {
  readonly id: string;
  readonly number: number;
  readonly map: BucketMap | null;
  readonly isInOffice: boolean;
}

export class Oracle {
  readonly complaints: string[] = [];
  /** Told of every change of the map. */
  onMap: ((map: BucketMap, changed: readonly number[]) => void) | null = null;
  private readonly control: MemoryControl;
  private readonly time: VirtualTime;
  private readonly schedulers = new Map<number, string>();

  constructor(control: MemoryControl, time: VirtualTime) {
    this.control = control;
    this.time = time;
  }

  complain(what: string): void {
    this.complaints.push(`${(this.time.nowMs / 1_000).toFixed(3)} s: ${what}`);
  }

  /** O1, O2, O3: a call takes effect. */
  async observe(name: keyof ControlStore, args: readonly unknown[], work: () => Promise<unknown>): Promise<unknown> {
    const { cluster } = this.control;
    const before = cluster === null ? null : { lead: cluster.lead, numbers: cluster.numbers, map: cluster.map };
    const answer = await work();
    const after = this.control.cluster;
    if (before === null || after === null) return answer;
    if (after.lead.term < before.lead.term || after.numbers < before.numbers || after.map.version < before.map.version) this.complain(`O1 ${name} went back`);
    const changed = after.map.diff(before.map);
    if (changed.length === 0) return answer;
    if (after.map.version === before.map.version) this.complain(`O1 ${name} changed the map and not its version`);
    if (name === 'publish') {
      const [lead, baseVersion] = args as [Lead, number];
      if (lead.term !== before.lead.term || lead.node !== before.lead.node) this.complain('O2 published by a deposed scheduler');
      if (baseVersion !== before.map.version) this.complain('O2 published for an older map');
    } else {
      const { number } = args[0] as NodeRef;
      for (const index of changed) if (before.map.ownerOf(index) !== number && before.map.nextOf(index) !== number) this.complain(`O3 ${name} of bucket ${index} by ${number}`);
    }
    this.onMap?.(after.map, changed);
    return answer;
  }

  /** O4 */
  checkLead(term: number, who: string): void {
    const other = this.schedulers.get(term) ?? who;
    this.schedulers.set(term, who);
    if (other !== who) this.complain(`O4 term ${term} belongs to ${other} and to ${who}`);
  }

  /** O5: somebody took this node for dead, whose process runs. `wellSinceMs`: since when neither it nor its own connection has failed. */
  checkDeclaredDead(id: string, wellSinceMs: number): void {
    const { leaseTtlMs, callTimeMaxMs, heartbeatMs } = controlDefaults;
    if (this.time.nowMs - wellSinceMs > leaseTtlMs + callTimeMaxMs + heartbeatMs) this.complain(`O5 ${id} is well and was declared dead`);
  }

  /** O6 */
  checkRest(nodes: readonly NodeSight[]): void {
    const { map, lead } = this.control.cluster!;
    const counts = new Map(nodes.map(({ number }): [number, number] => [number, 0]));
    for (let index = 0; index < map.size; index++) {
      const owner = map.ownerOf(index);
      if (map.phaseOf(index) !== 'held' || !counts.has(owner)) this.complain(`O6 bucket ${index} is ${map.phaseOf(index)} by ${owner}`);
      else counts.set(owner, counts.get(owner)! + 1);
    }
    const numbers = [...counts.values()];
    if (Math.max(...numbers) - Math.min(...numbers) > 1) this.complain(`O6 uneven: ${numbers.join()}`);
    for (const node of nodes) {
      if (node.map?.version !== map.version || node.map.diff(map).length > 0) this.complain(`O6 ${node.id} knows another map`);
      if (node.isInOffice !== (node.number === lead.node)) this.complain(`O6 ${node.id} is wrong about its office`);
    }
  }
}
