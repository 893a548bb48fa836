/**
 * Prepares a behaviour module for the realm: refuses what would carry state or time into it, and marks what must be guarded.
 * It reads tokens, not a tree; what it takes to tell a regular expression from a division and a function's body from a
 * block is the stack of open brackets.
 *
 * P1  No module-level `let` or `var`, and no assignment to a module-level function or class: they would leak state
 *     from one actor to another.
 * P2  No async, await, dynamic import or import.meta: a decision is synchronous and its code is known.
 * P3  Every catch clause first tells the runtime what it caught, so that running out of stack cannot be caught quietly: at
 *     what depth it happens depends on the machine.
 * P4  Every module-level binding is exported under a hidden name, so that the runtime can freeze what it holds.
 * P5  Lines stay lines; what is put into a line is reported as a shift of its columns.
 */

import { invalid } from './bundle-error.ts';

/** `[line, column, by]`: columns of `line` behind `column` have moved by `by`. */
export type ColumnShift = readonly [line: number, column: number, by: number];

export interface PreparedModule {
  readonly source: string;
  readonly shifts: readonly ColumnShift[];
  /** Of the module as it was written. */
  readonly tokens: readonly Token[];
}

export interface Token {
  readonly kind: 'name' | 'punctuator' | 'literal' | 'template';
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly newline: boolean;
  /** Open brackets around it, a bracket itself included. */
  readonly depth: number;
  readonly inFunction: boolean;
  /** What the innermost bracket encloses. */
  readonly role: Frame['role'];
  /** The bracket that was closed last ended a try block. */
  readonly afterTry: boolean;
}

interface Frame {
  readonly open: string;
  /** Behind the bracket. */
  readonly from: number;
  /** What the bracket encloses. */
  readonly role: 'function' | 'block' | 'object' | 'class' | 'group' | 'substitution';
  readonly part: 'try' | 'catch' | '';
  /** After it closes, a slash begins a regular expression. */
  readonly regexAfter: boolean;
  /** Keyword in front of a parenthesis. */
  readonly head: string;
  ternaries: number;
  classPending: boolean;
}

const guard = '$caught';
const hidden = '$troupe$';
const regexAfterKeyword = new Set([
  'return', 'typeof', 'case', 'in', 'of', 'do', 'else', 'instanceof', 'new', 'void', 'delete', 'throw', 'yield', 'default', 'extends',
]);
const blockAfterKeyword = new Set(['else', 'do', 'try', 'finally']);
const statementHeads = new Set(['if', 'while', 'for', 'with', 'switch', 'catch']);
const statementKeywords = new Set([
  'const', 'let', 'var', 'function', 'class', 'export', 'import', 'if', 'for', 'while', 'do', 'switch', 'try', 'throw', 'return',
]);
const assignments = new Set(['=', '+=', '-=', '*=', '/=', '%=', '**=', '<<=', '>>=', '>>>=', '&=', '|=', '^=', '&&=', '||=', '??=', '++', '--']);
const punctuators = [
  '>>>=', '...', '===', '!==', '**=', '<<=', '>>=', '>>>', '&&=', '||=', '??=', '=>', '==', '!=', '<=', '>=', '&&', '||', '??', '?.', '++', '--',
  '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '<<', '>>', '**',
];

/**
 * Takes what the compiler has taken: what is wrong with the syntax, V8 says better.
 * @throws BundleError with file, line, column and reason
 */
export function prepareModule(file: string, source: string): PreparedModule {
  return new ModuleReader(file, source).read();
}

/** `line:column`, both from 1. */
export function lineColumn(source: string, at: number): string {
  const before = source.slice(0, at).split(/\r\n|[\n\r\u2028\u2029]/);
  return `${before.length}:${before[before.length - 1]!.length + 1}`;
}

class ModuleReader {
  private readonly file: string;
  private readonly source: string;
  private readonly tokens: Token[] = [];
  private readonly stack: Frame[] = [];
  private readonly top: Frame = { open: '', from: 0, role: 'block', part: '', regexAfter: true, head: '', ternaries: 0, classPending: false };
  private readonly inserts: { readonly at: number; readonly text: string }[] = [];
  private readonly bindings: string[] = [];
  private readonly callables = new Set<string>();
  private closed: Frame | null = null;
  private regexAfterParenthesis = false;
  private at = 0;

  constructor(file: string, source: string) {
    this.file = file;
    this.source = source;
  }

