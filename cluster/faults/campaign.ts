/**
 * `faults cluster`: one fault after the other, or two at once, on a cluster under load; a measurement of each, and a proof every few rounds
 * and at the end (proof.ts).
 *
 * How a round is measured. When the fault has struck, a command is sent to an actor in every bucket, over the gateways that are left; and
 * again when it is healed. Each is sent again until it is answered. So the worst of them is the time for which the last bucket was out of
 * service, as clients see it.
 *
 * With `shop`, a shop is open beside the load, and every message between its actors is proved too (shop-beside.ts).
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { Book, Findings } from '../../runtime/faults/book.ts';
import type { BucketId } from '../../runtime/codec/address.ts';
import { randomFrom } from '../../runtime/faults/random.ts';
import { makeShiftedClock } from '../../runtime/testing/shifted-clock.ts';
import type { ShiftedClock } from '../../runtime/testing/shifted-clock.ts';
import { makeSlowDisk } from '../../runtime/testing/slow-disk.ts';
import type { SlowDisk } from '../../runtime/testing/slow-disk.ts';
import { clusterActors } from './cluster-actors.ts';
import { ClusterLoad } from './cluster-load.ts';
import type { LoadFigures } from './cluster-load.ts';
import { BUCKET_BITS, ClusterRig } from './cluster-rig.ts';
import type { RigOptions } from './cluster-rig.ts';
import { EpochWitness } from './epoch-witness.ts';
import { atMost } from './fault.ts';
import type { Fault, World } from './fault.ts';
import { proveAnswers, proveLog } from './proof.ts';
import { ShopBeside } from './shop-beside.ts';
import type { ShopReport } from './shop-beside.ts';
import { findStoreLoss, verdictOn } from './store-loss.ts';
import { Watchers } from './watchers.ts';

export interface CampaignOptions extends RigOptions {
  /** Struck in this order. */
  readonly faults: readonly Fault[];
  readonly proofEvery: number;
  readonly perSecond: number;
  /** Commands sent at once right in front of each strike. */
  readonly burst: number;
  /** Whoever waits for longer is late. Default 30,000. */
  readonly waitMaxMs?: number;
  /** Orders a second of a shop that is open beside; 0: there is none. */
  readonly shop?: number;
  readonly seed: number;
  readonly say: (text: string) => void;
}

export interface Times {
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

export interface RoundResult {
  readonly fault: string;
  /** Commands without an answer when it struck. */
  readonly inFlight: number;
  /** Messages between the shop's actors that were sent and not taken in then. */
  readonly messages: number;
  /** Stale appends and reads that the store refused: one a bucket that a node did not know it had lost. */
  readonly fenced: number;
  /** From the strike until each bucket answered a command that was sent behind the strike. */
  readonly struck: Times;
  /** From the heal, for commands sent behind it. */
  readonly healed: Times;
  /** Until all nodes were ready and the buckets where they belong. */
  readonly wholeMs: number;
  readonly late: number;
}

export interface CampaignResult {
  readonly rounds: readonly RoundResult[];
  readonly load: LoadFigures;
  readonly fenced: number;
  readonly epochsTaken: number;
  readonly records: number;
  readonly proofs: number;
  readonly eventsWatched: number;
  /** Longest time between two answers of an actor in a bucket that changed hands, by how it did. */
  readonly pauses: Readonly<Record<string, Times & { readonly buckets: number }>>;
  /** Shares of all buckets that had another owner afterwards, by what happened. */
  readonly movedShares: Readonly<Record<string, readonly number[]>>;
  readonly shop: ShopReport | null;
  readonly findings: readonly string[];
  readonly findingsCount: number;
}

export const LEASE_TTL_MS = 2_000;
const LOAD_PER_BUCKET = 2;
const SETTLE_MAX_MS = 60_000;
const PROBE_MAX_MS = 60_000;
const WAIT_MAX_MS = 30_000;
const CALM_MS = 300;
const BURSTS_MAX = 20;
/** Actors that are watched over each node, in two ways. */
const WATCHED = 4;

export async function runClusterCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const clock = options.faults.some(({ setsClock }) => setsClock === true) ? await makeShiftedClock(options.directory) : null;
  const disk = options.faults.some(({ slowsDisk }) => slowsDisk === true) ? await makeSlowDisk(options.directory) : null;
  disk?.release();
  const rig = await ClusterRig.start({ ...options, redis: { ...options.redis, env: envOf([clock, disk]) } });
  const campaign = new Campaign(rig, clock, disk, options);
  try {
    await campaign.begin();
    for (const [i, fault] of options.faults.entries()) {
      if (campaign.isBroken) break;
      await campaign.orFinding(() => campaign.round(fault, `round ${i + 1}/${options.faults.length}`));
      if ((i + 1) % options.proofEvery === 0) await campaign.orFinding(() => campaign.prove());
    }
    if (!campaign.isProved) await campaign.orFinding(() => campaign.prove());
    return campaign.result();
  } finally {
    campaign.close();
    await rig.close(campaign.isBroken);
  }
}

