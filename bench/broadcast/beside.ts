/** Other clients beside what is measured: increments of counters at a low, fixed rate, by the lean driver in a process of its own. Checked like any other load. */

import { COUNTER_TYPE } from '../driver/format.ts';
import { Histogram } from '../driver/histogram.ts';
import { RemoteDriver } from '../driver/remote.ts';
import { latencyOf } from '../harness/latency.ts';
import { jobOf, plainLoad } from '../harness/load-spec.ts';
import type { LoadSpec } from '../harness/load-spec.ts';
import { checkState, isClean, mergeTotals } from '../oracle/state.ts';
import type { Check, Latency } from '../report/report.ts';
import type { Subject } from '../subject/subject.ts';

const CONNECTIONS = 4;
const ACTORS = 1_000;
const IN_FLIGHT_MAX = 512;

export interface Seen {
  readonly latency: Latency;
  readonly check: Check;
}

export class Beside {
  private readonly driver = new RemoteDriver();
  private readonly subject: Subject;
  private readonly load: LoadSpec;
  private readonly seed: number;
  private times = 0;

  constructor(subject: Subject, perSecond: number, seed: number) {
    this.subject = subject;
    this.seed = seed;
    this.load = { ...plainLoad, direct: false, actors: ACTORS, connections: CONNECTIONS, loop: { kind: 'open', perSecond, inFlightMax: IN_FLIGHT_MAX } };
  }

  get pid(): number {
    return this.driver.pid;
  }

  /** What they see while `body` runs. Each time they have actors of their own, so that each can be checked by itself. */
  async during<T>(body: () => Promise<T>): Promise<Seen & { readonly result: T }> {
    const { driver, load, subject } = this;
    const number = ++this.times;
    await driver.start(jobOf(load, subject.endpoints, `beside-${number}-`, this.seed + number, 0, 1));
    await driver.begin();
    const result = await body();
    await driver.end();
    const totals = await driver.drain();
    const histogram = new Histogram();
    histogram.add(totals.measure.histogram);
    const trouble = isClean([totals]);
    const { counts, sums } = mergeTotals([totals]);
    const check = trouble === null ? await checkState(driver, COUNTER_TYPE, counts, sums) : { passed: false, detail: trouble };
    return { result, latency: latencyOf(histogram), check };
  }

  stop(): Promise<void> {
    return this.driver.stop();
  }
}
