/**
 * Finds what a JavaScript module imports, without running it: enough of a scanner to tell code from comments, strings,
 * templates and regular expressions. It decides which files go into a bundle; whether the module is valid is for the sandbox
 * to say, with the real parser.
 */

export interface ModuleImport {
  readonly specifier: string;
  readonly line: number;
  /** `import(...)`: refused in behaviours. Its specifier is empty. */
  readonly dynamic: boolean;
}

interface Token {
  readonly kind: 'word' | 'string' | 'punctuator' | 'literal';
  readonly text: string;
  readonly at: number;
}

// A slash behind one of these begins a regular expression, behind anything else it divides.
const wordsBeforeExpression = new Set([
  'return', 'typeof', 'instanceof', 'in', 'of', 'new', 'delete', 'void', 'throw', 'case', 'do', 'else', 'yield', 'await', 'default',
]);
const wordPattern = /[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*/uy;
const numberPattern = /(?:\d|\.\d)[\w.]*/y;
const gapPattern = /(?:\s|\/\/[^\n\r\u2028\u2029]*|\/\*[\s\S]*?\*\/)+/y;
const stringPattern = /'(?:[^'\\\n\r]|\\[\s\S])*'|"(?:[^"\\\n\r]|\\[\s\S])*"/y;
const regexPattern = /\/(?:[^/\\[\n\r]|\\.|\[(?:[^\]\\\n\r]|\\.)*\])+\/[a-z]*/y;

/** What `source` imports or re-exports, in order. */
export function scanImports(source: string): ModuleImport[] {
  const tokens = tokenise(source);
  const imports: ModuleImport[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.kind !== 'word' || tokens[i - 1]?.text === '.') continue;
    if (token.text !== 'import' && token.text !== 'export') continue;
    const from = token.text === 'import' ? importSource(tokens, i) : exportSource(tokens, i);
    if (from === null) continue;
    const line = source.slice(0, token.at).split('\n').length;
    imports.push({ specifier: from === undefined ? '' : unquote(from.text), line, dynamic: from === undefined });
  }
  return imports;
}

/** The specifier of the import at `i`; undefined for import(), null when it is neither. */
function importSource(tokens: readonly Token[], i: number): Token | null | undefined {
  const next = tokens[i + 1];
  if (next === undefined || next.text === '.' || next.text === ':') return null;
  if (next.text === '(') return undefined;
  if (next.kind === 'string') return next;
  return specifierBehindFrom(tokens, i + 1);
}

function exportSource(tokens: readonly Token[], i: number): Token | null {
  const next = tokens[i + 1];
  if (next === undefined || (next.text !== '{' && next.text !== '*')) return null;
  return specifierBehindFrom(tokens, i + 1);
}

/** Walks over an import or export clause: names, braces, commas, stars, then `from` and a string. */
function specifierBehindFrom(tokens: readonly Token[], start: number): Token | null {
  for (let i = start; i < tokens.length; i++) {
    const token = tokens[i]!;
    const next = tokens[i + 1];
    if (token.text === 'from' && token.kind === 'word' && next?.kind === 'string') return next;
    const inClause = token.kind === 'word' || token.kind === 'string' || ['{', '}', ',', '*'].includes(token.text);
    if (!inClause) return null;
    // An export list that is closed and not followed by `from` names local bindings.
    if (token.text === '}' && next?.text !== 'from') return null;
  }
  return null;
}

function tokenise(source: string): Token[] {
  const tokens: Token[] = [];
  // Depth of braces inside each open template substitution, innermost last.
  const templates: number[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0] ?? null;
  };
  const push = (kind: Token['kind'], text: string): void => {
    tokens.push({ kind, text, at });
    at += text.length;
  };
  while (at < source.length) {
    const gap = match(gapPattern);
    if (gap !== null) {
      at += gap.length;
      continue;
    }
    const char = source[at]!;
    if (char === '`' || (char === '}' && templates.at(-1) === 0)) {
      if (char === '}') templates.pop();
      const text = templateChunk(source, at);
      push('literal', text);
      if (text.endsWith('${')) templates.push(0);
      continue;
    }
    const string = match(stringPattern);
    if (string !== null) {
      push('string', string);
      continue;
    }
    const literal = match(numberPattern) ?? (char === '/' && expressionMayStart(tokens.at(-1)) ? match(regexPattern) : null);
    if (literal !== null) {
      push('literal', literal);
      continue;
    }
    const word = match(wordPattern);
    if (word !== null) {
      push('word', word);
      continue;
    }
    if (templates.length > 0 && char === '{') templates[templates.length - 1]!++;
    if (templates.length > 0 && char === '}') templates[templates.length - 1]!--;
    push('punctuator', char);
  }
  return tokens;
}

/** From a backtick or a closing brace to the next `${`, the closing backtick, or the end. */
function templateChunk(source: string, start: number): string {
  for (let at = start + 1; at < source.length; at++) {
    if (source[at] === '\\') at++;
    else if (source[at] === '`') return source.slice(start, at + 1);
    else if (source[at] === '$' && source[at + 1] === '{') return source.slice(start, at + 2);
  }
  return source.slice(start);
}

function expressionMayStart(last: Token | undefined): boolean {
  if (last === undefined) return true;
  if (last.kind === 'word') return wordsBeforeExpression.has(last.text);
  if (last.kind === 'literal') return last.text.endsWith('${');
  return last.kind === 'punctuator' && last.text !== ')' && last.text !== ']' && last.text !== '}';
}

function unquote(literal: string): string {
  // Specifiers with escapes are compared as written; none names a file of a bundle.
  return literal.slice(1, -1);
}
