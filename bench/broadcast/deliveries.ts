/** When each broadcast reached whom, by the records of the logs: the n-th that a leaf has heard is the n-th of its hub, whose channels keep their order. */

import { HUB } from '../../runtime/faults/broadcast-actors.ts';
import type { LogRecord } from '../../runtime/faults/messages/log-record.ts';
import { DECISION } from '../../runtime/faults/messages/log-record.ts';
import { Recorder } from '../driver/recorder.ts';
import type { Measure } from '../driver/recorder.ts';

const LEAF = 'links.v1.Leaf:l-';

export class Deliveries {
  /** By broadcast, when each leaf heard of it, by the wall clock of the turn; in no order. */
  readonly heardMs: number[][] = [];
  told = 0;
  private readonly heard = new Map<string, number>();

  record({ kind, actor, name, nowMs }: LogRecord): void {
    if (kind !== DECISION) return;
    if (actor === HUB) this.told++;
    if (name !== 'Hear' || !actor.startsWith(LEAF)) return;
    const before = this.heard.get(actor) ?? 0;
    this.heard.set(actor, before + 1);
    (this.heardMs[before] ??= []).push(nowMs);
  }

  /** What keeps so many broadcasts from having reached so many actors, each once; null when nothing does. */
  missing(linked: number, times: number): string | null {
    const each = this.heardMs.map(({ length }) => length);
    if (this.told === times && each.length === times && each.every((count) => count === linked)) return null;
    return `${this.told} of ${times} broadcasts have reached ${each.join(', ') || 'none'} of ${linked} linked actors, by the logs`;
  }

  lastOf(broadcast: number): number {
    return this.heardMs[broadcast]?.reduce((a, b) => Math.max(a, b), 0) ?? 0;
  }

  /** As a driver would have measured it: from the first of these broadcasts to the last delivery of the last, each from when its command was sent. */
  measure(first: number, sentMs: readonly number[]): Measure {
    const all = sentMs.flatMap((sent, i) => (this.heardMs[first + i] ?? []).map((at) => ({ sent, at: Math.max(at, sent) })));
    all.sort((a, b) => a.at - b.at);
    const recorder = new Recorder();
    recorder.begin(sentMs[0]!);
    for (const { sent, at } of all) {
      recorder.roll(at);
      recorder.answered(sent, at);
    }
    // The last one is within.
    recorder.end((all.at(-1)?.at ?? sentMs[0]!) + 1);
    return recorder.dump();
  }
}
