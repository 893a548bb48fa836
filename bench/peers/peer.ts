/** A peer: another server that keeps counters durably, measured beside ours. It is installed by whoever measures, never by us. */

import type { RunningProcess } from '../subject/subject.ts';
import type { DialectName } from './dialect.ts';

export type PeerName = DialectName;
export const peerNames: readonly PeerName[] = ['restate', 'workerd'];

export interface Peer {
  readonly name: PeerName;
  readonly port: number;
  /** In short, what an answer survives. */
  readonly durability: string;
  /** What has happened before it answers, in a sentence, and where that is written. */
  readonly guarantee: string;
  /** More counters than that cannot be kept open with what the machine allows. */
  readonly actorsMax: number;
  /** The settings that it was given beside its defaults. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  processes(): RunningProcess[];
  stop(): Promise<void>;
}

/** Not installed: a text for people, which says what is missing and how to get it. */
export class PeerMissing extends Error {
  override readonly name = 'PeerMissing';
}