class Campaign {
  /** Nothing has happened since the last proof, however that ended. */
  isProved = false;
  private readonly findings = new Findings();
  private readonly rounds: RoundResult[] = [];
  private readonly options: CampaignOptions;
  private readonly world: World;
  private readonly witness: EpochWitness;
  private readonly watchers: Watchers;
  private readonly ids: readonly BucketId[];
  private readonly shop: ShopBeside | null;
  /** The process of Redis that the round began with. */
  private storePid = 0;
  private records = 0;
  private proofs = 0;

  constructor(rig: ClusterRig, clock: ShiftedClock | null, disk: SlowDisk | null, options: CampaignOptions) {
    this.options = options;
    const actors = clusterActors(BUCKET_BITS, LOAD_PER_BUCKET);
    const book = new Book(actors.all, this.findings);
    const random = randomFrom(options.seed);
    const load = new ClusterLoad(book, actors.load, { perSecond: options.perSecond, repeatShare: 0.05, random, waitMaxMs: options.waitMaxMs ?? WAIT_MAX_MS });
    this.world = { rig, clock, disk, load, book, actors, random, leaseTtlMs: LEASE_TTL_MS, pauses: new Map(), movedShares: new Map() };
    this.ids = Array.from({ length: 2 ** BUCKET_BITS }, (_, index) => ({ bits: BUCKET_BITS, index }));
    this.watchers = new Watchers(book);
    this.shop = options.shop ? new ShopBeside(rig, this.ids, { ordersPerSecond: options.shop, findings: this.findings, random }) : null;
    this.witness = new EpochWitness(rig.redis.port, this.ids, (what) => this.findings.add(what));
  }

  /** Something was found, or a cluster did not come back: more faults would only blur it. */
  get isBroken(): boolean {
    return this.findings.count > 0;
  }

  async begin(): Promise<void> {
    const { rig, load, actors } = this.world;
    for (const [i, { port }] of rig.nodes.entries()) {
      load.use(port);
      const watched = actors.probes.slice(i * WATCHED, (i + 1) * WATCHED);
      for (const direct of [false, true]) this.watchers.watch(port, watched, direct);
    }
    await load.connected();
    void this.witness.watch();
    await this.shop?.begin();
    load.start();
    await sleep(CALM_MS);
  }

  async round(fault: Fault, name: string): Promise<void> {
    const { rig, load } = this.world;
    this.isProved = false;
    this.storePid = rig.redis.pid;
    load.start();
    this.shop?.open();
    await sleep(CALM_MS);
    const fencedBefore = rig.fenced;
    const lateBefore = load.late;
    const cut = await this.shop?.struck();
    // When this process is given the processor late, it is all answered before the strike.
    for (let tries = 0; tries === 0 || (load.inFlight < this.options.burst / 2 && tries < BURSTS_MAX); tries++) {
      load.burst(this.options.burst);
      await sleep(this.world.random() * 5);
    }
    const inFlight = load.inFlight;
    const strike = await fault.strike(this.world);
    const struck = this.probe(`${fault.name}: behind the strike`);
    await strike.lasts(struck);
    await strike.heal();
    const healed = this.probe(`${fault.name}: behind the heal`);
    const whole = rig.whole();
    // It may fail before it is waited for below, which is where it counts.
    whole.catch(() => undefined);
    const times = { struck: await struck, healed: await healed };
    if (load.rolledBack.length > 0) {
      await this.wentBack(name, fault);
      return;
    }
    const result: RoundResult = {
      fault: fault.name, inFlight, ...times,
      wholeMs: Math.round(await whole),
      messages: cut === undefined ? 0 : await this.shop!.inFlightAt(cut),
      fenced: rig.fenced - fencedBefore,
      late: load.late - lateBefore,
    };
    this.rounds.push(result);
    this.options.say(
      `${name}: ${fault.name}: ${inFlight} in flight${cut === undefined ? '' : `, ${result.messages} messages`}, ${result.fenced} refused as stale; every bucket answered ${shown(result.struck)} after the strike, `
      + `${shown(result.healed)} after the heal; whole after ${result.wholeMs} ms, ${result.late} late`,
    );
    for (const what of load.lateList.splice(0)) this.findings.add(`${fault.name}: ${what} was not answered in time`);
  }

