/**
 * The scanner against JSON.parse: random requests in random dress, and random damage to them. The seed of a failing run is in its
 * message; give it as FUZZ_SEED to have the run again, and FUZZ_RUNS for more than the usual number.
 */

import t from 'tap';

import { RequestScanner } from './scanner.ts';

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000);
const runs = Number(process.env['FUZZ_RUNS'] ?? 20_000);

let state = seed;
function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 0x1_0000_0000) * below);
}
const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;

const pieces = ['a', 'B', '7', ':', '{', '}', '[', ']', '"', '\\', '/', ',', ' ', '\n', '\t', '\u0000', '\u001f', '\u007f', 'é', '\u2028', '😀', '\ud800', 'id', 'body'];
const fieldNames = ['id', 'key', 'to', 'command', 'get', 'watch', 'unwatch', 'from', 'body', 'deadlineMs', 'triedMs', 'sentMs', 'x', 'ID', 'boby', 'commands', ''];

function text(): string {
  return Array.from({ length: random(8) }, () => pick(pieces)).join('');
}

function value(depth: number): unknown {
  switch (random(depth > 5 ? 5 : 8)) {
    case 0: return text();
    case 1: return random(1_000) - 500;
    case 2: return pick([0, 1, -1, 1.5, 1e21, 1e-7, 2 ** 53, 2 ** 53 - 1, 100]);
    case 3: return pick([true, false, null]);
    case 4: return pick(['', {}, []]);
    case 5: return Array.from({ length: random(4) }, () => value(depth + 1));
    default: return object(depth + 1);
  }
}

function object(depth: number): object {
  return Object.fromEntries(Array.from({ length: random(4) }, () => [text(), value(depth)]));
}

/** Mostly what the field wants, now and then anything. */
function fieldValue(name: string): unknown {
  if (random(8) === 0) return value(0);
  if (name === 'from' || name === 'deadlineMs' || name === 'triedMs' || name === 'sentMs') return random(100_000);
  return name === 'body' ? object(0) : text();
}

const space = (): string => (random(4) === 0 ? pick([' ', '\n', '\t', '\r', '  ']) : '');