  read(): PreparedModule {
    this.scan();
    this.rules();
    return this.finish();
  }

  private fail(at: number, reason: string): never {
    throw invalid(`${this.file}:${this.position(at)}`, reason);
  }

  private position(at: number): string {
    return lineColumn(this.source, at);
  }

  private frame(): Frame {
    return this.stack[this.stack.length - 1] ?? this.top;
  }

  // --- tokens ---

  private scan(): void {
    const { source } = this;
    if (source.startsWith('#!')) this.fail(0, 'a module cannot begin with #!');
    let newline = true;
    while (this.at < source.length) {
      const char = source[this.at]!;
      if (/\s|\ufeff/.test(char)) {
        if (/[\n\r\u2028\u2029]/.test(char)) newline = true;
        this.at++;
      } else if (source.startsWith('//', this.at)) {
        const rest = /[\n\r\u2028\u2029]/.exec(source.slice(this.at));
        this.at = rest === null ? source.length : this.at + rest.index;
      } else if (source.startsWith('/*', this.at)) {
        const end = source.indexOf('*/', this.at + 2);
        if (end < 0) this.fail(this.at, 'the comment does not end');
        if (/[\n\r\u2028\u2029]/.test(source.slice(this.at, end))) newline = true;
        this.at = end + 2;
      } else {
        this.token(char, newline);
        newline = false;
      }
    }
    if (this.stack.length > 0) this.fail(source.length, `${this.opened(this.frame())} is not closed`);
  }

