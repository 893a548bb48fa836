/**
 * Watches whether the servers' disks keep up. With `everysec` a server answers before it writes while a synchronisation is under way, for two
 * seconds at most (durability.ts): its death costs what it held back. It counts the times that two seconds were not enough
 * (`aof_delayed_fsync`); every one of them is told, before it has cost anything.
 *
 * D1  The total never goes back. A server that was started anew, or whose figures were reset, counts from nothing.
 * D2  Nothing depends on it: a server that does not answer, or whose report this user may not see, is left out until it does.
 * D3  What was counted before the first look was not under this journal's eyes, and is not told.
 *
 * It counts under `everysec` alone; which policy a server has now is told elsewhere (settings-watch.ts).
 */

import type { StoreLinks } from './links.ts';
import { Lookout } from './lookout.ts';

/** `INFO persistence` of every master. */
export type ReportsOf = Pick<StoreLinks, 'callAll'>;

export class SyncWatch {
  /** Times that Redis wrote although a synchronisation had not ended for two seconds, of all servers; undefined until one has said so. */
  delayed: number | undefined;
  private readonly links: ReportsOf;
  private readonly warn: (message: string) => void;
  /** As each server counted when it was last heard. */
  private readonly counted = new Map<string, number>();
  private readonly lookout = new Lookout(() => this.ask());

  constructor(links: ReportsOf, warn: (message: string) => void) {
    this.links = links;
    this.warn = warn;
  }

  follow(): void {
    this.lookout.follow();
  }

  look(): Promise<void> {
    return this.lookout.now();
  }

  close(): void {
    this.lookout.close();
  }

  private async ask(): Promise<void> {
    let answers: Awaited<ReturnType<ReportsOf['callAll']>>;
    try {
      answers = await this.links.callAll('INFO', ['persistence']);
    } catch {
      return; // D2
    }
    for (const { name, answer } of answers) {
      const found = /^aof_delayed_fsync:(\d+)/m.exec(String(answer))?.[1];
      if (found !== undefined) this.heard(name, Number(found));
    }
  }

  private heard(name: string, count: number): void {
    const before = this.counted.get(name);
    this.counted.set(name, count);
    this.delayed ??= 0;
    if (before === undefined) return; // D3
    const grown = count < before ? count : count - before; // D1
    if (grown === 0) return;
    this.delayed += grown;
    const times = grown === 1 ? 'once' : `${grown} times`;
    this.warn(
      `the disk of ${name} does not keep up: ${times} since the last look, a synchronisation took more than two seconds (aof_delayed_fsync ${count}). `
      + 'With appendfsync everysec its death would have cost what it had acknowledged meanwhile; appendfsync always holds back the answers instead',
    );
  }
}
