/**
 * Lets a suspect prove itself (R1 of trials.ts) whose actor is in memory by now: with the actor as the log has it, beside the one in memory. [Of messages
 * that come one behind the other, the first one brings their actor back; the next one ends the sandbox again, and others with it that have
 * done nothing.]
 */

import { Activation, GONE } from './activation.ts';
import type { Job } from './job.ts';
import type { KeySlab } from './key-slab.ts';
import { KeyWindow } from './keys.ts';
import type { Loader } from './loader.ts';
import type { Trials } from './trials.ts';

export class Proofs {
  private readonly loader: Loader;
  private readonly trials: Trials;
  private readonly slab: KeySlab;
  private readonly keysMax: number;

  constructor(loader: Loader, trials: Trials, slab: KeySlab, keysMax: number) {
    this.loader = loader;
    this.trials = trials;
    this.slab = slab;
    this.keysMax = keysMax;
  }

  /** Afterwards the job is no suspect any more, or a culprit. @throws as `Loader.load` */
  async examine(job: Job, { address, type, actorHash, shardHash, bucket }: Activation): Promise<void> {
    const beside = new Activation(address, type, actorHash, shardHash, bucket, new KeyWindow(this.slab, this.keysMax));
    beside.wait(job);
    try {
      await this.trials.examine(beside, await this.loader.load(beside));
    } finally {
      beside.phase = GONE;
      beside.keys.release();
    }
  }
}
