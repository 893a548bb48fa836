/** CPU time that another process has used, user and system: what a test can go by on a machine that is busy. */

import fs from 'node:fs';

const MS_PER_TICK = 10;
const ENOUGH_MS = 5 * MS_PER_TICK;
const COUNTS = 3;

export function cpuMs(pid: number): number {
  const line = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

/**
 * How many rounds of something take so long, when `run` makes as many as it is told. By the least of some counts: a single one was five times
 * too long once, on a machine whose host took half of it.
 */
export async function roundsFor(ms: number, pid: number, run: (rounds: number) => Promise<unknown>): Promise<number> {
  // The first time is slower: it is compiled meanwhile.
  await run(1_000_000);
  for (let rounds = 1_000_000; ; rounds *= 2) {
    const took = await leastOf(COUNTS, ENOUGH_MS, async () => {
      const before = cpuMs(pid);
      await run(rounds);
      return cpuMs(pid) - before;
    });
    if (took >= ENOUGH_MS) return Math.max(1, Math.round((rounds * ms) / took));
  }
}

/** Or the first one that is less than `enough`. */
async function leastOf(counts: number, enough: number, count: () => Promise<number>): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < counts && least >= enough; i++) least = Math.min(least, await count());
  return least;
}
