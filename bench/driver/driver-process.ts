/** The harness's end of the conversation with a driver process. Every question names the answer that it waits for, so that several may be open. */

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

import { stopChild } from '../subject/subject.ts';

const ANSWER_MAX_MS = 60_000;

/** What a driver says when it cannot go on. */
interface Failed {
  readonly is: 'failed';
  readonly message: string;
}

export abstract class DriverProcess<To extends { readonly do: string }, From extends { readonly is: string }> {
  private readonly child: ChildProcess;

  constructor(program: string) {
    this.child = fork(program, [], { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    // Each open question waits for the process' end.
    this.child.setMaxListeners(0);
  }

  get pid(): number {
    return this.child.pid!;
  }

  stop(): Promise<void> {
    return stopChild(this.child);
  }

  /** @throws Error when the driver has failed, ended, or says nothing for too long */
  protected ask<K extends From['is']>(message: To, wanted: K, maxMs = ANSWER_MAX_MS): Promise<Extract<From, { is: K }>> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.child.off('message', onMessage);
        this.child.off('exit', onExit);
        act();
      };
      const onMessage = (answer: From | Failed): void => {
        if (answer.is === wanted) settle(() => resolve(answer as Extract<From, { is: K }>));
        else if (answer.is === 'failed') settle(() => reject(new Error(`driver: ${(answer as Failed).message}`)));
      };
      const onExit = (code: number | null): void => settle(() => reject(new Error(`the driver ended with ${code}`)));
      const timer = setTimeout(() => settle(() => reject(new Error(`the driver did not answer "${message.do}"`))), maxMs);
      this.child.on('message', onMessage);
      this.child.on('exit', onExit);
      // Refused when it has ended, or the way to it is closed already.
      this.child.send(message, (error) => {
        if (error !== null) settle(() => reject(new Error(`the driver is gone: ${error.message}`)));
      });
    });
  }
}
