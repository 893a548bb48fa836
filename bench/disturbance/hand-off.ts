/**
 * Buckets change hands because an operator wants so: a node is emptied, and then takes its share again, each node in turn.
 *
 * Two measures of how long a bucket stands still. The nodes log how long each hand-over took on either side, for all buckets. And some of the buckets
 * that leave are asked all the time by a client, one command after the other: the longest that one of those took is the pause as users see it, but for
 * the time between two commands. On a busy machine some command is always slow: the same is measured right in front, while nothing moves.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Figure } from '../report/report.ts';
import { bucketsOf, settled } from '../subject/settled.ts';
import { ms, percentile, running, times } from './disturbance.ts';
import type { Disturbance, World } from './disturbance.ts';

const AWAY = 'while a node is emptied';
const BACK = 'while it takes its share again';
const POLL_MS = 50;
const CALM_MS = 1_000;
/** Between two commands to a probe: with 16 probes at most 1,600 commands a second, beside the load. */
const PACE_MS = 10;
const EMPTY_MAX_MS = 120_000;
const COUNTER_LINE = /^troupe_cluster_hand_offs(_aborted)?_total(?:\{[^}]*\})? (\d+)/gm;
/** Of both log formats. */
const LOG_LINE = /(buckets handed over|buckets opened) buckets=(\d+) ms=(\d+)|"buckets":(\d+),"ms":(\d+),"msg":"(buckets handed over|buckets opened)"/g;

interface Counted {
  readonly handOffs: number;
  readonly aborted: number;
}

export class HandOff implements Disturbance {
  readonly kinds = [AWAY, BACK];
  readonly isProbing = true;
  private readonly probesMax: number;
  private readonly pauses: number[] = [];
  private readonly calm: number[] = [];
  private readonly emptied: number[] = [];
  private before: Counted = { handOffs: 0, aborted: 0 };
  private logged: number[] = [];

  constructor(probesMax: number) {
    this.probesMax = probesMax;
  }

  async prepare(world: World): Promise<void> {
    this.before = await counted(world);
    this.logged = world.subject.nodes.map((node) => node.logText().length);
  }

  async strike(world: World, number: number): Promise<void> {
    const { nodes } = world.subject;
    const node = nodes[number % nodes.length]!;
    const buckets = await bucketsOf(node);
    const probes = sampleOf(buckets, this.probesMax, world);
    await world.driver.probe(probes, PACE_MS);
    await sleep(CALM_MS, undefined, { signal: world.signal });
    this.calm.push(...(await world.driver.unprobe()));
    await world.driver.probe(probes, PACE_MS);
    const awayAt = world.nowMs();
    await node.admin.drain(node.name, true);
    await emptied(world, node.name);
    const backAt = world.nowMs();
    this.emptied.push(backAt - awayAt);
    this.pauses.push(...(await world.driver.unprobe()));
    world.lasted(AWAY, awayAt, backAt, `${node.name} is emptied of its ${buckets.length} buckets`);
    await node.admin.drain(node.name, false);
    await settled(nodes, world.signal);
    world.lasted(BACK, backAt, world.nowMs(), `${node.name} takes its share again`);
  }

  async figures(world: World): Promise<Figure[]> {
    const after = await counted(world);
    const handed = this.fromLogs(world, 'buckets handed over');
    const opened = this.fromLogs(world, 'buckets opened');
    return [
      times('buckets handed over', after.handOffs - this.before.handOffs, null),
      times('hand-offs put off, since the pause would have been too long', after.aborted - this.before.aborted),
      ms('until a node was empty, worst', Math.max(...this.emptied)),
      ...spread('pause of a bucket as a client sees it', this.pauses),
      ...spread('slowest command to a bucket within a second in which nothing moves', this.calm),
      ...spread('handing a bucket over, as the nodes log it', handed),
      ...spread('opening a bucket, as the nodes log it', opened),
    ];
  }

  /** Milliseconds by bucket, since `prepare`. */
  private fromLogs({ subject }: World, what: string): number[] {
    return subject.nodes.flatMap((node, i) => [...node.logText().slice(this.logged[i]).matchAll(LOG_LINE)].flatMap(([, text, buckets, took, jsonBuckets, jsonTook, jsonText]) =>
      ((text ?? jsonText) === what ? Array<number>(Number(buckets ?? jsonBuckets)).fill(Number(took ?? jsonTook)) : [])));
  }
}

/** Nothing of what was not measured. */
function spread(name: string, values: readonly number[]): Figure[] {
  if (values.length === 0) return [];
  return [ms(`${name}, p50`, percentile(values, 0.5)), ms(`${name}, p99`, percentile(values, 0.99)), ms(`${name}, worst`, Math.max(...values))];
}

async function counted(world: World): Promise<Counted> {
  let [handOffs, aborted] = [0, 0];
  for (const { process } of running(world)) {
    for (const [, isAborted, count] of (await process.metrics()).matchAll(COUNTER_LINE)) {
      if (isAborted === undefined) handOffs += Number(count);
      else aborted += Number(count);
    }
  }
  return { handOffs, aborted };
}

/** As `troupe nodes drain --wait` sees it. */
async function emptied({ subject, signal }: World, name: string): Promise<void> {
  const other = subject.nodes.find((node) => node.name !== name)!;
  const until = performance.now() + EMPTY_MAX_MS;
  for (;;) {
    const { list } = await other.admin.nodes();
    const left = list.find(({ id }) => id === name)?.buckets ?? 0;
    if (left === 0) return;
    if (performance.now() > until) throw new Error(`${name} still has ${left} buckets after ${EMPTY_MAX_MS} ms`);
    await sleep(POLL_MS, undefined, { signal });
  }
}

function sampleOf(buckets: readonly number[], most: number, { random }: World): number[] {
  const left = [...buckets];
  const sample: number[] = [];
  while (sample.length < most && left.length > 0) sample.push(...left.splice(random.below(left.length), 1));
  return sample;
}
