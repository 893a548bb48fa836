/**
 * Finds names that a module uses and that nothing declares: typing errors, and what a realm does not hold. It reads tokens, not
 * scopes, and so takes care to be wrong on one side only:
 *
 * U1  A name counts as declared in the whole module as soon as one place in it could be a declaration.
 * U2  A place counts as a use only where a declaration, a key or a label cannot stand.
 * U3  What it reports, the compiler confirms: the caller puts an expression in place of the name and compiles again, so that a slip
 *     of the token reader (a regular expression taken for a division) refuses nothing.
 *
 * So it misses some (`f({ Date })`); those are found when the code runs.
 */

import type { Token } from './module-source.ts';
import { realmAdvice, realmGlobals } from './realm-globals.ts';

export interface UndeclaredName {
  readonly start: number;
  readonly end: number;
  readonly reason: string;
}

/** Each costs a compilation or two; only a slip of the token reader makes more than one. */
const TRIES_MAX = 20;

const words = new Set([
  'arguments', 'as', 'async', 'await', 'break', 'case', 'catch', 'class', 'const', 'continue', 'debugger', 'default', 'delete', 'do', 'else',
  'enum', 'export', 'extends', 'false', 'finally', 'for', 'from', 'function', 'get', 'accessor', 'if', 'implements', 'import', 'in', 'instanceof',
  'interface', 'let', 'new', 'null', 'of', 'package', 'private', 'protected', 'public', 'return', 'set', 'static', 'super', 'switch', 'this',
  'throw', 'true', 'try', 'typeof', 'using', 'var', 'void', 'while', 'with', 'yield',
]);
/** Keywords behind which an expression begins. */
const leads = new Set([
  'return', 'typeof', 'case', 'in', 'of', 'do', 'else', 'instanceof', 'new', 'void', 'delete', 'throw', 'yield', 'default', 'extends',
]);
/** Punctuators behind which a declared name may stand. */
const beforeBinding = new Set([',', '(', '[', '{', ':', '...']);
const notBehindBinding = new Set([
  '.', '?.', '(', '[', '?', '+', '-', '*', '/', '%', '**', '<', '>', '<=', '>=', '==', '!=', '===', '!==', '&', '|', '^', '&&', '||', '??',
  '<<', '>>', '>>>',
]);
const ends = new Set([')', ']', '}', ',', ';']);

/** The first use of a name that nothing declares, or null. `confirm` says whether an expression could stand there (U3). */
export function undeclaredName(tokens: readonly Token[], confirm: (name: UndeclaredName) => boolean): UndeclaredName | null {
  let tries = 0;
  for (const found of new Finder(tokens).find()) {
    if (confirm(found)) return found;
    if (++tries === TRIES_MAX) break;
  }
  return null;
}

