/** The report for people. */

import type { ScenarioResult } from './scenarios.ts';

export function renderControlPlane(results: readonly ScenarioResult[]): string {
  const parts = [
    table(
      ['scenario', 'nodes', 'moves', 'least', 'converged s', 'buckets without owner', 'p50 ms', 'p99', 'max', 'hand-offs', 'put off', 'at once', 'CPU s'],
      results.map((one) => [
        one.text, whole(one.nodes), whole(one.moves), whole(one.leastMoves), (one.convergedMs / 1_000).toFixed(2), whole(one.absence.buckets),
        whole(one.absence.p50Ms), whole(one.absence.p99Ms), whole(one.absence.maxMs), whole(one.handOffs), whole(one.aborted), whole(one.movingPeak), one.cpuSeconds.toFixed(1),
      ]),
    ),
    '',
    table(
      ['scenario', 'store calls/s', 'peak', 'map versions', 'MiB of maps', 'MiB of nodes', 'calls by kind'],
      results.map((one) => [
        one.text, whole(one.store.callsPerSecondMean), whole(one.store.callsPerSecondPeak), whole(one.mapVersions), whole(one.store.mapBytes / 2 ** 20),
        whole(one.store.nodeBytes / 2 ** 20), Object.entries(one.store.calls).map(([kind, calls]) => `${kind} ${calls}`).join(', '),
      ]),
    ),
    '',
    ...results.flatMap((one) => one.complaints.slice(0, 10).map((complaint) => `CHECK FAILED ${one.name}: ${complaint}`)),
    `trace ${results.at(-1)?.digest ?? '-'}`,
  ];
  return `${parts.join('\n')}\n`;
}

/** Text left, numbers right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const isNumber = head.map((_, i) => rows.length > 0 && rows.every((row) => /^[\d,.\-]+$/.test(row[i]!)));
  const line = (cells: readonly string[]): string => cells.map((cell, i) => (isNumber[i] === true ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  ').trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
