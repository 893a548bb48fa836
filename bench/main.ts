/** `troupe bench <workload> [options]`: the entry. What runs is in workload/, what compares in report/. */

import { controlPlane } from './control-plane/control-plane.ts';
import { EXIT_INTERRUPTED, Interrupted } from './harness/suite.ts';
import { PeerMissing } from './peers/peer.ts';
import { benchCompare } from './report/compare-command.ts';
import { activation } from './workload/activation.ts';
import { goals } from './workload/all-goals.ts';
import { broadcast } from './workload/broadcast.ts';
import { deploy, handOff, kill } from './workload/faults.ts';
import { connections, counter, read, sends } from './workload/plain.ts';
import { shop } from './workload/shop.ts';
import type { Workload } from './workload/workload.ts';

const workloads: readonly Workload[] = [goals, counter, read, sends, connections, activation, shop, broadcast, kill, handOff, deploy, controlPlane];

const help = `Usage: troupe bench <workload> [options]
       troupe bench compare <a.json> <b.json>

Starts servers on this machine (or is pointed at a cluster that runs), loads them from processes of its own, checks that nothing was lost or
doubled, and reports. troupe bench <workload> --help has the options; bench/README.md says what each figure means.

Workloads:
${workloads.map(({ name, summary }) => `  ${name.padEnd(16)}${summary}`).join('\n')}

Other:
  compare         two reports: what became better or worse, beyond what rounds differ by

Exit codes: 0 done, 1 a check failed, or a comparison found something worse, 2 wrong command line, or a peer that is
not installed, 130 interrupted.
`;

const EXIT_USAGE = 2;

async function main([name = '', ...args]: string[]): Promise<number> {
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(help);
    return 0;
  }
  if (name === 'compare') return benchCompare(args);
  const workload = workloads.find((one) => one.name === name);
  if (workload === undefined) {
    process.stderr.write(name === '' ? help : `error: there is no workload "${name}"\nhint: troupe bench --help lists them.\n`);
    return EXIT_USAGE;
  }
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(workload.help);
    return 0;
  }
  return workload.run(args);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const { message, code } = error as Error & { code?: string };
  // node:util's parseArgs on what it does not know.
  const isUsage = code?.startsWith('ERR_PARSE_ARGS') === true || message.startsWith('--');
  const isInterrupted = error instanceof Interrupted;
  process.stderr.write(isInterrupted ? 'interrupted: servers are stopped, folders removed\n' : `error: ${message}\n${isUsage ? 'hint: add --help to see what there is.\n' : ''}`);
  process.exitCode = isInterrupted ? EXIT_INTERRUPTED : isUsage || error instanceof PeerMissing ? EXIT_USAGE : 1;
}
