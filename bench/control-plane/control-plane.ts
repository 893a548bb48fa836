/** `bench control-plane`: a large cluster's control plane on virtual time. Exit code 1 when the oracle had something to say. */

import { version } from '../../runtime/front.ts';
import type { Workload } from '../workload/workload.ts';
import { controlPlaneHelp, parseControlPlaneOptions } from './options.ts';
import type { ControlPlaneOptions } from './options.ts';
import { reportOf } from './report.ts';
import { runScenario } from './scenarios.ts';
import type { ScenarioResult } from './scenarios.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { renderControlPlane } from './table.ts';

export const controlPlane: Workload = {
  name: 'control-plane',
  summary: 'a cluster of a thousand nodes, simulated: how long changes take, and what they cost the store',
  help: controlPlaneHelp,
  run: benchControlPlane,
};

async function benchControlPlane(args: readonly string[]): Promise<number> {
  const options = parseControlPlaneOptions(args);
  const startedAt = new Date();
  const results = await simulate(options, ({ text, convergedMs, moves, leastMoves, cpuSeconds, complaints }) => {
    const outcome = complaints.length > 0 ? `CHECK FAILED: ${complaints[0]}` : `converged in ${(convergedMs / 1_000).toFixed(2)} s, ${moves} moves of at least ${leastMoves}`;
    process.stderr.write(`${text}: ${outcome} (${cpuSeconds.toFixed(1)} s of CPU)\n`);
  });
  process.stdout.write(options.jsonReport ? `${JSON.stringify(reportOf(args, options, startedAt, await version(), results), null, 2)}\n` : renderControlPlane(results));
  return results.some(({ complaints }) => complaints.length > 0) ? 1 : 0;
}

/** All that was asked for, one after the other in one cluster. It is founded in any case. */
export async function simulate(options: ControlPlaneOptions, tell: (result: ScenarioResult) => void): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  const course = { cluster: new SimulatedCluster(options.cluster), nodes: options.nodes, atOnce: options.atOnce, restarts: options.restarts, startMs: options.startMs };
  for (const name of new Set<ControlPlaneOptions['scenarios'][number]>(['found', ...options.scenarios])) {
    await runScenario(name, course, (result) => {
      results.push(result);
      tell(result);
    });
  }
  return results;
}
