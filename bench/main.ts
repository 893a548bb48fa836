/** `npm run bench -- <workload> [options]`. */

import { benchControlPlane } from './control-plane/control-plane.ts';
import { benchCounter } from './counter/counter.ts';

const workloads: Record<string, (args: string[]) => Promise<number>> = {
  counter: benchCounter,
  'control-plane': benchControlPlane,
};

const [name = '', ...args] = process.argv.slice(2);
const workload = workloads[name];
if (workload === undefined) {
  process.stderr.write(`Usage: npm run bench -- <workload> [options]; --help after a workload lists its options.\nWorkloads: ${Object.keys(workloads).join(', ')}\n`);
  process.exitCode = 2;
} else {
  try {
    process.exitCode = await workload(args);
  } catch (error) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
