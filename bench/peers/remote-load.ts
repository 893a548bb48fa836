/** The harness' handle on a driver process of peers (http-driver.ts). */

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';

import { stopChild } from '../subject/subject.ts';
import type { FromHttpDriver, HttpJob, HttpMeasure, HttpVerdict, ToHttpDriver } from './http-driver.ts';

/** Creating ten thousand counters takes a peer a while. */
const ANSWER_MAX_MS = 180_000;

type Answer<K extends FromHttpDriver['is']> = Extract<FromHttpDriver, { is: K }>;

export class RemoteLoad {
  private readonly child: ChildProcess = fork(join(import.meta.dirname, 'http-driver.ts'), [], { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });

  get pid(): number {
    return this.child.pid!;
  }

  /** Resolves when every counter was touched and the load runs. */
  async start(job: HttpJob): Promise<void> {
    await this.ask({ do: 'start', job }, 'started');
  }

  async begin(): Promise<void> {
    await this.ask({ do: 'begin' }, 'begun');
  }

  async end(): Promise<HttpMeasure> {
    return (await this.ask({ do: 'end' }, 'ended')).measure;
  }

  async check(): Promise<HttpVerdict> {
    return (await this.ask({ do: 'check' }, 'checked')).verdict;
  }

  stop(): Promise<void> {
    return stopChild(this.child);
  }

  private ask<K extends FromHttpDriver['is']>(message: ToHttpDriver, wanted: K): Promise<Answer<K>> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.child.off('message', onMessage);
        this.child.off('exit', onExit);
        act();
      };
      const onMessage = (answer: FromHttpDriver): void => {
        if (answer.is === wanted) settle(() => resolve(answer as Answer<K>));
        else if (answer.is === 'failed') settle(() => reject(new Error(`driver: ${answer.message}`)));
      };
      const onExit = (code: number | null): void => settle(() => reject(new Error(`the driver ended with ${code}`)));
      const timer = setTimeout(() => settle(() => reject(new Error(`the driver did not answer "${message.do}"`))), ANSWER_MAX_MS);
      this.child.on('message', onMessage);
      this.child.on('exit', onExit);
      this.child.send(message);
    });
  }
}
