/** Resident memory of a node and its sandboxes, watched while something happens. */

import { descendantsOf, sampleProcess } from './proc.ts';

const SAMPLE_MS = 20;
const MIB = 1024 * 1024;

export interface NodeMemory {
  readonly nodeMib: number;
  /** Largest first. */
  readonly sandboxesMib: readonly number[];
}

export function nodeMemory(pid: number): NodeMemory {
  return {
    nodeMib: mib(pid),
    sandboxesMib: descendantsOf(pid).map(mib).sort((a, b) => b - a),
  };
}

export function memoryText({ nodeMib, sandboxesMib }: NodeMemory): string {
  return `node ${nodeMib} MiB, sandboxes ${sandboxesMib.join(' + ') || 'none'} MiB`;
}

/** The most that was seen, sampled every 20 ms; the kernel's own high-water mark where the process still lives. */
export class MemoryWatch {
  nodeMaxMib = 0;
  sandboxMaxMib = 0;
  private readonly pid: number;
  private readonly timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.pid = pid;
    this.timer = setInterval(() => this.sample(), SAMPLE_MS);
  }

  stop(): void {
    this.sample();
    clearInterval(this.timer);
  }

  private sample(): void {
    this.nodeMaxMib = Math.max(this.nodeMaxMib, mib(this.pid));
    for (const sandbox of descendantsOf(this.pid)) {
      const peak = (sampleProcess(sandbox).rssPeakBytes ?? 0) / MIB;
      this.sandboxMaxMib = Math.max(this.sandboxMaxMib, Math.round(peak));
    }
  }
}

function mib(pid: number): number {
  return Math.round((sampleProcess(pid).rssBytes ?? 0) / MIB);
}
