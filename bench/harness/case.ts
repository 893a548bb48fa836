/** A case as it is planned, and the usual one: a load on a subject. */

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import type { RunReport } from '../report/report.ts';
import { startSubject } from '../subject/start.ts';
import type { SubjectName } from '../subject/subject.ts';
import { runLoad } from './loaded-run.ts';
import { baselineLoad, loadName, parametersOf, variantName } from './load-spec.ts';
import type { LoadSpec } from './load-spec.ts';
import type { CommonOptions } from './options.ts';

export interface RoundContext {
  /** For this report's data; the case makes a folder of its own in it. */
  readonly root: string;
  readonly round: number;
  readonly options: CommonOptions;
  readonly signal: AbortSignal;
  onProgress(text: string): void;
}

export interface CaseRound {
  readonly durability: string;
  /** What is known only when it has run. */
  readonly parameters?: CasePlan['parameters'];
  readonly run: RunReport;
}

export interface CasePlan {
  readonly id: string;
  readonly workload: string;
  readonly subject: string;
  readonly load: string;
  readonly isBaseline: boolean;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  /** One round, on a fresh server. */
  run(context: RoundContext): Promise<CaseRound>;
}

export function loadCase(workload: string, subject: SubjectName, load: LoadSpec, options: CommonOptions): CasePlan {
  const name = loadName(load);
  const id = [workload, name, variantName(load), subject].filter((part) => part !== '').join('/');
  const nodes = subject === 'cluster' ? options.nodes : 1;
  // The owner of every actor is the only node there is; and of another's cluster nothing is known but its gateways.
  const direct = load.direct && subject === 'cluster';
  return {
    id: nodes > 1 ? `${id} of ${nodes}` : id,
    workload, subject, load: name, isBaseline: false,
    parameters: { ...parametersOf(load), nodes, ...(subject === 'cluster' ? { direct } : {}) },
    run: (context) => runOn(subject, { ...load, direct }, context),
  };
}

export function baselineCase(workload: string, subject: SubjectName, load: LoadSpec): CasePlan {
  const seen = baselineLoad(load);
  const name = loadName(seen);
  return {
    id: `${workload}/${name}/${subject}`, workload, subject, load: name, isBaseline: true,
    parameters: parametersOf(seen),
    run: (context) => runOn(subject, seen, context),
  };
}

async function runOn(name: SubjectName, load: LoadSpec, { root, round, options, signal, onProgress }: RoundContext): Promise<CaseRound> {
  // A fresh server and directory for every run: no run inherits another's heap, compiled code or data.
  const directory = mkdtempSync(join(root, `${name}-`));
  onProgress('starting');
  const subject = await startSubject(name, directory, options);
  try {
    const { seed, drivers, warmUpMs, durationMs } = options;
    const run = await runLoad(subject, directory, load, {
      round, seed, drivers, warmUpMs, durationMs, signal,
      prefix: name === 'target' ? prefixNow() : '',
      onWarmUp: (elapsedMs) => onProgress(`warming up for ${Math.round(elapsedMs / 1_000)} s`),
      onProgress: (elapsedMs) => onProgress(`${Math.round(elapsedMs / 1_000)} of ${Math.round(durationMs / 1_000)} s`),
    });
    return { durability: subject.durability, run };
  } finally {
    await subject.stop();
    if (!options.keep) rmSync(directory, { recursive: true, force: true });
  }
}

/** Actors of an earlier run are there still. */
function prefixNow(): string {
  return `${Date.now().toString(36)}-`;
}
