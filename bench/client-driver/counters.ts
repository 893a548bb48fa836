/** Increments of bench.v1.Counter actors as operations of a client driver, and the book that the actors are held against at the end. */

import { connect, TroupeClientError } from '../../runtime/client/client.ts';
import { choiceOf } from '../driver/choice.ts';
import type { Choice } from '../driver/choice.ts';
import { actorAddress, BY_MAX, COUNTER_TYPE } from '../driver/format.ts';
import type { DriverRandom } from '../driver/random.ts';
import type { Mismatch, Verdict } from '../driver/verify.ts';
import type { CarefulClient } from './careful-client.ts';
import type { ClientJob } from './protocol.ts';

const GETS_IN_FLIGHT = 128;
const SHOWN_MAX = 10;

export class Counters {
  /** By actor and then by probe: acknowledged commands, and the sum of their increments. */
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  /** By code, of commands that certainly had no effect. */
  readonly errors = new Map<string, number>();
  private readonly addresses: readonly string[];
  private readonly clients: readonly CarefulClient[];
  private readonly choice: Choice;
  private readonly random: DriverRandom;
  private turn = 0;

  constructor({ actors, distribution, prefix, probes }: ClientJob, clients: readonly CarefulClient[], random: DriverRandom) {
    this.addresses = [...Array.from({ length: actors }, (_, i) => actorAddress({ type: COUNTER_TYPE, prefix }, i)), ...probes];
    this.counts = new Float64Array(this.addresses.length);
    this.sums = new Float64Array(this.addresses.length);
    this.clients = clients;
    this.random = random;
    this.choice = choiceOf(distribution, actors, random)!;
  }

  /** One increment of the actor whose turn it is, by the next client. */
  readonly operation = (): Promise<boolean> => this.increment(this.choice.next(), this.clients[this.turn++ % this.clients.length]!);

  /** Whether it was acknowledged. */
  async increment(index: number, client: CarefulClient): Promise<boolean> {
    const by = 1 + this.random.below(BY_MAX);
    const outcome = await client.send(this.addresses[index]!, 'Increment', { by });
    if (outcome.is === 'done') {
      this.counts[index] = this.counts[index]! + 1;
      this.sums[index] = this.sums[index]! + by;
      return true;
    }
    if (outcome.is === 'refused') this.errors.set(outcome.error.code, (this.errors.get(outcome.error.code) ?? 0) + 1);
    return false;
  }

  /** Reads back every counter that has acknowledged something: its value must be the sum, the number of its newest event the count. */
  async verify(urls: readonly string[], counts: Float64Array, sums: Float64Array): Promise<Verdict> {
    const actors = [...counts.keys()].filter((actor) => counts[actor]! > 0);
    const mismatches: Mismatch[] = [];
    const failures: string[] = [];
    const client = connect(urls);
    let next = 0;
    const reader = async (): Promise<void> => {
      while (next < actors.length) {
        const actor = actors[next++]!;
        const address = this.addresses[actor]!;
        try {
          const { seq, state } = await client.get<{ value?: string | number }>(address);
          const found = { foundSum: Number(state.value ?? 0), foundSeq: seq };
          const isRight = found.foundSum === sums[actor] && seq === counts[actor];
          if (!isRight && mismatches.length < SHOWN_MAX) mismatches.push({ actor, expectedSum: sums[actor]!, expectedSeq: counts[actor]!, ...found });
        } catch (error) {
          if (!(error instanceof TroupeClientError)) throw error;
          if (failures.length < SHOWN_MAX) failures.push(`get of ${address}: ${error.code}`);
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: GETS_IN_FLIGHT }, reader));
    } finally {
      client.close();
    }
    return { actorsChecked: actors.length, mismatches, failures };
  }
}