  /** Nothing is open, and what was answered is held against the log and the nodes. */
  async prove(): Promise<void> {
    this.isProved = true;
    const { load, book, rig } = this.world;
    await this.settled();
    if (load.rolledBack.length > 0) throw new Error(load.rolledBack[0]);
    this.records = await proveLog(book, rig.redis.port, this.ids, this.witness);
    const refused = await proveAnswers(book, await load.link());
    await this.watchers.check();
    await this.shop?.prove();
    this.proofs++;
    this.options.say(
      `proof ${this.proofs}: ${book.acknowledged} commands acknowledged, ${book.repeats} answered again, ${this.records} records, `
      + `${this.watchers.events} events watched${listed(', reads refused at first: ', refused)}${this.shop === null ? '' : `; ${this.shop.text}`}; ${this.findings.count} findings`,
    );
  }

  /** Logs went back, and the nodes say so: what is lost, and whether the store may lose it. */
  private async wentBack(name: string, fault: Fault): Promise<void> {
    const { load, book, rig } = this.world;
    await this.settled();
    const loss = await findStoreLoss(book, rig.redis.port, this.ids, this.findings);
    const mayLose = this.options.redis?.appendfsync === 'everysec' && rig.redis.pid !== this.storePid;
    if (!mayLose) for (const what of load.rolledBack) this.findings.add(what);
    this.findings.add(`${name}: ${fault.name}: ${verdictOn(loss, mayLose)}`);
    // More than this is not to be proved of a log whose end is gone.
    this.isProved = true;
  }

  private async settled(): Promise<void> {
    const { load } = this.world;
    if (!(await load.settle(SETTLE_MAX_MS))) throw new Error(`${load.inFlight} commands are not answered ${SETTLE_MAX_MS} ms after the last one was sent`);
  }

  async orFinding(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.findings.add(error instanceof Error ? error.message : String(error));
    }
  }

  result(): CampaignResult {
    const { load, rig, pauses, movedShares } = this.world;
    return {
      rounds: this.rounds,
      load: load.figures,
      fenced: rig.fenced,
      epochsTaken: this.witness.changes,
      records: this.records,
      proofs: this.proofs,
      eventsWatched: this.watchers.events,
      pauses: Object.fromEntries([...pauses].map(([what, list]) => [what, { buckets: list.length, ...timesOf(list) }])),
      movedShares: Object.fromEntries(movedShares),
      shop: this.shop?.report ?? null,
      findings: this.findings.list,
      findingsCount: this.findings.count,
    };
  }

  close(): void {
    this.shop?.close();
    this.witness.close();
    this.watchers.close();
    this.world.load.close();
  }

  /** One command to every bucket, from now on. */
  private async probe(what: string): Promise<Times> {
    const { load, actors } = this.world;
    const times: number[] = [];
    const answered = actors.probes.map(async (actor) => void times.push(await load.ask(actor)));
    await atMost(PROBE_MAX_MS, Promise.all(answered));
    if (times.length < actors.probes.length) this.findings.add(`${what}: ${actors.probes.length - times.length} buckets did not answer within ${PROBE_MAX_MS} ms`);
    return timesOf(times);
  }
}

/** A server that has several libraries in front of its C library. */
function envOf(preloads: readonly ({ readonly env: Readonly<Record<string, string>> } | null)[]): Record<string, string> {
  const list = preloads.filter((preload) => preload !== null).map(({ env }) => env);
  return list.length === 0 ? {} : { ...Object.assign({}, ...list), LD_PRELOAD: list.map((env) => env['LD_PRELOAD']).join(':') };
}

export function timesOf(list: readonly number[]): Times {
  const sorted = list.map(Math.round).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { medianMs: at(0.5), p99Ms: at(0.99), worstMs: sorted.at(-1) ?? 0 };
}

function listed(title: string, counts: ReadonlyMap<string, number>): string {
  return counts.size === 0 ? '' : title + [...counts].map(([what, count]) => `${count} ${what}`).join(', ');
}

function shown({ medianMs, worstMs }: Times): string {
  return `${medianMs} ms (worst ${worstMs})`;
}
