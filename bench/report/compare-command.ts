/** `bench compare old.json new.json`: the shell around compare.ts. Data goes to stdout, complaints to stderr. */

import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import { printableLines } from '../../runtime/cli/terminal.ts';
import { compareReports, defaultNoiseFloors, isWorse, type NoiseFloors } from './compare.ts';
import { renderComparison } from './comparison-text.ts';
import { readReport } from './read.ts';
import type { Report } from './report.ts';

export const compareHelp = `Usage: troupe bench compare [options] <old.json> <new.json>

Compares two reports that "troupe bench ... --out" or "--json" wrote, case by case: throughput, latency, CPU, memory and figures, and,
where both hold a baseline of the same load, the ratios to it, which survive a slower machine.

A change counts when it exceeds the noise: the larger spread of the rounds of both reports, and at least ${defaultNoiseFloors.percent} %
(${defaultNoiseFloors.fewRoundsPercent} % with fewer than three rounds). Five rounds are a good number for a build.

  --noise <percent>      at least this much is noise, however many rounds there are
  --json                 the comparison as JSON
  --help

Exit code: 0 no case is worse, 1 some case is worse or failed its check, 2 the reports cannot be compared.
`;

const exitWorse = 1;
const exitUsage = 2;

export async function benchCompare(args: string[]): Promise<number> {
  try {
    return await compare(args);
  } catch (error) {
    process.stderr.write(`error: ${printableLines(error instanceof Error ? error.message : String(error))}\n`);
    return exitUsage;
  }
}

async function compare(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false }, noise: { type: 'string' } },
  });
  if (values.help) {
    process.stdout.write(compareHelp);
    return 0;
  }
  const [oldPath, newPath, ...more] = positionals;
  if (oldPath === undefined || newPath === undefined || more.length > 0) throw new Error('wanted are two reports, the old one first; --help says more');
  const comparison = compareReports(await load(oldPath), await load(newPath), noiseFloors(values.noise));
  // Nothing in common must not pass for nothing worse.
  if (comparison.cases.length === 0) throw new Error('no case is in both reports');
  process.stdout.write(values.json ? `${JSON.stringify(comparison, null, 2)}\n` : renderComparison(comparison));
  return isWorse(comparison) ? exitWorse : 0;
}

async function load(path: string): Promise<Report> {
  return readReport(await readFile(path, 'utf8'), path);
}

function noiseFloors(text: string | undefined): NoiseFloors {
  if (text === undefined) return defaultNoiseFloors;
  const percent = Number(text);
  if (text.trim() === '' || !(percent >= 0 && percent <= 100)) throw new Error(`--noise ${text}: wanted is a percentage from 0 to 100`);
  return { percent, fewRoundsPercent: percent };
}