class Finder {
  private readonly tokens: readonly Token[];
  /** Index of the innermost open bracket around a token, and of the bracket that closes one; -1 for none. */
  private readonly openers: number[] = [];
  private readonly closers = new Map<number, number>();
  private readonly known = new Set<string>([...realmGlobals, ...words]);
  private readonly declared = new Set<string>();

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
    const stack: number[] = [];
    tokens.forEach(({ kind, text }, i) => {
      const opens = kind === 'punctuator' && (text === '(' || text === '[' || text === '{');
      if (kind === 'punctuator' && (text === ')' || text === ']' || text === '}')) this.closers.set(stack.pop() ?? -1, i);
      this.openers.push(stack[stack.length - 1] ?? -1);
      if (opens) stack.push(i);
    });
  }

  *find(): Generator<UndeclaredName> {
    const uses: number[] = [];
    this.tokens.forEach((token, i) => {
      if (token.kind !== 'name' || token.text.startsWith('#')) return;
      if (this.isMember(i)) return this.asksFor(i);
      if (this.mayDeclare(i)) this.declared.add(token.text);
      else if (this.isUse(i)) uses.push(i);
    });
    for (const i of uses) {
      const found = this.judge(i);
      if (found !== null) yield found;
    }
  }

  private judge(i: number): UndeclaredName | null {
    const { text, start, end } = this.tokens[i]!;
    if (this.declared.has(text)) return null;
    const gone = (what: string, instead: string): UndeclaredName => ({ start, end, reason: `${what} is not available in a behaviour: ${instead}` });
    if (Object.hasOwn(realmAdvice, text)) return gone(text, realmAdvice[text]!);
    const member = this.is(i + 1, '.') || this.is(i + 1, '?.') ? (this.tokens[i + 2]?.text ?? '') : '';
    if (text === 'Math' && member === 'random') return gone('Math.random', realmAdvice['Math.random']!);
    if (text === 'globalThis' && Object.hasOwn(realmAdvice, member) && !member.includes('.')) return gone(member, realmAdvice[member]!);
    if (text === 'Function' && (this.is(i + 1, '(') || this.tokens[i - 1]?.text === 'new')) return gone('Function', realmAdvice.eval!);
    if (this.known.has(text)) return null;
    return { start, end, reason: `${text} is not defined: the module does not declare it, and a behaviour has no such global` };
  }

  private is(i: number, text: string): boolean {
    const token = this.tokens[i];
    return token !== undefined && token.kind === 'punctuator' && token.text === text;
  }

  private isMember(i: number): boolean {
    return this.is(i - 1, '.') || this.is(i - 1, '?.');
  }

  /** `if (globalThis.x) x()` goes on without an x, as `typeof x` does. */
  private asksFor(i: number): void {
    const { text } = this.tokens[i]!;
    if (this.tokens[i - 2]?.text === 'globalThis' && !Object.hasOwn(realmAdvice, text)) this.declared.add(text);
  }

  private mayDeclare(i: number): boolean {
    const last = this.tokens[i - 1];
    if (this.is(i + 1, '=>')) return true;
    if (last === undefined) return false;
    if (last.kind === 'name') {
      // `typeof x` asks whether there is an x, and goes on either way.
      if (last.text === 'typeof' && !this.isMember(i - 1)) return !Object.hasOwn(realmAdvice, this.tokens[i]!.text);
      return !this.isMember(i - 1) && (words.has(last.text) ? !leads.has(last.text) : !this.tokens[i]!.newline);
    }
    if (this.is(i - 1, '*') && this.tokens[i - 2]?.text === 'function') return true;
    if (last.kind !== 'punctuator' || !beforeBinding.has(last.text)) return false;
    const next = this.tokens[i + 1];
    if (next?.kind === 'punctuator' && !next.newline && notBehindBinding.has(next.text)) return false;
    return !this.isArgument(i);
  }

  /** Whether the innermost bracket around a token is that of a call. */
  private isArgument(i: number): boolean {
    const open = this.openers[i]!;
    const callee = this.tokens[open - 1];
    if (!this.is(open, '(') || callee === undefined) return false;
    const calls = callee.kind === 'name' ? this.isMember(open - 1) || !words.has(callee.text) : this.is(open - 1, ')') || this.is(open - 1, ']');
    const close = this.closers.get(open) ?? -1;
    return calls && !this.is(close + 1, '{') && !this.is(close + 1, '=>');
  }

  private isUse(i: number): boolean {
    const token = this.tokens[i]!;
    const last = this.tokens[i - 1];
    const next = this.tokens[i + 1];
    if (last?.kind === 'name' && (last.text === 'break' || last.text === 'continue')) return false;
    // A method: its parameters and then its body.
    if (this.is(i + 1, '(') && this.is((this.closers.get(i + 1) ?? -1) + 1, '{')) return false;
    const begins = last === undefined || token.newline || this.is(i - 1, ';') || this.is(i - 1, '{') || this.is(i - 1, '}');
    if (next === undefined || next.newline) return !begins;
    if (next.kind === 'name') return next.text === 'in' || next.text === 'instanceof';
    if (next.kind === 'template' || (next.kind === 'literal' && next.text === '`')) return true;
    if (next.kind !== 'punctuator') return false;
    // A field of a class, or an element of a pattern.
    if (begins && (next.text === ';' || next.text === '}' || next.text === ',')) return false;
    return notBehindBinding.has(next.text) || ends.has(next.text);
  }
}
