/**
 * The rules of the house that a machine can check: which folder may import which, what is banned and what replaces it, how
 * long a file may be, how tests are named. Pure: a file goes in as path and text, complaints come out. Run by
 * runtime/style.test.ts, which also shows that each rule can fail.
 */

import path from 'node:path';

export interface SourceFile {
  /** Relative to the project's root, with slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Ban {
  readonly name: string;
  readonly pattern: RegExp;
  /** Where it holds. */
  readonly where: Pick<RegExp, 'test'>;
  readonly except?: RegExp;
  /** What to write instead. */
  readonly instead: string;
}

const code = /^(runtime|cluster|bench|scripts)\/.*\.ts$/;
/** Tests, measurements, and what exists for them alone: the latter in testing/, contract files, or named here. */
const tests = /\.(test|fuzz|bench)\.ts$|\/testing\/|^runtime\/journal\/contract|^runtime\/(gateway\/(rig|scripted)|client\/proxy)\.ts$/;
const product = { test: (file: string): boolean => /^(runtime|cluster)\/(?!faults\/).*\.ts$/.test(file) && !tests.test(file) };

/** What must give the same in a test, and later in a simulation, as it gave live. */
const core = { test: (file: string): boolean => /^runtime\/(actor|codec)\//.test(file) && product.test(file) };

/** Comments, and for most bans the insides of texts too, are not looked at. */
export const bans: readonly Ban[] = [
  {
    name: 'clock in the core',
    pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bprocess\.hrtime\b/,
    where: core,
    except: /seams-node\.ts$/,
    instead: 'the Clock of runtime/actor/seams.ts, passed in: a test, and later a simulation, must own time',
  },
  {
    name: 'randomness in the core',
    pattern: /\bMath\.random\b|\brandomBytes\(|\bgetRandomValues\(/,
    where: core,
    except: /seams-node\.ts$/,
    instead: 'the Entropy of runtime/actor/seams.ts, passed in: a seed must be recorded and repeatable',
  },
  {
    name: 'timers in the core',
    pattern: /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\(/,
    where: core,
    except: /seams-node\.ts$/,
    instead: 'the Scheduler of runtime/actor/seams.ts, passed in',
  },
  {
    name: 'input and output in the core',
    pattern: /\bfrom 'node:(fs|fs\/promises|net|http|child_process|worker_threads)'/,
    where: { test: (file) => core.test(file) || (file.startsWith('runtime/client/') && product.test(file)) },
    // Reads its own schema when it loads.
    except: /^runtime\/actor\/record-view\.ts$/,
    instead: 'a port beside its consumer, with the adapter in a folder of its own',
  },
  {
    name: 'console',
    pattern: /\bconsole\.\w+\(/,
    where: product,
    instead: 'the log that the composition root passes in, or the Terminal of runtime/cli/terminal.ts',
  },
  {
    name: 'environment',
    pattern: /\bprocess\.env\b/,
    where: product,
    except: /^runtime\/(cli\/|scenario\/report\.ts$)/,
    instead: 'a setting: runtime/config/defaults.ts, read by loadSettings',
  },
  {
    name: 'exit',
    pattern: /\bprocess\.exit\(/,
    where: product,
    except: /^runtime\/(cli\/|sandbox\/)/,
    instead: 'a TroupeError for the caller; only the command line and the sandbox process end a process',
  },
  { name: 'enum', pattern: /^[ \t]*(export\s+)?(declare\s+)?(const\s+)?enum\s+\w/m, where: code, instead: 'a union of texts, or constants: only erasable TypeScript runs without a build' },
  { name: 'namespace', pattern: /^[ \t]*(export\s+)?namespace\s+\w/m, where: code, instead: 'a module' },
  { name: 'parameter property', pattern: /constructor\(\s*(?:[^)]*,\s*)?(?:(?:private|public|protected|readonly)\s+)+\w+\s*[?:]/, where: code, instead: 'a declared field, assigned in the constructor' },
  { name: 'barrel', pattern: /^[ \t]*export\s+\*/m, where: code, instead: 'an import from the file that defines the name' },
  { name: 'default export', pattern: /^[ \t]*export\s+default\b/m, where: product, instead: 'a named export: it is found by its name' },
  { name: 'require', pattern: /(?<![.\w])require\(/, where: product, except: /^runtime\/sandbox\//, instead: 'import' },
  { name: 'any', pattern: /(:\s*any\b|\bas any\b|<any>)/, where: product, except: /^runtime\/client\/types\.ts$/, instead: 'unknown, and a check' },
  { name: 'silenced type error', pattern: /@ts-(ignore|nocheck)/, where: code, instead: 'a type that is right, or @ts-expect-error in a test of types' },
  { name: 'lone test', pattern: /\bt\.only\(|\bonly:\s*true/, where: tests, instead: 'naming the file on the command line: npm test -- <file>' },
  {
    name: 'skipped test',
    // Of a variable nobody can see what is in it: the call says that it is the answer of a trial (runtime/testing/cannot.ts).
    pattern: /\bt\.(skip|todo)\(|\btodo['"]?\s*[:,}\]]|\bskip['"]?\s*[,}\]]|\bskip['"]?\s*:(?!\s*cannot\([a-z]\w*\)\s*[,}])|\b(function|const|let)\s+cannot\b/,
    where: tests,
    except: /^runtime\/testing\/cannot\.ts$/,
    instead: 'a test that runs, or none; { skip: cannot(tried) } where this very machine has been tried and cannot do what it takes',
  },
  { name: 'unfinished', pattern: /\b(TODO|FIXME|XXX|HACK)\b/, where: code, instead: 'doing it, or leaving it out' },
  { name: 'loose assert', pattern: /from 'node:assert'/, where: code, instead: "node:assert/strict" },
  { name: 'unseeded locale', pattern: /\.(localeCompare|toLocale\w+)\(/, where: product, instead: 'comparison by code unit, ISO formats: a locale differs between machines' },
];

/** These look at comments too. */
const bansOnComments = new Set(['unfinished', 'silenced type error']);
/** These look into texts too: import specifiers are texts. */
const bansOnTexts = new Set(['input and output in the core', 'loose assert', 'skipped test']);

export function checkBans(file: SourceFile, list: readonly Ban[] = bans): string[] {
  const stripped = strip(file.text);
  const complaints: string[] = [];
  for (const ban of list) {
    if (!ban.where.test(file.path) || ban.except?.test(file.path)) continue;
    const text = bansOnComments.has(ban.name) ? file.text : bansOnTexts.has(ban.name) ? stripped.withTexts : stripped.code;
    const at = text.search(ban.pattern);
    if (at >= 0) complaints.push(`${file.path}:${lineAt(text, at)}: ${ban.name}; write instead: ${ban.instead}`);
  }
  return complaints;
}

/**
 * What each folder may import, besides itself. The longest matching prefix decides. Arrows go one way (design: proto, codec ->
 * journal, sandbox -> actor -> gateway, client, admin, cli, bench).
 */
const common = ['runtime/limits.ts', 'runtime/codec/'];
const enginePort = ['runtime/actor/engine.ts', 'runtime/sandbox/sandbox.ts'];
export const layers: Readonly<Record<string, readonly string[]>> = {
  'runtime/limits.ts': [],
  'runtime/codec/': common,
  'runtime/config/': common,
  'runtime/bundle/': common,
  'runtime/journal/': common,
  'runtime/sandbox/': [...common, 'runtime/bundle/'],
  'runtime/actor/': [...common, 'runtime/bundle/', 'runtime/journal/journal.ts', 'runtime/journal/record-run.ts', 'runtime/sandbox/'],
  // What runs in a browser.
  'runtime/client/': ['runtime/codec/errors.ts', 'runtime/codec/shard-key.ts', 'runtime/codec/xxh64.ts'],
  'runtime/gateway/': [...common, ...enginePort],
  'runtime/admin/': [...common, ...enginePort, 'runtime/gateway/', 'runtime/journal/journal.ts'],
  'runtime/scenario/': [...common, 'runtime/bundle/', 'runtime/sandbox/'],
  'runtime/demo/': [...common, 'runtime/client/'],
  'runtime/cli/': [...common, 'runtime/config/', 'runtime/client/', 'runtime/demo/', 'runtime/bundle/', 'runtime/scenario/', 'runtime/actor/engine.ts', 'runtime/front.ts', 'runtime/node.ts', 'runtime/journal-tools.ts', 'cluster/node.ts'],
  'runtime/front.ts': ['runtime/'],
  'runtime/node.ts': ['runtime/'],
  'runtime/journal-tools.ts': ['runtime/'],
  'runtime/testing/': [],
  'runtime/faults/': ['runtime/'],
  'runtime/style.test.ts': ['runtime/', 'scripts/'],
  'cluster/': ['runtime/', 'cluster/'],
  'bench/': ['runtime/', 'cluster/'],
  'scripts/': [],
};

/** What only the composition root, tests and measurements may name; everybody else uses the port. */
const adapters = /^runtime\/(journal\/(segment|memory|redis)\/|sandbox\/pool)/;
/** Chooses between the two composition roots. */
const starts = /^runtime\/cli\/start\.ts$/;
const composers = /^((?:runtime|cluster)\/node\.ts$|cluster\/joining\.ts$|runtime\/journal-tools\.ts$|runtime\/scenario\/|runtime\/faults\/|bench\/)/;

export function checkImports(file: SourceFile): string[] {
  const layer = layerOf(file.path);
  if (layer === null) return [];
  const isTest = tests.test(file.path);
  const complaints: string[] = [];
  for (const { target, line } of importsOf(file)) {
    if (target.startsWith(layer)) continue;
    const at = `${file.path}:${line}: `;
    const inFolder = layer.endsWith('/') && target.startsWith(layer);
    if (adapters.test(target) && !inFolder && !isTest && !composers.test(file.path)) {
      complaints.push(`${at}${target} is an adapter; import its port, and let runtime/node.ts bring the two together`);
      continue;
    }
    if (file.path.startsWith('runtime/') && target.startsWith('cluster/') && !starts.test(file.path)) complaints.push(`${at}runtime/ knows nothing of cluster/`);
    // A test may set up what its subject talks to; the product may not.
    else if (!isTest && !layers[layer]!.some((allowed) => target.startsWith(allowed))) complaints.push(`${at}${layer} may not import ${target}`);
  }
  // An adapter may be named inside its own parent folder only by itself: journal/segment is nobody's but its own.
  if (!isTest && !composers.test(file.path)) complaints.push(...adapterLeaks(file));
  return complaints;
}

function adapterLeaks(file: SourceFile): string[] {
  return importsOf(file).flatMap(({ target, line }) => {
    const adapter = /^runtime\/journal\/(segment|memory|redis)\//.exec(target)?.[0];
    if (adapter === undefined || file.path.startsWith(adapter) || !file.path.startsWith('runtime/journal/')) return [];
    return [`${file.path}:${line}: ${target} is an adapter; the port does not know it`];
  });
}

function layerOf(file: string): string | null {
  const matching = Object.keys(layers).filter((prefix) => file.startsWith(prefix));
  return matching.sort((a, b) => b.length - a.length)[0] ?? null;
}

/** Relative imports, dynamic ones and types included, as paths from the root. */
export function importsOf(file: SourceFile): { target: string; line: number }[] {
  const text = strip(file.text).withTexts;
  const found: { target: string; line: number }[] = [];
  for (const match of text.matchAll(/(?:\bfrom\s+|\bimport\s*\(\s*|\bimport\s+)'(\.[^']*)'/g)) {
    found.push({ target: path.posix.normalize(path.posix.join(path.posix.dirname(file.path), match[1]!)), line: lineAt(text, match.index) });
  }
  return found;
}

const linesMax = 400;
/** Files that may be longer, each with the reason. */
export const longFiles: Readonly<Record<string, string>> = {
  'runtime/codec/record.ts': 'one message, written and read by hand; split, its two halves would drift apart',
  'runtime/sandbox/module-source.ts': 'one pass over the tokens of a module, with one state',
  'runtime/sandbox/realm-globals.ts': 'a list, one line a name',
};

export function checkLength(file: SourceFile): string[] {
  if (tests.test(file.path) || !code.test(file.path)) return [];
  const lines = file.text.split('\n').length - 1;
  if (Object.hasOwn(longFiles, file.path)) return [];
  return lines > linesMax ? [`${file.path}: ${lines} lines; over ${linesMax}, split it by job`] : [];
}

const testName = /(?:^|\/)[^./]+\.(?:(?:disk|redis|e2e)\.)?test\.ts$/;

/** Whoever reads the name must know what running it costs; what the runner does not find is never run. */
export function checkTestName(file: SourceFile): string[] {
  const usesTap = /\bfrom 'tap'/.test(strip(file.text).withTexts);
  const named = testName.test(file.path);
  if (usesTap && !named && !tests.test(file.path)) return [`${file.path}: uses tap; name it x.test.ts, x.disk.test.ts, x.redis.test.ts or x.e2e.test.ts, or npm test does not find it`];
  if (/\.(spec|tests)\.[cm]?[jt]s$|\.test\.[cm]?js$|\.test\.tsx$/.test(file.path) || (/\.test\.ts$/.test(file.path) && !named)) {
    return [`${file.path}: no known suffix; x.test.ts, x.disk.test.ts, x.redis.test.ts or x.e2e.test.ts`];
  }
  return [];
}

function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}

/**
 * The text with comments blanked, once with what stands in quotes and once without; line numbers stay. Good enough for
 * patterns; a slash counts as the start of a regular expression where an expression can begin.
 */
export function strip(text: string): { code: string; withTexts: string } {
  let codeOnly = '';
  let withTexts = '';
  let i = 0;
  const blank = (part: string): string => part.replace(/[^\n]/g, ' ');
  while (i < text.length) {
    const end = endOfToken(text, i, codeOnly);
    const part = text.slice(i, end.at);
    if (end.kind === 'code') {
      codeOnly += part;
      withTexts += part;
    } else {
      const quoted = end.kind === 'text' && part.length >= 2;
      codeOnly += quoted ? part[0] + blank(part.slice(1, -1)) + part.at(-1) : blank(part);
      withTexts += end.kind === 'comment' ? blank(part) : part;
    }
    i = end.at;
  }
  return { code: codeOnly, withTexts };
}

function endOfToken(text: string, i: number, before: string): { at: number; kind: 'code' | 'comment' | 'text' } {
  const two = text.slice(i, i + 2);
  if (two === '//') return { at: indexOr(text, '\n', i), kind: 'comment' };
  if (two === '/*') return { at: Math.min(text.length, indexOr(text, '*/', i + 2) + 2), kind: 'comment' };
  const c = text[i]!;
  if (c === "'" || c === '"') return { at: endOfQuoted(text, i, c), kind: 'text' };
  // Of a template only what is plain text ends up here; expressions inside it are treated as text too.
  if (c === '`') return { at: endOfQuoted(text, i, c), kind: 'text' };
  if (c === '/' && /(^|[(,=:[!&|?{};+\n]|\breturn)\s*$/.test(before.slice(-40))) return { at: endOfRegExp(text, i), kind: 'text' };
  return { at: i + 1, kind: 'code' };
}

function endOfQuoted(text: string, from: number, quote: string): number {
  for (let i = from + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === quote) return i + 1;
  }
  return text.length;
}

function endOfRegExp(text: string, from: number): number {
  let inClass = false;
  for (let i = from + 1; i < text.length && text[i] !== '\n'; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '[') inClass = true;
    else if (text[i] === ']') inClass = false;
    else if (text[i] === '/' && !inClass) return i + 1;
  }
  return from + 1;
}

function indexOr(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from);
  return at < 0 ? text.length : at;
}
