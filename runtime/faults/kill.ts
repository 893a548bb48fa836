/**
 * `faults kill`: kill -9 under full load, again and again, on one data directory, and after every restart and at the end a proof
 * against what was acknowledged. What is proved is in book.ts (by the answers) and in log-check.ts (by the records).
 *
 * kill -9 alone takes nothing that the page cache has; with `loseUnsynced` every kill is a power cut too (power-loss.ts).
 * `break` switches a mechanism off, to show that the proof fails then: `sync` starts the node with --no-sync, `keys` sends every
 * repeat under a fresh key.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { createSegmentJournal } from '../journal/segment/segment-journal.ts';
import { Book, Findings } from './book.ts';
import { faultActors } from './commands.ts';
import { Link } from './link.ts';
import { LogCheck } from './log-check.ts';
import { BENCH_BEHAVIORS, NodeProcess } from './node-process.ts';
import { freePort } from '../testing/ports.ts';
import { losePower, powerLossImport, undoLogBytes } from './power-loss.ts';
import { Pressure } from './pressure.ts';
import { randomFrom } from './random.ts';
import { checkRecords, checkStates } from './states.ts';

export interface KillOptions {
  readonly directory: string;
  readonly rounds: number;
  readonly connections: number;
  readonly inFlight: number;
  readonly actors: number;
  /** Load runs for a random time in this range before the kill. */
  readonly loadMinMs: number;
  readonly loadMaxMs: number;
  /** Share of kills that are followed by another one while the node starts. */
  readonly againShare: number;
  readonly loseUnsynced: boolean;
  readonly break: 'nothing' | 'sync' | 'keys';
  readonly seed: number;
  readonly startArgs: readonly string[];
  readonly say: (text: string) => void;
}

export interface KillResult {
  readonly rounds: number;
  readonly acknowledged: number;
  readonly repeats: number;
  readonly inFlightAtKills: number;
  readonly killsDuringStart: number;
  readonly records: number;
  readonly findings: readonly string[];
  readonly findingsCount: number;
}

const BUCKET_BITS = 8;
/** Actors whose records are read through the admin port after each restart. */
const RECORD_CHECKS = 8;
const REPEATS_AFTER = 400;
const START_KILL_MAX_MS = 400;

export async function runKillCampaign(options: KillOptions): Promise<KillResult> {
  const campaign = new Campaign(options);
  await campaign.prepare();
  try {
    for (let round = 1; round <= options.rounds && campaign.findings.count === 0; round++) {
      await campaign.orFinding(() => campaign.round(round));
    }
    await campaign.orFinding(() => campaign.finish());
    return campaign.result();
  } finally {
    await campaign.cleanUp();
  }
}

class Campaign {
  readonly findings = new Findings();
  private readonly options: KillOptions;
  private readonly book: Book;
  private readonly data: string;
  private readonly undoLog: string;
  private readonly random: () => number;
  private ports: { port: number; adminPort: number } = { port: 0, adminPort: 0 };
  private node: NodeProcess | null = null;
  private links: Link[] = [];
  private recent: number[] = [];
  private roundsDone = 0;
  private inFlightAtKills = 0;
  private killsDuringStart = 0;
  private records = 0;

  constructor(options: KillOptions) {
    this.options = options;
    this.book = new Book(faultActors(options.actors), this.findings);
    this.data = join(options.directory, 'data');
    this.undoLog = join(options.directory, 'undo.log');
    this.random = randomFrom(options.seed);
    mkdirSync(this.data, { recursive: true });
  }

  /** A first start to put the behaviours in service, ended in order, so that the deployment is durable before power may fail. */
  async prepare(): Promise<void> {
    this.ports = { port: await freePort(), adminPort: await freePort() };
    const node = this.start(false);
    await node.ready();
    await node.deploy(BENCH_BEHAVIORS);
    await node.stop();
  }

  async round(round: number): Promise<void> {
    const { options, book } = this;
    const began = performance.now();
    const node = await this.restart();
    const readyMs = performance.now() - began;
    const pressure = await this.prove(node);
    if (this.findings.count > 0) return;
    const before = book.acknowledged;
    // A node that never syncs would lose its files' headers too and be refused as damaged. To see what the missing sync does to
    // acknowledged commands, everything before the load counts as written back by the kernel.
    const writtenBack = options.break === 'sync' ? undoLogBytes(this.undoLog) : 0;
    pressure.start();
    await sleep(options.loadMinMs + this.random() * (options.loadMaxMs - options.loadMinMs));
    const orphans = await node.kill();
    // Answers that were on their way belong to what was acknowledged: they are read before anything is counted.
    await sleep(20);
    const inFlight = pressure.inFlight;
    this.recent = pressure.recentlyAnswered();
    for (const link of this.links) link.close();
    this.node = null;
    if (orphans.length > 0) this.findings.add(`sandboxes outlived their node: ${orphans.join(', ')}`);
    const loss = options.loseUnsynced ? losePower(this.data, this.undoLog, this.keepChoice(), writtenBack) : null;
    this.roundsDone = round;
    this.inFlightAtKills += inFlight;
    const lost = loss === null ? '' : `; power cut took back ${loss.undone} of ${loss.writes} writes`;
    options.say(
      `round ${round}/${options.rounds}: ready after ${Math.round(readyMs)} ms; killed with ${inFlight} in flight, ` +
        `${book.acknowledged - before} acknowledged in this round, ${book.acknowledged} in all${lost}`,
    );
  }

