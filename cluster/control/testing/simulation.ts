/**
 * A cluster in one thread, from a seed: nodes on a store in memory, on virtual time, while processes are killed, suspended and started anew and the
 * store is away. The oracle (oracle.ts) looks at every call that takes effect and at all that nodes conclude.
 */

import { Random } from '../../../runtime/actor/testing/random-actor.ts';
import { BucketMap, NO_NODE } from '../../bucket-map.ts';
import { ControlPlane } from '../control-plane.ts';
import type { Beat, ControlStore, NodeRef } from '../control-store.ts';
import { Liveness } from '../liveness.ts';
import { MemoryControl, MemoryControlStore } from '../memory-store.ts';
import type { ClusterNode } from '../membership.ts';
import { controlDefaults } from '../timing.ts';
import { infoOf } from './contract.ts';
import { distantStore } from './distant-store.ts';
import type { Network } from './distant-store.ts';
import { Oracle } from './oracle.ts';
import { ProcessTime, VirtualTime } from './virtual-time.ts';

export interface SimulationSettings {
  readonly seed: number;
  readonly nodes: number;
  readonly bucketBits: number;
  readonly faultsForMs: number;
  readonly calmForMs: number;
  /** In place of the model, to see what the oracle says when one of its checks is missing. */
  readonly store?: (control: MemoryControl) => ControlStore;
  readonly liveness?: (leaseTtlMs: number) => Liveness;
}

const OPEN_MAX_MS = 60;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** One process of a node, from its start to its end. */
class Process {
  readonly plane: ControlPlane;
  readonly time: ProcessTime;
  isUp = true;
  isDraining = false;
  map: BucketMap | null = null;
  term: number | null = null;
  /** Since when neither it nor its own connection has failed; the store may have. */
  wellSinceMs: number;
  private self: NodeRef | null = null;
  private readonly opening = new Set<number>();
  private readonly simulation: Simulation;

  constructor(simulation: Simulation, id: string, incarnation: string, near: ControlStore, liveness: Liveness) {
    const { network } = simulation;
    this.simulation = simulation;
    this.time = new ProcessTime(network.time);
    this.wellSinceMs = network.time.nowMs;
    let alive = new Set<number>();
    this.plane = new ControlPlane({
      store: distantStore(near, network, this.time, () => (this.wellSinceMs = network.time.nowMs)),
      config: { id: 'c-1', bucketBits: simulation.settings.bucketBits },
      id, incarnation, liveness,
      info: () => infoOf(id, { draining: this.isDraining }),
      clock: this.time,
      timers: this.time,
      timing: controlDefaults,
      log: silent,
      events: {
        onMap: (map, self) => {
          this.map = map;
          this.self = self;
          this.openNamed();
        },
        onNodes: (nodes) => {
          for (const node of nodes) if (!node.alive && alive.has(node.number)) simulation.onDeclaredDead(node);
          alive = new Set(nodes.filter((node) => node.alive).map((node) => node.number));
        },
        onLead: (term) => {
          this.term = term;
          if (term !== null) simulation.onLead(term, `${id} ${incarnation}`);
        },
        onForeign: () => undefined,
        onReplaced: () => simulation.complain(`${id} was told that it was replaced, and was not`),
      },
    });
  }

  /** As a process does that is restarted until the store answers. */
  async run(): Promise<void> {
    for (;;) {
      try {
        await this.plane.start();
        return;
      } catch {
        await this.time.sleep(100);
      }
    }
  }

  get number(): number {
    return this.self?.number ?? NO_NODE;
  }

  /** Opens, as an owner would, whatever the map names it for: each opening is a new epoch. */
  private openNamed(): void {
    const { map, self } = this;
    for (let index = 0; index < map!.size; index++) {
      const isNamed = (map!.ownerOf(index) === self!.number && map!.epochOf(index) === 0) || map!.nextOf(index) === self!.number;
      if (isNamed && !this.opening.has(index)) void this.open(index);
    }
  }

  private async open(index: number): Promise<void> {
    this.opening.add(index);
    await this.time.sleep(this.simulation.random.below(OPEN_MAX_MS));
    const epoch = this.simulation.takeEpoch(index);
    const outcome = await this.plane.accept([{ index, epoch }]).catch(() => null);
    if (outcome === null) await this.time.sleep(controlDefaults.heartbeatMs);
    this.opening.delete(index);
    // Its answer was lost, or somebody has opened it since: the map may still name this node.
    if (outcome === null || outcome[0] === 'stale') this.openNamed();
  }
}

export class Simulation {
  readonly settings: SimulationSettings;
  readonly random: Random;
  readonly network: Network;
  /** How often each kind of fault struck; a run without faults shows nothing. */
  readonly faults: Record<string, number> = {};
  private readonly time = new VirtualTime();
  private readonly control = new MemoryControl();
  private readonly oracle = new Oracle(this.control, this.time);
  private readonly near: ControlStore;
  private readonly processes = new Map<string, Process>();
  private readonly epochs: number[] = [];
  private incarnations = 0;

