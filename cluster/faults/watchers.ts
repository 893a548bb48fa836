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

interface Watched {
  readonly actor: FaultActor;
  readonly how: string;
  seq: number;
  sum: number;
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
    for (const actor of actors) void this.follow(client, { actor, how: direct ? 'straight' : 'through a node', seq: 0, sum: 0 });
  }

  /** V2, when the book is settled. */
  async check(): Promise<void> {
    const until = performance.now() + CATCH_UP_MAX_MS;
    for (const watched of this.watched) {
      const { actor, how } = watched;
      const { seqMax, fold } = this.book.pages[actor.index]!;
      while (watched.seq < seqMax && performance.now() < until) await sleep(POLL_MS);
      if (watched.seq !== seqMax) this.say('V2', actor, how, `stands at event ${watched.seq} of ${seqMax}`);
      else if (watched.sum !== fold.value) this.say('V2', actor, how, `adds up to ${watched.sum}, the state is ${fold.value}`);
    }
  }

  close(): void {
    this.isClosed = true;
    for (const client of this.clients) client.close();
  }

  private async follow(client: Client, watched: Watched): Promise<void> {
    this.watched.push(watched);
    try {
      for await (const { seq, body } of client.watch<{ by?: string }>(watched.actor.address, { from: 1 })) {
        if (seq !== watched.seq + 1) this.say('V1', watched.actor, watched.how, `gives event ${seq} after ${watched.seq}`);
        watched.seq = seq;
        watched.sum += Number(body.by ?? 0);
      }
      if (!this.isClosed) this.say('V1', watched.actor, watched.how, 'has ended');
    } catch (error) {
      if (!this.isClosed) this.say('V1', watched.actor, watched.how, `has failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private say(rule: string, actor: FaultActor, how: string, what: string): void {
    this.book.findings.add(`${rule}: the watch of ${actor.address}, ${how}, ${what}`);
  }
}
