/** Ten nodes under faults, from seeds, and the same with one mechanism at a time switched off: then the oracle must speak. */

import t from 'tap';

import { NO_NODE } from '../bucket-map.ts';
import type { Assignment } from '../bucket-map.ts';
import type { AcceptOutcome, CampaignAnswer, Lead, NodeRef, Opened, PublishAnswer } from './control-store.ts';
import { Liveness } from './liveness.ts';
import type { Pulse } from './liveness.ts';
import { MemoryControlStore } from './memory-store.ts';
import { Simulation } from './testing/simulation.ts';
import type { SimulationSettings } from './testing/simulation.ts';

const settings: Omit<SimulationSettings, 'seed'> = { nodes: 10, bucketBits: 6, faultsForMs: 60_000, calmForMs: 20_000 };
const SEEDS = 30;

/** The first complaint of this kind. */
async function find(kind: string, changes: Partial<SimulationSettings>): Promise<string> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const complaints = await new Simulation({ ...settings, ...changes, seed }).run();
    const found = complaints.find((complaint) => complaint.includes(kind));
    if (found !== undefined) return found;
  }
  return 'nothing';
}

await t.test('nodes that die, stand still, leave and drain, and a store that is away', async (t) => {
  const faults: Record<string, number> = {};
  for (let seed = 1; seed <= SEEDS; seed++) {
    const simulation = new Simulation({ ...settings, seed });
    t.same(await simulation.run(), [], `seed ${seed}`);
    for (const [name, count] of Object.entries(simulation.faults)) faults[name] = (faults[name] ?? 0) + count;
  }
  t.comment(JSON.stringify(faults));
  t.ok(['kill', 'killScheduler', 'suspend', 'suspendScheduler', 'leave', 'drain', 'outage'].every((name) => faults[name]! >= SEEDS));
});

await t.test('a seed gives the same run again', async (t) => {
  const run = async (): Promise<string> => {
    const simulation = new Simulation({ ...settings, seed: 77 });
    await simulation.run();
    return JSON.stringify([simulation.faults, simulation.trace()]);
  };
  t.equal(await run(), await run());
});

/** What a lease by wall clock would do. */
class CountsOutages extends Liveness {
  private last: { nowMs: number; pulses: readonly Pulse[] } | null = null;

  override observe(nowMs: number, pulses: readonly Pulse[]): void {
    if (this.last !== null) for (let at = this.last.nowMs; at < nowMs; at += 100) super.observe(at, this.last.pulses);
    super.observe(nowMs, pulses);
    this.last = { nowMs, pulses };
  }

  override missed(): void {
    // An outage is silence like any other.
  }
}

await t.test('the oracle finds an outage that is counted as silence', async (t) => {
  t.match(await find('O5', { liveness: (leaseTtlMs) => new CountsOutages(leaseTtlMs) }), /O5/);
});

class PublishesForAnyVersion extends MemoryControlStore {
  override publish(lead: Lead, _: number, changes: readonly Assignment[]): Promise<PublishAnswer> {
    return super.publish(lead, this.control.cluster!.map.version, changes);
  }
}

await t.test('the oracle finds a map that is published for an older one', async (t) => {
  t.match(await find('O2 published for an older map', { store: (control) => new PublishesForAnyVersion(control) }), /O2 published for an older map/);
});

/** The version alone keeps most deposed schedulers out: the new one soon changes the map. */
class PublishesForAnybody extends MemoryControlStore {
  override publish(_: Lead, __: number, changes: readonly Assignment[]): Promise<PublishAnswer> {
    const { lead, map } = this.control.cluster!;
    return super.publish(lead, map.version, changes);
  }
}

await t.test('the oracle finds a map that is published by a deposed scheduler', async (t) => {
  t.match(await find('O2 published by a deposed scheduler', { store: (control) => new PublishesForAnybody(control) }), /deposed/);
});

class KeepsTheTerm extends MemoryControlStore {
  override async campaign(node: NodeRef): Promise<CampaignAnswer> {
    const lead = { term: 1, node: node.number };
    this.control.cluster!.lead = lead;
    return { won: true, ...lead };
  }
}

await t.test('the oracle finds an election that does not raise the term', async (t) => {
  t.match(await find('O4', { store: (control) => new KeepsTheTerm(control) }), /O4/);
});

class AcceptsAnybody extends MemoryControlStore {
  override async accept(node: NodeRef, opened: readonly Opened[]): Promise<AcceptOutcome[]> {
    const cluster = this.control.cluster!;
    const entries = new Map(opened.map(({ index, epoch }) => [index, { owner: node.number, next: NO_NODE, epoch }]));
    cluster.map = cluster.map.replaced(cluster.map.version + 1, entries);
    return opened.map(() => 'accepted');
  }
}

await t.test('the oracle finds a bucket that is taken by whom nobody named', async (t) => {
  t.match(await find('O3', { store: (control) => new AcceptsAnybody(control) }), /O3/);
});
