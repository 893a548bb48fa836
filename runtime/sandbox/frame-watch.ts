/**
 * How long a frame may take, and whose fault it is when it takes longer. Pure: child.ts says what time it is, what CPU time the process has used,
 * and what the process reports of itself.
 *
 * D1  Judged is the step that is running: a decision, a read, one event of a history. It has `stepMs` of CPU time for itself, whoever else is in the
 *     batch and however long that has been running. [Two thousand decisions of a millisecond each: no one of them is late.]
 * D2  Nobody is late without a report that says so: a step is, when it was running already `stepMs` of CPU time before the question was asked and
 *     is running still when the answer is given. A node that reads late, or a process that answers late, makes nobody late.
 * D3  The clock convicts nobody, or a machine that is busy would count as a strike against a behaviour: a step that has not ended when the clock says
 *     `stepWallFactor` times as much ends the process as one that was lost from outside.
 * D4  A batch whose items are all in time may still keep the others waiting for too long. Behind `totalMs` of CPU time it is ended as nobody's
 *     fault, unless it is at its first item: whoever sends less the next time comes through.
 */

import { limits } from '../limits.ts';

export interface Allowance {
  /** 0: the process says nothing of what it does with the frame (a bundle is loaded, it starts); all of it is one step. */
  readonly items: number;
  readonly stepMs: number;
  readonly totalMs: number;
}

export interface Verdict {
  readonly code: 'BEHAVIOR_TIMEOUT' | 'SANDBOX_LOST';
  readonly message: string;
  /** Which item of the frame was running; null when that is not known. */
  readonly item: number | null;
  /** D4 */
  readonly isNobodys: boolean;
}

const LOOK_MAX_MS = 100;
/** Never a number of steps. */
const NO_STEP = -1;

export class FrameWatch {
  private allowance: Allowance | null = null;
  private isFresh = false;
  private frameCpuMs = 0;
  private step = NO_STEP;
  private stepCpuMs = 0;
  /** By the clock, behind the last sign of the step. */
  private waitedMs = 0;
  private lastLook = 0;
  private item: number | null = null;
  private askedCpuMs = 0;

  /** Another frame is the oldest now, or none. */
  begin(allowance: Allowance | null, now: number): void {
    this.allowance = allowance;
    this.isFresh = true;
    this.step = NO_STEP;
    this.item = null;
    this.waitedMs = 0;
    this.lastLook = now;
  }

  /** Time goes by; to be called every few milliseconds. `isBlind`: CPU time cannot be read here. */
  look(now: number, cpuMs: number, isBlind: boolean): Verdict | null {
    const { allowance } = this;
    if (allowance === null) return null;
    if (this.isFresh) {
      this.isFresh = false;
      this.frameCpuMs = this.stepCpuMs = this.askedCpuMs = cpuMs;
    }
    if (allowance.items === 0 && cpuMs - this.stepCpuMs > allowance.stepMs) return this.late(allowance);
    // Where this process did not run itself for a while, nothing is known of the other one.
    this.waitedMs += Math.min(now - this.lastLook, LOOK_MAX_MS);
    this.lastLook = now;
    const factor = allowance.items === 0 ? limits.batchWallFactor : limits.stepWallFactor;
    if (this.waitedMs <= allowance.stepMs * factor + limits.sandboxDeadlineSlackMs) return null;
    if (isBlind) return this.late(allowance);
    return { code: 'SANDBOX_LOST', message: `no answer for ${Math.round(this.waitedMs)} ms`, item: this.item, isNobodys: allowance.items === 0 };
  }

  /** The process is asked how far it is. */
  asked(cpuMs: number): void {
    this.askedCpuMs = cpuMs;
  }

  /** Its answer: items of this frame that were begun, below 0 or beyond the last when it is at another one, and steps begun at all. */
  reported(begun: number, step: number, cpuMs: number): Verdict | null {
    const { allowance } = this;
    if (allowance === null || this.isFresh || begun < 1 || begun > allowance.items) return null;
    this.item = begun - 1;
    if (step !== this.step) {
      this.step = step;
      this.stepCpuMs = cpuMs;
      this.waitedMs = 0;
    } else if (this.askedCpuMs - this.stepCpuMs > allowance.stepMs) return this.late(allowance);
    const spent = this.askedCpuMs - this.frameCpuMs;
    if (this.item === 0 || spent <= allowance.totalMs) return null;
    const message = `item ${begun} of ${allowance.items} after ${Math.round(spent)} ms, each in time`;
    return { code: 'BEHAVIOR_TIMEOUT', message, item: this.item, isNobodys: true };
  }

  /** What is no batch of the engine's is nobody's fault: those behind it have not begun. */
  private late({ items, stepMs }: Allowance): Verdict {
    return { code: 'BEHAVIOR_TIMEOUT', message: `no answer within ${stepMs} ms`, item: this.item, isNobodys: items === 0 };
  }
}

/** What a batch of so many bytes may take whose largest state has so many. */
export function allowanceOf(items: number, bytes: number, stateBytes: number, decideTimeMaxMs: number): Allowance {
  const forBytes = ((bytes + stateBytes) / (1024 * 1024)) * limits.batchTimePerMibMs;
  const stepMs = Math.ceil(decideTimeMaxMs + forBytes);
  return { items, stepMs, totalMs: Math.max(limits.batchTimeMaxMs, 2 * stepMs) };
}
