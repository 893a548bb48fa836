/**
 * kill -9 of a node, which is started again a while later.
 *
 * At the kill, a command goes to a probe in each of the node's buckets. It is a client's command like others: sent again by the client until it is
 * answered. So the last of them tells for how long a bucket was out of service for users, with the client's own pauses between its tries.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { monotonicMs } from '../driver/monotonic.ts';
import type { Figure } from '../report/report.ts';
import { bucketsOf, settled } from '../subject/settled.ts';
import type { SubjectNode } from '../subject/node.ts';
import { ms, oneOf, percentile, running, times } from './disturbance.ts';
import type { Disturbance, World } from './disturbance.ts';

export const victims = ['any', 'scheduler'] as const;
export type Victim = (typeof victims)[number];

const DEAD = 'from the kill to the last answer';
const BACK = 'while the node comes back';
const ANSWERED_MAX_MS = 120_000;

export class Kill implements Disturbance {
  readonly kinds = [DEAD, BACK];
  readonly isProbing = true;
  private readonly victim: Victim;
  private readonly downMs: number;
  /** By bucket of a killed node: from the kill to the answer. */
  private readonly answered: number[] = [];
  /** By kill, the last of them. */
  private readonly last: number[] = [];
  /** By kill: from the second start until all buckets were where they belong. */
  private readonly whole: number[] = [];

  /** `downMs`: how long after the kill the node is started again. */
  constructor(victim: Victim, downMs: number) {
    this.victim = victim;
    this.downMs = downMs;
  }

  async prepare(): Promise<void> {}

  async strike(world: World): Promise<void> {
    const node = await this.chosen(world);
    const buckets = await bucketsOf(node);
    const ended = node.kill();
    const killedAt = monotonicMs();
    const again = this.again(world, node, ended, killedAt);
    const [answers] = await Promise.all([world.driver.reach(buckets, ANSWERED_MAX_MS), again]);
    const after = answers.map((at) => at - killedAt);
    const last = Math.max(0, ...after);
    this.answered.push(...after);
    this.last.push(last);
    const at = world.since(killedAt);
    world.lasted(DEAD, at, at + last, `kill -9 of ${node.name}${this.victim === 'scheduler' ? ', the scheduler' : ''}: its ${buckets.length} buckets answer again`);
  }

  async figures(): Promise<Figure[]> {
    return [
      times('kills', this.last.length, null),
      ms('until half of the buckets of a killed node answered again', percentile(this.answered, 0.5)),
      ms('until the last of them did, worst kill', Math.max(...this.last)),
      ms('until the last of them did, median of the kills', percentile(this.last, 0.5)),
      ms('until a node that was started again had its share, worst', Math.max(...this.whole)),
    ];
  }

  private async chosen(world: World): Promise<SubjectNode> {
    const nodes = running(world);
    const { list } = await nodes[0]!.admin.nodes();
    const scheduler = nodes.find(({ name }) => list.some(({ id, isScheduler }) => id === name && isScheduler));
    if (scheduler === undefined) throw new Error('no node says that it is the scheduler');
    return this.victim === 'scheduler' ? scheduler : oneOf(world, nodes.filter((node) => node !== scheduler));
  }

  private async again(world: World, node: SubjectNode, ended: Promise<void>, killedAt: number): Promise<void> {
    await ended;
    await sleep(Math.max(0, this.downMs - (monotonicMs() - killedAt)), undefined, { signal: world.signal });
    const startedAt = world.nowMs();
    node.startAgain();
    const readyMs = Math.round(await node.process.ready());
    await settled(world.subject.nodes, world.signal);
    const untilMs = world.nowMs();
    this.whole.push(untilMs - startedAt);
    world.lasted(BACK, startedAt, untilMs, `${node.name} is started again, ready after ${readyMs} ms, and gets its share`);
  }
}
