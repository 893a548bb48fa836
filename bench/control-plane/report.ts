/** The simulation's results as a report of a benchmark: a scenario is a case, its figures are of virtual time. */

import { REPORT_FORMAT } from '../report/report.ts';
import type { CaseReport, Figure, Report } from '../report/report.ts';
import { describeMachine } from '../machine/machine.ts';
import type { ControlPlaneOptions } from './options.ts';
import type { ScenarioResult } from './scenarios.ts';

const WORKLOAD = 'control-plane';

export function reportOf(args: readonly string[], options: ControlPlaneOptions, startedAt: Date, version: string, results: readonly ScenarioResult[]): Report {
  return {
    format: REPORT_FORMAT,
    at: startedAt.toISOString(),
    seconds: (Date.now() - startedAt.getTime()) / 1_000,
    workload: WORKLOAD,
    args,
    machine: describeMachine(process.cwd()),
    versions: { troupe: version, node: process.version },
    cases: results.map((result) => caseOf(options, result)),
    loops: [],
    goals: [],
  };
}

function caseOf({ nodes, cluster, atOnce }: ControlPlaneOptions, result: ScenarioResult): CaseReport {
  const shape = `${nodes}x${2 ** cluster.bucketBits}`;
  const passed = result.complaints.length === 0;
  return {
    id: `${WORKLOAD}/${shape}/${result.name.replace(' ', '-')}`,
    workload: WORKLOAD,
    subject: 'simulation',
    load: shape,
    isBaseline: false,
    durability: 'none',
    parameters: { scenario: result.text, seed: cluster.seed, atOnce, movesPerRoundMax: cluster.timing.movesPerRoundMax, movesPerNodeMax: cluster.timing.movesPerNodeMax, movesInFlightMax: cluster.timing.movesInFlightMax, trace: result.digest },
    runs: [{
      round: 1,
      check: { passed, detail: passed ? 'the oracle had nothing to say' : result.complaints.slice(0, 10).join('; ') },
      commandsPerSecond: null, commands: 0, windowMs: result.convergedMs, warmUpMs: null, latencyMs: null, latencyCurve: [], lateMs: null, due: null, remarks: [],
      timeline: { sliceMs: 0, commands: [], p50Ms: [], p99Ms: [], maxMs: [] },
      marks: [], processes: [], deviceBytesPerCommand: null, retries: 0, errors: {},
      figures: passed ? figuresOf(result) : [],
    }],
  };
}

function figuresOf({ absence, store, ...result }: ScenarioResult): Figure[] {
  const less = (name: string, value: number, unit: string): Figure => ({ name, value, unit, isLessBetter: true });
  return [
    less('moves', result.moves, ''),
    { name: 'least moves', value: result.leastMoves, unit: '', isLessBetter: null },
    less('time to converge', result.convergedMs, 'ms'),
    less('buckets without owner for a while', absence.buckets, ''),
    less('time without owner p50', absence.p50Ms, 'ms'),
    less('time without owner p99', absence.p99Ms, 'ms'),
    less('time without owner max', absence.maxMs, 'ms'),
    less('store calls mean', store.callsPerSecondMean, 'calls/s'),
    less('store calls peak', store.callsPerSecondPeak, 'calls/s'),
    ...Object.entries(store.calls).map(([kind, calls]) => less(`store calls: ${kind}`, calls, '')),
    less('map versions', result.mapVersions, ''),
    less('maps sent', store.mapBytes / 2 ** 20, 'MiB'),
    less('nodes sent', store.nodeBytes / 2 ** 20, 'MiB'),
    { name: 'hand-offs', value: result.handOffs, unit: '', isLessBetter: null },
    less('hand-offs put off', result.aborted, ''),
    { name: 'hand-offs at once', value: result.movingPeak, unit: '', isLessBetter: null },
    less('CPU of the simulation', result.cpuSeconds, 's'),
  ];
}