  constructor(settings: SimulationSettings) {
    this.settings = settings;
    this.random = new Random(settings.seed);
    this.near = settings.store?.(this.control) ?? new MemoryControlStore(this.control);
    this.network = {
      time: this.time, random: this.random, isDown: false, lossOneIn: 200, callTimeMaxMs: controlDefaults.callTimeMaxMs,
      observe: (name, args, work) => this.observe(name, args, work),
    };
  }

  /** What the oracle has to say; nothing when all is well. */
  async run(): Promise<readonly string[]> {
    const { nodes, faultsForMs, calmForMs } = this.settings;
    for (let i = 0; i < nodes; i++) this.start(`n${i}`);
    const untilMs = faultsForMs;
    while (this.time.nowMs < untilMs) {
      await this.time.pass(200 + this.random.below(3_000));
      this.strike();
    }
    // What was suspended or stopped comes back; then nothing more happens.
    await this.time.pass(15_000);
    for (const [id, process] of this.processes) await this.near.drain(id, false).then(() => (process.isDraining = false));
    await this.time.pass(calmForMs);
    this.checkEnd();
    return this.oracle.complaints;
  }

  /** Where the run has led to, to be compared with another of the same seed. */
  trace(): string {
    const { map, lead, numbers } = this.control.cluster!;
    return JSON.stringify([map.version, map.toBytes().toString('hex'), lead, numbers, this.epochs]);
  }

  takeEpoch(index: number): number {
    return (this.epochs[index] = (this.epochs[index] ?? 0) + 1);
  }

  complain(what: string): void {
    this.oracle.complain(what);
  }

  /** O5 */
  onDeclaredDead(node: ClusterNode): void {
    const process = this.processes.get(node.id);
    if (process === undefined || !process.isUp || process.time.isSuspended || process.number !== node.number) return;
    this.oracle.checkDeclaredDead(node.id, process.wellSinceMs);
  }

  /** O4 */
  onLead(term: number, who: string): void {
    this.oracle.checkLead(term, who);
  }

  private start(id: string): void {
    const liveness = this.settings.liveness?.(controlDefaults.leaseTtlMs) ?? new Liveness(controlDefaults.leaseTtlMs);
    const process = new Process(this, id, `i${++this.incarnations}`, this.near, liveness);
    this.processes.set(id, process);
    void process.run();
  }

  private strike(): void {
    const id = this.random.pick([...this.processes.keys()]);
    const faults = { kill: () => this.kill(id), killScheduler: () => this.kill(this.schedulerId() ?? id), suspend: () => this.suspend(id), leave: () => this.leave(id), drain: () => this.drain(id), outage: () => this.outage() };
    const name = this.random.pick(Object.keys(faults) as (keyof typeof faults)[]);
    if (!this.processes.get(id)!.isUp) return;
    this.faults[name] = (this.faults[name] ?? 0) + 1;
    faults[name]();
  }

  private kill(id: string): void {
    const process = this.processes.get(id)!;
    if (!process.isUp) return;
    process.isUp = false;
    process.time.end();
    this.time.later(this.random.below(8_000), () => this.start(id));
  }

  private suspend(id: string): void {
    const { time } = this.processes.get(id)!;
    time.suspend();
    this.time.later(300 + this.random.below(9_000), () => {
      this.processes.get(id)!.wellSinceMs = this.time.nowMs;
      time.resume();
    });
  }

  /** Once in a while at the worst moment: between a beat of its own and what it makes of the answer. */
  private suspendScheduler(id: string): void {
    if (this.time.nowMs > this.settings.faultsForMs || id !== this.schedulerId() || this.random.below(50) !== 0) return;
    this.faults['suspendScheduler'] = (this.faults['suspendScheduler'] ?? 0) + 1;
    this.suspend(id);
  }

  private leave(id: string): void {
    const process = this.processes.get(id)!;
    process.isUp = false;
    void process.plane.stop().then(() => {
      process.time.end();
      this.time.later(this.random.below(3_000), () => this.start(id));
    });
  }

  private drain(id: string): void {
    const process = this.processes.get(id)!;
    if (this.random.below(2) === 0) process.isDraining = !process.isDraining;
    else void process.plane.drain(this.random.pick([...this.processes.keys()]), this.random.below(2) === 0).catch(() => undefined);
  }

  private outage(): void {
    if (this.network.isDown) return;
    this.network.isDown = true;
    this.time.later(500 + this.random.below(8_000), () => (this.network.isDown = false));
  }

  private schedulerId(): string | undefined {
    const node = this.control.cluster?.lead.node;
    return [...this.processes].find(([, process]) => process.number === node)?.[0];
  }

  private async observe(name: keyof ControlStore, args: readonly unknown[], work: () => Promise<unknown>): Promise<unknown> {
    const answer = await this.oracle.observe(name, args, work);
    if (name === 'beat') this.suspendScheduler((args[0] as Beat).id);
    return answer;
  }

  /** O6 */
  private checkEnd(): void {
    this.oracle.checkRest([...this.processes].map(([id, { number, map, term }]) => ({ id, number, map, isInOffice: term !== null })));
  }
}
