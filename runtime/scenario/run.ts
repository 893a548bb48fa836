/**
 * Runs the given/when/then scenarios of a behaviour directory in a real sandbox. The scenarios of the module `order.js` are the
 * default export of `order.scenarios.js` beside it.
 */

import { glob } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

import type { Root } from 'protobufjs';

import { parseBundle, protoFiles } from '../bundle/bundle.ts';
import { packDirectory } from '../bundle/pack.ts';
import type { ActorSchema } from '../bundle/schema.ts';
import { actorSchema, loadSchema } from '../bundle/schema.ts';
import { TroupeError } from '../codec/errors.ts';
import type { SandboxPool } from '../sandbox/sandbox.ts';
import type { Difference } from './diff.ts';
import { actOf, judge } from './judge.ts';
import { nameOf, readScenario, ScenarioError } from './scenario.ts';
import { Stage } from './stage.ts';
import { ValueError } from './values.ts';

export { formatReport } from './report.ts';

export interface ScenarioResult {
  /** Relative to the directory. */
  readonly file: string;
  readonly name: string;
  readonly ok: boolean;
  readonly differences: readonly Difference[];
  readonly error: string | null;
}

export interface ScenarioResults {
  readonly passed: number;
  readonly failed: number;
  readonly scenarios: readonly ScenarioResult[];
  /** Actor types of the bundle of which no file of scenarios is. */
  readonly untested: readonly string[];
}

export interface RunOptions {
  /** Only scenarios whose file or name holds this text. */
  readonly filter?: string;
  /** The sandbox to run in; it is closed afterwards. Default: processes of its own. */
  readonly pool?: SandboxPool;
}

/**
 * @throws TroupeError BUNDLE_INVALID, BUNDLE_TOO_LARGE; SCENARIO_FAILED when there is no scenario to run, because silence would
 *   look like success
 */
export async function runScenarios(directory: string, options: RunOptions = {}): Promise<ScenarioResults> {
  const packed = await packDirectory(directory);
  const files = await scenarioFiles(directory);
  if (files.length === 0) throw new TroupeError('SCENARIO_FAILED', `${directory} has no *.scenarios.js`);
  const bundle = parseBundle(packed.content);
  const root = loadSchema(protoFiles(bundle));
  const stage = await Stage.open(options.pool ?? (await ownPool()), packed.content);
  try {
    const scenarios: ScenarioResult[] = [];
    const untested = new Set(stage.types.keys());
    for (const file of files) {
      const { type, results } = await runFile(directory, file, bundle.files, root, stage, options.filter ?? '');
      scenarios.push(...results);
      if (type !== null) untested.delete(type);
    }
    if (scenarios.length === 0) throw new TroupeError('SCENARIO_FAILED', `no scenario in ${directory} matches ${JSON.stringify(options.filter)}`);
    const passed = scenarios.filter(({ ok }) => ok).length;
    return { passed, failed: scenarios.length - passed, scenarios, untested: [...untested].sort() };
  } finally {
    await stage.close();
  }
}

/** `type`: the actor type that the file is about; null where that cannot be told. */
async function runFile(
  directory: string,
  file: string,
  sources: ReadonlyMap<string, string>,
  root: Root,
  stage: Stage,
  filter: string,
): Promise<{ type: string | null; results: ScenarioResult[] }> {
  const refused = (name: string, error: string): ScenarioResult => ({ file, name, ok: false, differences: [], error });
  const module = await importScenarios(join(directory, file));
  if (typeof module === 'string') return { type: null, results: [refused('(file)', module)] };
  const { list } = module;
  const actor = actorOf(file, module.type, sources, root, stage);
  if (typeof actor === 'string') return { type: null, results: [refused('(file)', actor)] };
  const results: ScenarioResult[] = [];
  const names = new Set<string>();
  for (const [i, written] of list.entries()) {
    const name = nameOf(written, i);
    if (!file.includes(filter) && !name.includes(filter)) continue;
    if (names.has(name)) results.push(refused(name, 'another scenario of this file has the same name'));
    else results.push(await runOne(written, name, file, actor, root, stage));
    names.add(name);
  }
  return { type: actor.type, results };
}

async function runOne(written: unknown, name: string, file: string, actor: ActorSchema, root: Root, stage: Stage): Promise<ScenarioResult> {
  try {
    const scenario = readScenario(written);
    const outcome = await stage.play(actOf(scenario, actor));
    const { differences, error } = judge(scenario, outcome, actor, root);
    return { file, name, ok: error === null && differences.length === 0, differences, error };
  } catch (error) {
    if (!(error instanceof ScenarioError) && !(error instanceof ValueError)) throw error;
    return { file, name, ok: false, differences: [], error: error.message };
  }
}

/** The file's scenarios, or why it has none. */
async function importScenarios(path: string): Promise<{ list: unknown[]; type: unknown } | string> {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(resolve(path)).href)) as Record<string, unknown>;
  } catch (error) {
    return `cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
  }
  const other = Object.keys(module).find((key) => key !== 'default' && key !== 'type');
  if (other !== undefined) return `exports ${other}; only default and type are known`;
  const list = module['default'];
  if (!Array.isArray(list) || list.length === 0) return 'its default export must be a list of at least one scenario';
  return { list, type: module['type'] };
}

/** The actor type that a scenario file is about: the one its module defines, unless the file exports `type`. */
function actorOf(
  file: string,
  named: unknown,
  sources: ReadonlyMap<string, string>,
  root: Root,
  stage: Stage,
): ActorSchema | string {
  const type = named === undefined ? definedType(file, sources) : named;
  if (typeof type !== 'string') return `no behaviour module is beside it; name one like it, or export const type = '<actor type>'`;
  if (!stage.types.has(type)) return `the bundle defines no actor type ${type}`;
  return actorSchema(root, type)!;
}

function definedType(file: string, sources: ReadonlyMap<string, string>): string | null {
  const stem = join(dirname(file), basename(file).replace(/\.scenarios\.m?js$/, '')).split(sep).join('/');
  const source = sources.get(`${stem}.js`) ?? sources.get(`${stem}.mjs`) ?? '';
  return /\bdefineActor\(\s*(['"`])([\w.]+)\1/.exec(source)?.[2] ?? null;
}

async function scenarioFiles(directory: string): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob('**/*.scenarios.{js,mjs}', { cwd: directory, exclude: ['**/node_modules/**'] })) files.push(file);
  return files.sort();
}

async function ownPool(): Promise<SandboxPool> {
  const { createSandboxPool } = await import('../sandbox/pool.ts');
  return createSandboxPool();
}