function quoted(content: string): string {
  const json = JSON.stringify(content);
  if (random(4) !== 0) return json;
  // The same string in another dress.
  return `"${Array.from({ length: content.length }, (_, i) => `\\u${content.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`;
}

function dressed(data: unknown): string {
  if (Array.isArray(data)) return `[${space()}${data.map(dressed).join(`${space()},${space()}`)}${space()}]`;
  if (typeof data === 'object' && data !== null) {
    const members = Object.entries(data).map(([name, content]) => `${quoted(name)}${space()}:${space()}${dressed(content)}`);
    return `{${space()}${members.join(`${space()},${space()}`)}${space()}}`;
  }
  return typeof data === 'string' ? quoted(data) : JSON.stringify(data);
}

function request(): string {
  const names = new Set(Array.from({ length: random(7) }, () => pick(fieldNames)));
  return dressed(Object.fromEntries([...names].map((name) => [name, fieldValue(name)])));
}

function damaged(source: string): string {
  let result = source;
  for (let i = random(3); i >= 0; i--) {
    const at = random(result.length + 1);
    const insert = pick(['', pick(pieces), pick(['"', '{', '}', '[', ']', ',', ':', '\\', '0', '-', '.', 'e', 'true', ' '])]);
    result = result.slice(0, at) + insert + result.slice(at + random(3));
  }
  // Frames reach the scanner as valid UTF-8 only.
  return result.toWellFormed();
}

const textFields = ['id', 'key', 'command'] as const;
const targets = ['get', 'watch', 'unwatch'];
const isCount = (content: unknown): boolean => typeof content === 'number' && Number.isSafeInteger(content) && content >= 0 && !Object.is(content, -0);

/** What the scanner must find in an object that JSON.parse accepts, when no field is there twice. */
function isRequest(data: Record<string, unknown>): boolean {
  return Object.entries(data).every(([name, content]) => {
    if (name === 'from' || name === 'deadlineMs' || name === 'triedMs' || name === 'sentMs') return isCount(content);
    if (name === 'body') return typeof content === 'object' && content !== null && !Array.isArray(content);
    return ([...textFields, 'to', ...targets] as string[]).includes(name) && typeof content === 'string';
  });
}

function parsed(source: string): { data: unknown } | null {
  try {
    return { data: JSON.parse(source) as unknown };
  } catch {
    return null;
  }
}

/** JSON.parse takes the last of two members with one name; the scanner refuses the second, or finds fault with the first. */
function hasNameTwice(source: string): boolean {
  const plain = source.replace(/\\u00([2-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  const names = [...plain.matchAll(/"([A-Za-z]*)"\s*:/g)].map((match) => match[1]!);
  return new Set(names).size < names.length;
}

const scanner = new RequestScanner();
const counts = { requests: 0, problems: 0, faults: 0, bodies: 0 };

/** null, or what is wrong with the scanner's view of this text. */
function disagreement(source: string): string | null {
  const buffer = Buffer.from(source);
  scanner.over(buffer);
  const end = scanner.request(scanner.space(0));
  const isWhole = end >= 0 && scanner.space(end) === buffer.length;
  const oracle = parsed(source);
  const isObject = oracle !== null && typeof oracle.data === 'object' && oracle.data !== null && !Array.isArray(oracle.data);
  if (!isObject) {
    if (!isWhole) {
      counts.faults++;
      return null;
    }
    // Accepted: then the damage must lie inside a nested value, which is not the scanner's to judge.
    if (scanner.problem !== '') return null;
    counts.bodies++;
    const body = parsed(buffer.toString('utf8', scanner.bodyFrom, scanner.bodyTo));
    return scanner.bodyTo > 0 && body === null ? null : 'accepts what is not JSON outside of the body';
  }
  if (!isWhole) return `refuses JSON: ${scanner.fault}`;
  const data = oracle.data as Record<string, unknown>;
  if (scanner.problem !== '') {
    counts.problems++;
    return !isRequest(data) || hasNameTwice(source) ? null : `finds a problem where none is: ${scanner.problem}`;
  }
  counts.requests++;
  if (!isRequest(data)) return 'finds no problem';
  for (const name of textFields) if (scanner[name] !== (data[name] ?? '')) return `reads another ${name}`;
  if (scanner.to.text !== (data['to'] ?? '')) return 'reads another to';
  const target = targets.filter((name) => name in data);
  if (target.length === 1 && scanner.target !== data[target[0]!]) return 'reads another target';
  if (scanner.from !== (data['from'] ?? 0) || scanner.deadlineMs !== (data['deadlineMs'] ?? 0) || scanner.triedMs !== (data['triedMs'] ?? 0) || scanner.sentMs !== (data['sentMs'] ?? 0)) return 'reads another number';
  if ('body' in data && dressless(buffer.toString('utf8', scanner.bodyFrom, scanner.bodyTo)) !== JSON.stringify(data['body'])) return 'finds another body';
  return null;
}

const dressless = (source: string): string => JSON.stringify(JSON.parse(source));

t.test(`seed ${seed}`, (t) => {
  for (let run = 0; run < runs; run++) {
    const source = request().toWellFormed();
    for (const candidate of [source, damaged(source)]) {
      const wrong = disagreement(candidate);
      if (wrong !== null) {
        t.fail(`seed ${seed} run ${run}: ${wrong}: ${JSON.stringify(candidate)}`);
        return t.end();
      }
    }
  }
  // A fuzz that reaches one of these only is no fuzz.
  for (const [name, count] of Object.entries(counts)) t.ok(count > runs / 1_000, `${name}: ${count}`);
  t.end();
});
