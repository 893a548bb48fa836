/**
 * A report from outside: a file that this or another version wrote, or that somebody edited. Pure; reading the file is the caller's.
 *
 * V1  What `readReport` returns has every field that report.ts names, each of its type, and keeps B1.
 * V2  A complaint names the report, the field by its path and what was expected there. Fields that are not known are left out without one: a later
 *     version may add some.
 */

import { z } from 'zod';

import { REPORT_FORMAT, type Report } from './report.ts';

export class BadReportError extends Error {
  override readonly name = 'BadReportError';
}

const complaintsMax = 5;

const orNull = z.number().nullable();
const count = z.number().nonnegative();

const latency = z.object({ p50: z.number(), p90: z.number(), p99: z.number(), p999: z.number(), max: z.number(), mean: z.number() });

const figure = z.object({ name: z.string(), value: z.number(), unit: z.string(), isLessBetter: z.boolean().nullable() });

const timeline = z
  .object({ sliceMs: count, commands: z.array(z.number()), p50Ms: z.array(z.number()), p99Ms: z.array(z.number()), maxMs: z.array(z.number()) })
  .refine((one) => [one.p50Ms, one.p99Ms, one.maxMs].every((list) => list.length === one.commands.length), 'commands, p50Ms, p99Ms and maxMs must be equally long')
  .refine((one) => one.commands.length === 0 || one.sliceMs > 0, 'slices need a length: sliceMs is 0');

const run = z
  .object({
    round: z.number(),
    check: z.object({ passed: z.boolean(), detail: z.string() }),
    commandsPerSecond: orNull,
    commands: count,
    windowMs: count,
    warmUpMs: orNull.default(null),
    latencyMs: latency.nullable(),
    latencyCurve: z.array(z.tuple([z.number().min(0).max(1), z.number()])),
    lateMs: latency.nullable(),
    // Older reports do not say it.
    due: orNull.default(null),
    timeline,
    marks: z.array(z.object({ atMs: z.number(), untilMs: z.number(), text: z.string() })),
    processes: z.array(z.object({ role: z.string(), cpuUsPerCommand: orNull, cores: orNull, rssMib: orNull, rssPeakMib: orNull, storageBytesPerCommand: orNull })),
    deviceBytesPerCommand: orNull,
    retries: count,
    errors: z.record(z.string(), z.number()),
    figures: z.array(figure),
    remarks: z.array(z.string()).default([]),
  })
  .refine((one) => one.check.passed || (one.commandsPerSecond === null && one.latencyMs === null && one.figures.length === 0), 'its check failed, so it may have no throughput, no latency and no figures');

const caseReport = z.object({
  id: z.string(),
  workload: z.string(),
  subject: z.string(),
  load: z.string(),
  isBaseline: z.boolean(),
  durability: z.string(),
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  runs: z.array(run),
});

const machine = z.object({
  cpu: z.string(), cores: z.number(), memoryMib: z.number(), kernel: z.string(), node: z.string(), v8: z.string(), loadBefore: z.number(), fileSystem: z.string().nullable(),
});

const report = z.object({
  format: z.literal(REPORT_FORMAT),
  at: z.string(),
  seconds: z.number(),
  workload: z.string(),
  args: z.array(z.string()),
  machine,
  versions: z.record(z.string(), z.string()),
  cases: z.array(caseReport).superRefine((cases, context) => {
    const seen = new Set<string>();
    cases.forEach(({ id }, i) => {
      if (seen.has(id)) context.addIssue({ code: 'custom', path: [i, 'id'], message: `a second case of the id ${JSON.stringify(id)}` });
      seen.add(id);
    });
  }),
  loops: z.array(z.object({ name: z.string(), text: z.string(), runs: z.array(figure) })),
  goals: z.array(z.object({ text: z.string(), value: orNull, isReached: z.boolean().nullable() })),
});

/** `name` is what a complaint calls it: the path of its file. Throws BadReportError. */
export function readReport(text: string, name: string): Report {
  const value = parse(text, name);
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined;
  if (typeof format !== 'string' || !format.startsWith('troupe-bench/')) throw new BadReportError(`${name}: not a report of troupe bench; it has no field "format" that says "${REPORT_FORMAT}"`);
  if (format !== REPORT_FORMAT) throw new BadReportError(`${name}: a report of the form ${JSON.stringify(format)}; this version of troupe reads "${REPORT_FORMAT}"`);
  const read = report.safeParse(value);
  if (read.success) return read.data;
  const complaints = read.error.issues.map((issue) => `${pathText(issue.path)}: ${issue.message}`);
  const more = complaints.length > complaintsMax ? [`and ${complaints.length - complaintsMax} more`] : [];
  throw new BadReportError(`${name}: not a whole report\n${[...complaints.slice(0, complaintsMax), ...more].map((line) => `  ${line}`).join('\n')}`);
}

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BadReportError(`${name}: not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** `cases[0].runs[1].windowMs`. */
function pathText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the report';
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`)).join('');
}
