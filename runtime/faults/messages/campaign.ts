/**
 * `faults messages`: kill -9 of a node and of its sandboxes at random moments while a shop is open, and the proof that every message
 * between its actors has had its effect once (messages-check.ts). The log is read after every fault as it stood when it struck, from a copy of the
 * data directory; what was sent by then and not taken in was on its way.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Findings } from '../book.ts';
import { NodeProcess, SHOP_BEHAVIORS } from '../node-process.ts';
import { freePort } from '../../testing/ports.ts';
import { descendantsOf, isAlive } from '../proc.ts';
import { randomFrom } from '../random.ts';
import { CarefulClient } from './careful-client.ts';
import { MessagesCheck } from './messages-check.ts';
import type { MessagesFigures } from './messages-check.ts';
import { NodeLogs } from './node-logs.ts';
import { atRest, compareStates } from './rest.ts';
import { ShopLoad } from './shop-load.ts';

export interface MessagesOptions {
  readonly directory: string;
  readonly rounds: number;
  readonly proofEvery: number;
  readonly products: number;
  readonly ordersPerSecond: number;
  /** Customers who come in at once right in front of each fault. */
  readonly burst: number;
  readonly paymentTimeMaxSeconds: number;
  /** The shop is open for a random time in this range before the fault. */
  readonly loadMinMs: number;
  readonly loadMaxMs: number;
  readonly seed: number;
  readonly startArgs: readonly string[];
  readonly say: (text: string) => void;
}

export interface MessagesRound {
  readonly fault: string;
  /** Messages sent and not taken in when it struck. */
  readonly inFlight: number;
  /** Commands of clients without an answer. */
  readonly openCommands: number;
}

export interface MessagesResult {
  readonly rounds: readonly MessagesRound[];
  readonly proofs: number;
  readonly orders: number;
  readonly answered: number;
  readonly repeats: number;
  readonly again: Readonly<Record<string, number>>;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly figures: MessagesFigures;
  readonly findings: readonly string[];
  readonly findingsCount: number;
}

const NODE = 'kill -9 of the node';
const NODE_TWICE = 'kill -9 of the node, and again while it starts';
const ONE_SANDBOX = 'kill -9 of a sandbox';
const ALL_SANDBOXES = 'kill -9 of all sandboxes';

const START_KILL_MAX_MS = 400;
/** The fault strikes somewhere on the way of the burst. */
const BURST_MAX_MS = 60;
const TIMER_GRACE_MS = 2_000;
const CUSTOMERS_MAX = 400;

export async function runMessagesCampaign(options: MessagesOptions): Promise<MessagesResult> {
  const campaign = new Campaign(options);
  try {
    await campaign.orFinding(() => campaign.begin());
    for (let round = 1; round <= options.rounds && !campaign.isBroken; round++) {
      await campaign.orFinding(() => campaign.round(round));
      if (round % options.proofEvery === 0 && !campaign.isBroken) await campaign.orFinding(() => campaign.prove());
    }
    if (!campaign.isBroken) await campaign.orFinding(() => campaign.finish());
    return campaign.result();
  } finally {
    await campaign.close();
  }
}

class Campaign {
  private readonly findings = new Findings();
  private readonly options: MessagesOptions;
  private readonly data: string;
  private readonly random: () => number;
  private readonly client: CarefulClient;
  private readonly load: ShopLoad;
  private readonly rounds: MessagesRound[] = [];
  private readonly ports = { port: 0, adminPort: 0 };
  private readonly check: MessagesCheck;
  private readonly logs: NodeLogs;
  private node: NodeProcess | null = null;
  private proofs = 0;
  private left: string[] = [];

  constructor(options: MessagesOptions) {
    const { findings } = this;
    this.options = options;
    this.data = join(options.directory, 'data');
    this.random = randomFrom(options.seed);
    this.check = new MessagesCheck(findings);
    this.logs = new NodeLogs(this.data, options.directory);
    this.client = new CarefulClient({ findings, random: this.random, repeatShare: 0.05 });
    const { products, ordersPerSecond, paymentTimeMaxSeconds } = options;
    this.load = new ShopLoad(this.client, { products, ordersPerSecond, paymentTimeMaxSeconds, customersMax: CUSTOMERS_MAX, random: this.random });
  }

  get isBroken(): boolean {
    return this.findings.count > 0;
  }

