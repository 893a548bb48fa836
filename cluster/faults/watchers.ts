/**
 * Watches that last as long as the campaign, by the project's own client, some of them through whichever node takes the connection and some
 * straight to the owners of the actors:
 *
 *  V1  A watch gives every event of its actor once and in order, from the first on, whoever owns the actor meanwhile.
 *  V2  When no command is open it comes to the last event within a few seconds, and what it gave adds up to the actor's state.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { connect } from '../../runtime/client/client.ts';
import type { Client } from '../../runtime/client/client.ts';
import type { Book } from '../../runtime/faults/book.ts';
import type { FaultActor } from '../../runtime/faults/commands.ts';

const CATCH_UP_MAX_MS = 15_000;
const POLL_MS = 20;

/** What one watch has given so far. Both answer what is wrong, or null. */
export class Watched {
  readonly actor: FaultActor;
  readonly how: string;
  seq = 0;
  private sum = 0;

  constructor(actor: FaultActor, how: string) {
    this.actor = actor;
    this.how = how;
  }

  /** V1 */
  take(seq: number, by: number): string | null {
    const before = this.seq;
    this.seq = seq;
    this.sum += by;
    return seq === before + 1 ? null : `V1: ${this.name} gives event ${seq} after ${before}`;
  }

  /** V2, when `seq` and `value` are the actor's last event and its state. */
  end(seq: number, value: number): string | null {
    if (this.seq !== seq) return `V2: ${this.name} stands at event ${this.seq} of ${seq}`;
    return this.sum === value ? null : `V2: ${this.name} adds up to ${this.sum}, the state is ${value}`;
  }

  get name(): string {
    return `the watch of ${this.actor.address}, ${this.how},`;
  }
}

export class Watchers {
  private readonly book: Book;
  private readonly clients: Client[] = [];
  private readonly watched: Watched[] = [];
  private isClosed = false;

  constructor(book: Book) {
    this.book = book;
  }

  /** Events that were seen so far. */
  get events(): number {
    return this.watched.reduce((sum, { seq }) => sum + seq, 0);
  }

  /** Watches counters, over one connection to `port` or, `direct`, from there to their owners. */
  watch(port: number, actors: readonly FaultActor[], direct: boolean): void {
    const client = connect(`ws://127.0.0.1:${port}`, { direct, silenceMaxMs: 3_000, backoffMaxMs: 500 });
    this.clients.push(client);
    for (const actor of actors) void this.follow(client, new Watched(actor, direct ? 'straight to its owner' : 'through a node'));
  }

  /** V2, when the book is settled. */
  async check(): Promise<void> {
    const until = performance.now() + CATCH_UP_MAX_MS;
    for (const watched of this.watched) {
      const { seqMax, fold } = this.book.pages[watched.actor.index]!;
      while (watched.seq < seqMax && performance.now() < until) await sleep(POLL_MS);
      this.say(watched.end(seqMax, fold.value));
    }
  }

  close(): void {
    this.isClosed = true;
    for (const client of this.clients) client.close();
  }

  private async follow(client: Client, watched: Watched): Promise<void> {
    this.watched.push(watched);
    try {
      for await (const { seq, body } of client.watch<{ by?: string }>(watched.actor.address, { from: 1 })) this.say(watched.take(seq, Number(body.by ?? 0)));
      if (!this.isClosed) this.say(`V1: ${watched.name} has ended`);
    } catch (error) {
      if (!this.isClosed) this.say(`V1: ${watched.name} has failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private say(complaint: string | null): void {
    if (complaint !== null) this.book.findings.add(complaint);
  }
}
