/** CPU time that another process has used, user and system: what a test can go by on a machine that is busy. */

import fs from 'node:fs';

const MS_PER_TICK = 10;

export function cpuMs(pid: number): number {
  const line = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

/** How many rounds of something take so long, when `run` makes as many as it is told. */
export async function roundsFor(ms: number, pid: number, run: (rounds: number) => Promise<unknown>): Promise<number> {
  // The first time is slower: it is compiled meanwhile.
  await run(1_000_000);
  for (let rounds = 1_000_000; ; rounds *= 2) {
    const before = cpuMs(pid);
    await run(rounds);
    const took = cpuMs(pid) - before;
    if (took >= 5 * MS_PER_TICK) return Math.max(1, Math.round((rounds * ms) / took));
  }
}