  async begin(): Promise<void> {
    mkdirSync(this.data, { recursive: true });
    Object.assign(this.ports, { port: await freePort(), adminPort: await freePort() });
    const node = this.start();
    await node.ready();
    await node.deploy(SHOP_BEHAVIORS);
    this.client.use(this.ports.port);
    await this.load.prepare();
  }

  async round(round: number): Promise<void> {
    const { options, random, client } = this;
    this.load.open();
    await sleep(options.loadMinMs + random() * (options.loadMaxMs - options.loadMinMs));
    const fault = this.nextFault();
    this.load.burst(options.burst);
    await sleep(random() * BURST_MAX_MS);
    const openCommands = client.open;
    if (this.node!.ended) throw new Error('there is no node for the fault to strike');
    if (fault === ONE_SANDBOX || fault === ALL_SANDBOXES) await this.killSandboxes(fault === ALL_SANDBOXES);
    else await this.killNode(fault === NODE_TWICE);
    const inFlight = this.check.channels.inFlight;
    this.rounds.push({ fault, inFlight, openCommands });
    options.say(`round ${round}/${options.rounds}: ${fault}: ${inFlight} messages in flight, ${openCommands} commands open; ${this.check.figures.sent} messages in ${this.check.figures.records} records`);
  }

  /** Closes the shop, waits until all is at rest, and holds everything against everything. */
  async prove(): Promise<void> {
    const { check, client, load, node, findings } = this;
    await atRest({ load, client, check, positions: () => node!.logPositions(), read: () => this.readNow() });
    check.settle({ nowMs: Date.now(), timerGraceMs: TIMER_GRACE_MS }, client.answered);
    await compareStates(check, client);
    this.proofs++;
    this.options.say(`proof ${this.proofs}: ${load.placed} orders ${JSON.stringify(check.shop.outcomes)}, ${client.answered.length} commands answered, ${client.repeats} again, ${findings.count} findings`);
  }

  /** The last proof, and once more with states that a new process has read from its data directory. */
  async finish(): Promise<void> {
    await this.prove();
    if (this.isBroken) return;
    await this.killNode(false);
    await compareStates(this.check, this.client);
  }

  async orFinding(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.findings.add(error instanceof Error ? error.message : String(error));
      if (this.node?.ended === true) this.findings.add(`the node has ended by itself:\n${this.node.lastOutput}`);
    }
  }

  result(): MessagesResult {
    const { rounds, proofs, load, client, check, findings } = this;
    return {
      rounds, proofs, orders: load.placed, answered: client.answered.length, repeats: client.repeats, again: client.again,
      outcomes: check.shop.outcomes, figures: check.figures, findings: findings.list, findingsCount: findings.count,
    };
  }

  async close(): Promise<void> {
    this.client.close();
    this.load.leave();
    if (this.node !== null && !this.node.ended) await this.node.kill();
  }

  /** Each before any comes again, in random order; the node itself twice. */
  private nextFault(): string {
    if (this.left.length === 0) this.left = [NODE, NODE, NODE_TWICE, ONE_SANDBOX, ALL_SANDBOXES];
    return this.left.splice(Math.floor(this.random() * this.left.length), 1)[0]!;
  }

  private async killNode(again: boolean): Promise<void> {
    const orphans = await this.node!.kill();
    if (orphans.length > 0) this.findings.add(`sandboxes outlived their node: ${orphans.join(', ')}`);
    await this.logs.read(this.check);
    if (again) {
      const node = this.start();
      await sleep(this.random() * START_KILL_MAX_MS);
      await node.kill();
    }
    await this.start().ready();
  }

  private async killSandboxes(all: boolean): Promise<void> {
    const { pid } = this.node!;
    const sandboxes = descendantsOf(pid);
    const struck = all ? sandboxes : sandboxes.filter((_, i) => i === Math.floor(this.random() * sandboxes.length)).slice(0, 1);
    await this.logs.readSuspended(pid, this.check, () => {
      for (const sandbox of struck) if (isAlive(sandbox)) killIfThere(sandbox);
    });
  }

  private readNow(): Promise<void> {
    const { check, logs } = this;
    return this.node!.ended ? logs.read(check) : logs.readSuspended(this.node!.pid, check);
  }

  private start(): NodeProcess {
    this.node = new NodeProcess({ ...this.ports, data: this.data, log: join(this.options.directory, 'node.log'), startArgs: this.options.startArgs });
    return this.node;
  }
}

/** A sandbox may end in this very moment. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