  private token(char: string, newline: boolean): void {
    const start = this.at;
    if (/[\p{ID_Start}$_#\\]/u.test(this.codePoint())) this.name();
    else if (/[0-9]/.test(char) || (char === '.' && /[0-9]/.test(this.source[start + 1] ?? ''))) this.number();
    else if (char === '"' || char === "'") this.text(char);
    else if (char === '`') return this.template(start, newline);
    else if (char === '/' && this.slashIsRegex()) this.regex();
    else return this.punctuator(start, newline);
    const text = this.source.slice(start, this.at);
    const isName = /^[\p{ID_Start}$_#\\]/u.test(text);
    this.push(isName ? 'name' : 'literal', text, start, newline);
  }

  private push(kind: Token['kind'], text: string, start: number, newline: boolean): void {
    const frame = this.frame();
    const inFunction = this.stack.some((item) => item.role === 'function');
    const afterTry = this.closed?.part === 'try';
    this.tokens.push({ kind, text, start, end: this.at, newline, depth: this.stack.length, inFunction, role: frame.role, afterTry });
    if (kind === 'name' && text === 'class' && !this.isProperty(0)) frame.classPending = true;
  }

  /** The n-th token from the end; 0 is the last. */
  private before(n: number): Token | undefined {
    return this.tokens[this.tokens.length - 1 - n];
  }

  private codePoint(): string {
    return String.fromCodePoint(this.source.codePointAt(this.at)!);
  }

  private name(): void {
    while (this.at < this.source.length) {
      const char = this.codePoint();
      if (char === '\\') this.fail(this.at, 'escapes in names are not supported');
      if (!/[\p{ID_Continue}$#\u200c\u200d]/u.test(char)) break;
      this.at += char.length;
    }
  }

  private number(): void {
    const found = /^(0[xX][0-9a-fA-F_]+n?|0[oO][0-7_]+n?|0[bB][01_]+n?|(\d[\d_]*)?\.?[\d_]*([eE][-+]?[\d_]+)?n?)/.exec(this.source.slice(this.at, this.at + 2_000));
    this.at += Math.max(1, found?.[0].length ?? 1);
  }

  private text(quote: string): void {
    const start = this.at++;
    for (; this.at < this.source.length; this.at++) {
      const char = this.source[this.at];
      if (char === '\\') this.at++;
      else if (char === quote) return void this.at++;
      else if (char === '\n' || char === '\r') break;
    }
    this.fail(start, 'the text does not end on its line');
  }

  private template(start: number, newline: boolean): void {
    this.at++;
    this.templatePart(start, newline);
  }

  /** From behind a backtick, or the brace that ends a substitution, to the next of the two. */
  private templatePart(start: number, newline: boolean): void {
    for (; this.at < this.source.length; this.at++) {
      const char = this.source[this.at];
      if (char === '\\') this.at++;
      else if (char === '`') {
        this.at++;
        return this.push('literal', '`', start, newline);
      } else if (char === '$' && this.source[this.at + 1] === '{') {
        this.at += 2;
        this.push('template', '${', start, newline);
        this.open('${', 'substitution', '', false, '');
        return;
      }
    }
    this.fail(start, 'the template does not end');
  }

  private regex(): void {
    const start = this.at++;
    let inClass = false;
    for (; this.at < this.source.length; this.at++) {
      const char = this.source[this.at]!;
      if (/[\n\r\u2028\u2029]/.test(char)) break;
      if (char === '\\') this.at++;
      else if (char === '[') inClass = true;
      else if (char === ']') inClass = false;
      else if (char === '/' && !inClass) {
        this.at++;
        while (/[a-z]/i.test(this.source[this.at] ?? '')) this.at++;
        return;
      }
    }
    this.fail(start, 'the regular expression does not end on its line');
  }

  private slashIsRegex(): boolean {
    const last = this.before(0);
    if (last === undefined) return true;
    if (last.kind === 'name') return regexAfterKeyword.has(last.text) && !this.isProperty(0);
    if (last.kind === 'literal') return false;
    if (last.kind === 'template') return true;
    if (last.text === ')') return this.regexAfterParenthesis;
    if (last.text === '}') return this.closed?.regexAfter ?? true;
    return last.text !== ']' && last.text !== '++' && last.text !== '--';
  }

  private isProperty(n: number): boolean {
    const before = this.before(n + 1);
    return before?.text === '.' || before?.text === '?.';
  }

  private punctuator(start: number, newline: boolean): void {
    const text = this.punctuatorText();
    if (text === '}' && this.frame().role === 'substitution') {
      this.stack.pop();
      this.at++;
      return this.templatePart(start, newline);
    }
    this.at += text.length;
    if (text === '{') this.openBrace();
    else if (text === '(') this.open('(', 'group', '', false, this.parenthesisHead());
    else if (text === '[') this.open('[', 'group', '', false, '');
    else if (text === '}' || text === ')' || text === ']') this.close(text, start);
    else if (text === '?') this.frame().ternaries++;
    this.push('punctuator', text, start, newline);
  }

  private punctuatorText(): string {
    const four = this.source.slice(this.at, this.at + 4);
    const found = punctuators.find((item) => four.startsWith(item)) ?? four[0]!;
    return found === '?.' && /[0-9]/.test(four[2] ?? '') ? '?' : found;
  }

  private parenthesisHead(): string {
    const last = this.before(0);
    if (last?.kind !== 'name' || this.isProperty(0)) return '';
    if (statementHeads.has(last.text)) return last.text;
    return last.text === 'await' && this.before(1)?.text === 'for' ? 'for' : last.text === 'async' ? 'async' : '';
  }

  private open(open: string, role: Frame['role'], part: Frame['part'], regexAfter: boolean, head: string): void {
    this.stack.push({ open, from: this.at, role, part, regexAfter, head, ternaries: 0, classPending: false });
  }

  private opened(frame: Frame): string {
    return `\`${frame.open}\` opened at ${this.position(frame.from - frame.open.length)}`;
  }

  private close(text: string, start: number): void {
    const frame = this.stack.pop();
    const expected = text === '}' ? '{' : text === ')' ? '(' : '[';
    if (frame === undefined) this.fail(start, `\`${text}\` at ${this.position(start)} closes nothing`);
    if (frame.open !== expected) this.fail(start, `\`${text}\` at ${this.position(start)} does not match ${this.opened(frame)}`);
    this.closed = frame;
    if (text === ')') this.regexAfterParenthesis = statementHeads.has(frame.head);
  }

  private openBrace(): void {
    const last = this.before(0);
    const frame = this.frame();
    if (frame.classPending) {
      frame.classPending = false;
      return this.open('{', 'class', '', true, '');
    }
    if (last === undefined) return this.open('{', 'block', '', true, '');
    if (last.text === ')' && last.kind === 'punctuator') {
      const head = this.closed?.head ?? '';
      if (statementHeads.has(head)) return this.open('{', 'block', head === 'catch' ? 'catch' : '', true, '');
      return this.open('{', 'function', '', !this.functionIsExpression(), '');
    }
    if (last.text === '=>') return this.open('{', 'function', '', true, '');
    if (last.kind === 'name' && !this.isProperty(0)) {
      if (last.text === 'catch') return this.open('{', 'block', 'catch', true, '');
      if (blockAfterKeyword.has(last.text)) return this.open('{', 'block', last.text === 'try' ? 'try' : '', true, '');
      if (last.text === 'static' && frame.role === 'class') return this.open('{', 'function', '', true, '');
      const literal = regexAfterKeyword.has(last.text) || last.text === 'import' || last.text === 'export';
      return this.open('{', literal ? 'object' : 'block', '', !literal, '');
    }
    if (last.kind === 'literal' || last.text === ';' || last.text === '}' || last.text === ']' || last.text === ')') return this.open('{', 'block', '', true, '');
    if (last.text === '{') return this.open('{', frame.role === 'object' ? 'object' : 'block', '', frame.role !== 'object', '');
    if (last.text === ':') return this.braceAfterColon(frame);
    return this.open('{', 'object', '', false, '');
  }

  private braceAfterColon(frame: Frame): void {
    const isValue = frame.role === 'object' || frame.role === 'group' || frame.role === 'substitution' || frame.ternaries > 0;
    if (frame.ternaries > 0) frame.ternaries--;
    this.open('{', isValue ? 'object' : 'block', '', !isValue, '');
  }

  /** Of the function whose parameters were just closed: whether its `function` keyword stands within an expression. */
  private functionIsExpression(): boolean {
    let depth = 0;
    for (let i = this.tokens.length - 1; i >= 0; i--) {
      const { text, kind } = this.tokens[i]!;
      if (kind === 'punctuator' && text === ')') depth++;
      else if (kind === 'punctuator' && text === '(' && --depth === 0) {
        let head = i - 1;
        while (head >= 0 && (this.tokens[head]!.kind === 'name' || this.tokens[head]!.text === '*') && this.tokens[head]!.text !== 'function') head--;
        return this.tokens[head]?.text === 'function' && !this.startsStatement(head);
      }
    }
    return false;
  }

  /** Whether token i, `function` or `class`, begins a declaration. */
  private startsStatement(i: number): boolean {
    const last = this.tokens[i - 1];
    if (last === undefined || last.kind === 'literal') return true;
    if (last.kind === 'name') return last.text === 'export' || last.text === 'default' || last.text === 'else' || !regexAfterKeyword.has(last.text);
    return last.text === ';' || last.text === '}' || last.text === '{' || last.text === ')' || last.text === ']';
  }

  // --- rules ---

  private rules(): void {
    for (let i = 0; i < this.tokens.length; i++) if (this.tokens[i]!.kind === 'name') this.nameRules(i);
  }

  private nameRules(i: number): void {
    const token = this.tokens[i]!;
    const last = this.tokens[i - 1];
    const next = this.tokens[i + 1];
    if (last?.text === '.' || last?.text === '?.') return;
    const isKey = (token.role === 'object' || token.role === 'class') && (next?.text === ':' || next?.text === '(' || next?.text === ',' || next?.text === '}');
    switch (token.text) {
      case 'await':
        if (!isKey) this.fail(token.start, 'await is not available: a decision is synchronous');
        return;
      case 'async':
        if (!isKey && this.isAsync(i)) this.fail(token.start, 'async functions are not available: a decision is synchronous');
        return;
      case 'import':
        if (next?.text === '(') this.fail(token.start, 'import() is not available: import at the head of the module');
        if (next?.text === '.') this.fail(token.start, 'import.meta is not available');
        return;
      case 'let':
        if (token.depth === 0) this.fail(token.start, 'a module-level let would carry state from one actor to another; use const');
        return;
      case 'var':
        if (!token.inFunction && !isKey) this.fail(token.start, 'a module-level var would carry state from one actor to another; use const');
        return;
      case 'const':
        if (token.depth === 0) this.constBindings(i);
        return;
      case 'function':
      case 'class':
        if (token.depth === 0 && !isKey && this.startsStatement(i)) this.callable(i);
        return;
      case 'catch':
        if (!isKey && last?.text === '}') this.guardCatch(i);
        return;
      case 'finally':
        if (!isKey && last?.text === '}' && token.afterTry) this.inserts.push({ at: token.start, text: `catch ($e) {${guard}($e); throw $e;} ` });
        return;
    }
  }

  private isAsync(i: number): boolean {
    const next = this.tokens[i + 1];
    if (next === undefined || next.newline) return false;
    if (next.kind === 'name' || next.text === '*' || next.text === '[') return next.text !== 'of' && next.text !== 'in' && next.text !== 'instanceof';
    if (next.text !== '(') return next.kind === 'literal' && this.source[next.start] !== '`';
    const close = this.matching(i + 1);
    return this.tokens[close + 1]?.text === '=>';
  }

  private matching(i: number): number {
    let depth = 0;
    for (let at = i; at < this.tokens.length; at++) {
      const { kind, text } = this.tokens[at]!;
      if (kind !== 'punctuator') continue;
      if (text === '(' || text === '[' || text === '{') depth++;
      else if ((text === ')' || text === ']' || text === '}') && --depth === 0) return at;
    }
    return this.tokens.length - 1;
  }

  /** Names that a module-level const declares. */
  private constBindings(i: number): void {
    let at = i + 1;
    for (;;) {
      const token = this.tokens[at];
      if (token === undefined) return;
      if (token.kind === 'name') this.bindings.push(token.text);
      else if (token.text === '{' || token.text === '[') this.pattern(at);
      // Over the initialiser to a comma at this level, or the end of the declaration.
      for (at++; ; at++) {
        const next = this.tokens[at];
        if (next === undefined || (next.text === ';' && next.depth === 0)) return;
        if (next.depth === 0 && next.kind === 'name' && next.newline && statementKeywords.has(next.text)) return;
        if (next.depth === 0 && next.kind === 'punctuator' && next.text === ',') break;
      }
      at++;
    }
  }

  private pattern(from: number): void {
    const to = this.matching(from);
    for (let at = from + 1; at < to; at++) {
      const token = this.tokens[at]!;
      const next = this.tokens[at + 1]!;
      if (token.text === '=' && token.kind === 'punctuator') this.fail(token.start, 'defaults are not supported in a module-level destructuring');
      if (token.kind === 'name' && next.text !== ':' && next.text !== '=') this.bindings.push(token.text);
    }
  }

  private callable(i: number): void {
    const name = this.tokens[i + 1]?.text === '*' ? this.tokens[i + 2] : this.tokens[i + 1];
    if (name?.kind !== 'name' || name.text === 'extends') return;
    this.bindings.push(name.text);
    this.callables.add(name.text);
  }

  private guardCatch(i: number): void {
    const next = this.tokens[i + 1];
    if (next?.text === '{') {
      this.inserts.push({ at: next.start, text: '($e) ' }, { at: next.end, text: `${guard}($e);` });
      return;
    }
    const [name, close, brace] = [this.tokens[i + 2], this.tokens[i + 3], this.tokens[i + 4]];
    if (name?.kind !== 'name' || close?.text !== ')' || brace?.text !== '{') this.fail(this.tokens[i]!.start, 'catch takes one plain name');
    this.inserts.push({ at: brace.end, text: `${guard}(${name.text});` });
  }

  /** P1 for functions and classes: `name = ...`, `name++` where the name is not declared anew right there. */
  private refuseAssignments(): void {
    if (this.callables.size === 0) return;
    this.tokens.forEach((token, i) => {
      if (token.kind !== 'name' || !this.callables.has(token.text)) return;
      const last = this.tokens[i - 1]?.text ?? ';';
      const next = this.tokens[i + 1]?.text ?? ';';
      const assigned = assignments.has(next) && this.tokens[i + 1]!.kind === 'punctuator';
      const declared = ['.', '?.', 'const', 'let', 'var', ',', '(', '['].includes(last) || (last === '{' && token.role === 'object');
      if ((assigned && !declared && !((next === '++' || next === '--') && this.tokens[i + 1]!.newline)) || last === '++' || last === '--') {
        this.fail(token.start, `${token.text} is a function or class of the module; assigning to it would carry state from one actor to another`);
      }
    });
  }

  private finish(): PreparedModule {
    this.refuseAssignments();
    const { source, inserts } = this;
    inserts.sort((a, b) => a.at - b.at);
    let text = '';
    let from = 0;
    const shifts: ColumnShift[] = [];
    for (const insert of inserts) {
      text += source.slice(from, insert.at) + insert.text;
      from = insert.at;
      const [line, column] = this.position(insert.at).split(':');
      shifts.push([Number(line), Number(column) - 1, insert.text.length]);
    }
    text += source.slice(from);
    const names = [...new Set(this.bindings)];
    if (names.length > 0) text += `\n;export { ${names.map((name) => `${name} as ${hidden}${name}`).join(', ')} };`;
    if (inserts.length > 0) text += `\n;import { caught as ${guard} } from 'troupe:guard';`;
    return { source: text, shifts, tokens: this.tokens };
  }
}
