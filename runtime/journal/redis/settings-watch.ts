/**
 * Keeps the durability class true while the journal is open: a server can be set otherwise, or started anew with other settings, under nodes
 * that go on. The settings are read again every few seconds, and as soon as a server is connected to again.
 *
 * T1  `durability` is what the servers said when they were last heard. A look that fails changes nothing.
 * T2  Every change is told once: of the class as a warning, of what a start would refuse as an alarm, which is repeated while it lasts.
 * T3  Serving goes on whatever is found. [All nodes of a cluster would stop within seconds of one CONFIG SET, which an operator may have meant
 *     for the minutes of a migration; and what has been acknowledged is no safer for it.]
 */

import type { TroupeError } from '../../codec/errors.ts';
import { judge, ServerSettings } from './durability.ts';
import type { RedisClass, Verdict } from './durability.ts';
import type { StoreLinks } from './links.ts';
import { Lookout } from './lookout.ts';

const ALARM_AGAIN_MS = 60_000;

export type SettingsSource = Pick<StoreLinks, 'callAll' | 'onConnected'>;

export interface SettingsWatchParts {
  readonly links: SettingsSource;
  /** Take a server that keeps nothing. */
  readonly memoryAllowed: boolean;
  readonly warn: (message: string) => void;
  readonly alarm: (message: string) => void;
  readonly lookEveryMs?: number;
  /** In milliseconds, never going back. */
  readonly now?: () => number;
}

export class SettingsWatch {
  durability: RedisClass = 'memory';
  /** Why a node that starts now would refuse the servers; empty for no reason. */
  refusals: readonly TroupeError[] = [];
  private readonly links: SettingsSource;
  private readonly memoryAllowed: boolean;
  private readonly warn: (message: string) => void;
  private readonly alarm: (message: string) => void;
  private readonly now: () => number;
  private readonly settings: ServerSettings;
  private readonly lookout: Lookout;
  private alarmedAt = -Infinity;
  private isAnotherConnection = false;

  constructor({ links, memoryAllowed, warn, alarm, lookEveryMs, now = () => performance.now() }: SettingsWatchParts) {
    this.links = links;
    this.memoryAllowed = memoryAllowed;
    this.warn = warn;
    this.alarm = alarm;
    this.now = now;
    this.settings = new ServerSettings(links);
    this.lookout = new Lookout(() => this.lookAgain(), lookEveryMs);
  }

  /** The first look. @throws TroupeError CONFIG_INVALID for settings under which nothing should be acknowledged; StoreError */
  async start(): Promise<void> {
    const { durability, because, isDeceptive, refusals } = await this.ask();
    if (refusals[0] !== undefined) throw refusals[0];
    this.durability = durability;
    if (isDeceptive) this.warn(`the durability class is ${durability}: ${because}. Redis synchronises nothing while it rewrites or saves; a loss of power costs what the kernel had not written`);
  }

  follow(): void {
    this.links.onConnected = () => {
      this.isAnotherConnection = true;
      void this.lookout.anew();
    };
    this.lookout.follow();
  }

  look(): Promise<void> {
    return this.lookout.now();
  }

  close(): void {
    this.links.onConnected = null;
    this.lookout.close();
  }

  private async ask(): Promise<Verdict> {
    return judge(await this.settings.read(), this.memoryAllowed);
  }

  private async lookAgain(): Promise<void> {
    if (this.isAnotherConnection) this.settings.askAnew();
    this.isAnotherConnection = false;
    let verdict: Verdict;
    try {
      verdict = await this.ask();
    } catch {
      return; // T1
    }
    this.foundClass(verdict);
    this.foundRefusals(verdict.refusals);
  }

  private foundClass({ durability, because }: Verdict): void {
    const before = this.durability;
    if (durability === before) return;
    this.durability = durability;
    this.warn(`the durability class is ${durability} now, and was ${before}: ${because}. From here on an answer survives what that class says, no more`);
  }

  private foundRefusals(refusals: readonly TroupeError[]): void {
    const before = this.refusals;
    this.refusals = refusals;
    if (refusals.length === 0) {
      if (before.length > 0) this.warn('the settings of the store are such again as a node takes that starts');
      return;
    }
    const isOld = reasonsOf(refusals) === reasonsOf(before);
    if (isOld && this.now() - this.alarmedAt < ALARM_AGAIN_MS) return;
    this.alarmedAt = this.now();
    this.alarm(`UNSAFE SETTINGS: ${reasonsOf(refusals)}. A node that starts would refuse this; this one goes on. ${refusals[0]!.hint ?? ''}`);
  }
}

function reasonsOf(refusals: readonly TroupeError[]): string {
  return refusals.map(({ message }) => message).join('; ');
}
