/** The harness's handle on a driver process. */

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';

import { stopChild } from '../subject/subject.ts';
import type { DrivenType } from './format.ts';
import type { DriverJob, DriverTotals, FromDriver, ToDriver } from './protocol.ts';
import type { Verdict } from './verify.ts';

const ANSWER_MAX_MS = 60_000;
const SWEEP_MAX_MS = 660_000;

type Answer<K extends FromDriver['is']> = Extract<FromDriver, { is: K }>;

export class RemoteDriver {
  private readonly child: ChildProcess;

  constructor() {
    this.child = fork(join(import.meta.dirname, 'main.ts'), [], { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  get pid(): number {
    return this.child.pid!;
  }

  async start(job: DriverJob): Promise<void> {
    await this.ask({ do: 'start', job }, 'started');
  }

  async begin(): Promise<void> {
    await this.ask({ do: 'begin' }, 'begun');
  }

  /** Of the measured time; what is still open is waited for by `drain`. */
  async end(): Promise<void> {
    await this.ask({ do: 'end' }, 'ended');
  }

  async drain(): Promise<DriverTotals> {
    return (await this.ask({ do: 'drain' }, 'drained')).totals;
  }

  /** Of a sweep: when every actor has had its turn. */
  async finish(): Promise<DriverTotals> {
    return (await this.ask({ do: 'finish' }, 'drained', SWEEP_MAX_MS)).totals;
  }

  async verify(type: DrivenType, counts: Float64Array, sums: Float64Array): Promise<Verdict> {
    return (await this.ask({ do: 'verify', type, counts, sums }, 'verified')).verdict;
  }

  stop(): Promise<void> {
    return stopChild(this.child);
  }

  private ask<K extends FromDriver['is']>(message: ToDriver, wanted: K, maxMs = ANSWER_MAX_MS): Promise<Answer<K>> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.child.off('message', onMessage);
        this.child.off('exit', onExit);
        act();
      };
      const onMessage = (answer: FromDriver): void => {
        if (answer.is === wanted) settle(() => resolve(answer as Answer<K>));
        else if (answer.is === 'failed') settle(() => reject(new Error(`driver: ${answer.message}`)));
      };
      const onExit = (code: number | null): void => settle(() => reject(new Error(`the driver ended with ${code}`)));
      const timer = setTimeout(() => settle(() => reject(new Error(`the driver did not answer "${message.do}"`))), maxMs);
      this.child.on('message', onMessage);
      this.child.on('exit', onExit);
      this.child.send(message);
    });
  }
}