  /** After the last kill: one more restart and proof, an end in order, and the log itself. */
  async finish(): Promise<void> {
    if (this.findings.count === 0) {
      const node = await this.restart();
      const pressure = await this.prove(node);
      await pressure.stop();
    }
    for (const link of this.links) link.close();
    if (this.node !== null) await this.node.stop();
    this.node = null;
    await this.readLog();
  }

  /** A node that does not come up again, or a log that cannot be read, is a finding like any other. */
  async orFinding(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.findings.add(error instanceof Error ? error.message : String(error));
    }
  }

  result(): KillResult {
    return {
      rounds: this.roundsDone,
      acknowledged: this.book.acknowledged,
      repeats: this.book.repeats,
      inFlightAtKills: this.inFlightAtKills,
      killsDuringStart: this.killsDuringStart,
      records: this.records,
      findings: this.findings.list,
      findingsCount: this.findings.count,
    };
  }

  async cleanUp(): Promise<void> {
    for (const link of this.links) link.close();
    if (this.node !== null && !this.node.ended) await this.node.kill();
  }

  private start(withLoss = this.options.loseUnsynced): NodeProcess {
    rmSync(this.undoLog, { force: true });
    this.node = new NodeProcess({
      ...this.ports,
      data: this.data,
      log: join(this.options.directory, 'node.log'),
      nodeArgs: withLoss ? [powerLossImport(this.data, this.undoLog)] : [],
      startArgs: [...(this.options.break === 'sync' && withLoss ? ['--no-sync'] : []), ...this.options.startArgs],
    });
    return this.node;
  }

  private async restart(): Promise<NodeProcess> {
    const { options } = this;
    while (this.random() < options.againShare) {
      const node = this.start();
      await sleep(this.random() * START_KILL_MAX_MS);
      await node.kill();
      if (options.loseUnsynced) losePower(this.data, this.undoLog, this.keepChoice());
      this.killsDuringStart++;
    }
    const node = this.start();
    await node.ready();
    return node;
  }

  /** Learns the outcome of everything that was open, asks again for some of what was answered, and checks states and records. */
  private async prove(node: NodeProcess): Promise<Pressure> {
    const { options, book } = this;
    this.links = await Promise.all(Array.from({ length: options.connections }, () => Link.open(node.port)));
    const settings = { inFlight: options.inFlight, repeatShare: 0.02, freshKeysOnRepeat: options.break === 'keys', random: this.random };
    const settling = new Pressure(book, this.links, settings);
    await settling.resend(this.recent.filter((n) => !book.isOpen(n)).slice(-REPEATS_AFTER));
    if (book.open.size === 0) book.settle();
    await checkStates(book, this.links[0]!);
    for (let i = 0; i < RECORD_CHECKS; i++) {
      await checkRecords(book, node.admin, book.pages[Math.floor(this.random() * book.pages.length)]!.actor);
    }
    return new Pressure(book, this.links, settings);
  }

  private async readLog(): Promise<void> {
    const journal = createSegmentJournal({ directory: join(this.data, 'journal') });
    await journal.open();
    try {
      const buckets = Array.from({ length: 1 << BUCKET_BITS }, (_, index) => ({ bits: BUCKET_BITS, index }));
      const heads = await journal.openBuckets(buckets);
      const check = new LogCheck(this.book);
      for (const { bucket, incarnation } of heads) await check.bucket({ bucket, incarnation }, journal.readBucket(bucket, 1));
      check.finish();
      this.records = check.records;
    } finally {
      await journal.close();
    }
  }

  /** Half of the power cuts take everything that was not synced, the others a random part of it. */
  private keepChoice(): () => boolean {
    // A part of the un-synced writes contradicts the journal's own marks and is refused as damage; losing all of them is silent.
    if (this.options.break === 'sync' || this.random() < 0.5) return () => false;
    return () => this.random() < 0.5;
  }
}
