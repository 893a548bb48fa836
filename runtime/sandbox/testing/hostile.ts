/** Hostile behaviours: what each does inside `decide`, and how it must end. */

export interface Hostile {
  readonly name: string;
  /** Body of decide.Do(state, command, ctx). */
  readonly decide: string;
  /** Code of the failed item, 'OK' or 'REJECTED', or the code with which the process is lost. */
  readonly code: string;
  /** Body of evolve.Done(state, event). */
  readonly evolve?: string;
  readonly head?: string;
}

export const hostileProto = `syntax = "proto3";
package test.v1;
message Part { int32 n = 1; }
message VictimState { int32 count = 1; map<string, Part> parts = 2; repeated string notes = 3; bytes raw = 4; }
message Do { string text = 1; map<string, Part> parts = 2; }
message DoReply { int32 count = 1; string text = 2; repeated Part parts = 3; }
message Done { int32 n = 1; string text = 2; }
message VictimEvent { oneof event { Done done = 1; } }
service VictimCommands { rpc Do(Do) returns (DoReply); }
`;

export function hostileModule({ decide, evolve, head }: Hostile): string {
  return `import { defineActor } from 'troupe';
${head ?? ''}
export default defineActor('test.v1.Victim', {
  initialState: () => ({}),
  decide: { Do(state, command, ctx) { ${decide} } },
  evolve: { Done(state, event) { ${evolve ?? 'return { ...state, count: state.count + event.n };'} } },
});
`;
}

const T = 'BEHAVIOR_TIMEOUT';
const E = 'BEHAVIOR_ERROR';

export const hostile: readonly Hostile[] = [
  // Time.
  { name: 'endless loop', decide: 'for (;;);', code: T },
  { name: 'endless loop in a getter of the reply', decide: 'return { get count() { for (;;); } };', code: T },
  { name: 'endless loop in a getter of an event', decide: "ctx.emit('Done', { get n() { for (;;); } }); return {};", code: T },
  { name: 'endless loop in toString', decide: '`${{ toString() { for (;;); } }}`; return {};', code: T },
  { name: 'endless loop in a proxy trap', decide: 'return new Proxy({}, { ownKeys() { for (;;); } });', code: T },
  { name: 'endless loop in getPrototypeOf of a proxy', decide: 'return new Proxy({}, { getPrototypeOf() { for (;;); } });', code: T },
  { name: 'regular expression that backtracks', decide: "/^(a+)+$/.test('a'.repeat(50) + 'b'); return {};", code: T },
  { name: 'endless generator', decide: 'function* g() { for (;;) yield 1; } for (const x of g()); return {};', code: T },
  { name: 'endless iterator in Array.from', decide: 'Array.from({ [Symbol.iterator]: () => ({ next: () => ({ done: false, value: undefined, get done() { return false; } }) }) }, () => { for (;;); }); return {};', code: T },
  { name: 'endless sort', decide: '[3, 2, 1].sort(() => { for (;;); }); return {};', code: T },
  { name: 'endless loop in a finally', decide: 'try { throw 1; } finally { for (;;); }', code: T },
  { name: 'loop that catches everything', decide: 'for (;;) { try { for (;;); } catch {} }', code: T },
  { name: 'endless loop in evolve', decide: "ctx.emit('Done', {}); return {};", evolve: 'for (;;);', code: T },
  { name: 'endless loop in a toJSON', decide: 'JSON.stringify({ toJSON() { for (;;); } }); return {};', code: T },
  { name: 'thrown object with a looping getter for stack is not asked', decide: 'throw { get stack() { for (;;); } };', code: E },
  { name: 'thrown error with a looping getter for message is not asked', decide: "const e = new Error('x'); Object.defineProperty(e, 'message', { get() { for (;;); } }); throw e;", code: E },
  { name: 'thrown error with a looping getter for stack is not asked', decide: "const e = new Error('x'); Object.defineProperty(e, 'stack', { get() { for (;;); } }); throw e;", code: E },
  { name: 'thrown error with a looping getter for name', decide: "const e = new Error('x'); Object.defineProperty(e, 'name', { get() { for (;;); } }); throw e;", code: E },
  { name: 'thrown proxy whose traps loop', decide: 'throw new Proxy({}, { getOwnPropertyDescriptor() { for (;;); }, getPrototypeOf() { for (;;); } });', code: T },
  { name: 'huge BigInt', decide: 'let x = 3n; for (;;) x *= x;', code: 'ANY' },
  // Memory.
  { name: 'array that grows without end', decide: 'const a = []; for (;;) a.push(a.length);', code: 'LOST' },
  { name: 'objects without end', decide: 'const a = []; for (;;) a.push({ a: [1, 2, 3] });', code: 'LOST' },
  { name: 'strings without end', decide: "const a = []; for (let i = 0; ; i++) a.push('x'.repeat(1000) + i);", code: 'LOST' },
  { name: 'ArrayBuffers without end', decide: 'const a = []; for (;;) a.push(new Uint8Array(1 << 24).fill(1));', code: 'ANY' },
  { name: 'Map without end', decide: 'const m = new Map(); for (let i = 0; ; i++) m.set(i, i);', code: 'ANY' },
  { name: 'one huge array', decide: 'new Array(2 ** 32 - 1).fill(0); return {};', code: 'ANY' },
  { name: 'one huge string', decide: "'x'.repeat(2 ** 30); return {};", code: E },
  { name: 'string that doubles', decide: "let s = 'x'; for (;;) s += s;", code: E },
  { name: 'string that doubles, flattened', decide: "let s = 'ab'; for (let i = 0; i < 28; i++) { s += s; } return { text: s };", code: 'ANY' },
  // Stack.
  { name: 'endless recursion', decide: 'const f = () => f() + 1; f(); return {};', code: E },
  { name: 'endless recursion, caught', decide: 'let n = 0; const f = () => { n++; f(); }; try { f(); } catch {} return { count: n };', code: E },
  { name: 'endless recursion, caught by name', decide: 'let n = 0; const f = () => { n++; f(); }; try { f(); } catch (e) { return { count: n }; } return {};', code: E },
  { name: 'endless recursion, returned over by finally', decide: 'let n = 0; const f = () => { n++; f(); }; try { f(); } finally { return { count: n }; }', code: E },
  { name: 'endless recursion in evolve, caught', decide: "ctx.emit('Done', { n: 1 }); return {};", evolve: 'let n = 0; const f = () => { n++; f(); }; try { f(); } catch {} return { count: n };', code: E },
  { name: 'endless recursion through ctx.emit', decide: "const f = () => { ctx.emit('Done', { get n() { f(); return 1; } }); }; f(); return {};", code: E },
  // Odd things thrown.
  { name: 'throws undefined', decide: 'throw undefined;', code: E },
  { name: 'throws null', decide: 'throw null;', code: E },
  { name: 'throws a symbol', decide: "throw Symbol('x');", code: E },
  { name: 'throws a bigint', decide: 'throw 2n ** 5000n;', code: E },
  { name: 'throws a function', decide: 'throw () => 1;', code: E },
  { name: 'throws a revoked proxy', decide: 'const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy;', code: E },
  { name: 'throws a cycle', decide: 'const a = {}; a.a = a; throw a;', code: E },
  { name: 'throws a huge string', decide: "throw 'x'.repeat(1e7);", code: E },
  { name: 'throws an error with a huge message', decide: "throw new Error('x'.repeat(1e7));", code: E },
  { name: 'throws half a surrogate pair', decide: "throw new Error('\\ud800');", code: E },
  { name: 'throws an error whose prototype throws', decide: "const e = new Error('x'); Object.setPrototypeOf(e, new Proxy({}, { get() { throw 1; }, getOwnPropertyDescriptor() { throw 2; } })); throw e;", code: E },
  { name: 'throws what ctx.reject throws, caught and kept', decide: "let kept; try { ctx.reject('NO', 'x'); } catch (e) { kept = e; } return { count: 5 };", code: 'REJECTED' },
  { name: 'catches what emit throws', decide: "try { ctx.emit('Done', { n: 1.5 }); } catch {} return {};", code: 'BAD_EVENT' },
  // Odd things returned.
  { name: 'returns a cycle', decide: 'const a = {}; a.a = a; return a;', code: 'BAD_REPLY' },
  { name: 'returns a function', decide: 'return () => 1;', code: 'BAD_REPLY' },
  { name: 'returns a symbol', decide: "return Symbol('x');", code: 'BAD_REPLY' },
  { name: 'returns a revoked proxy', decide: 'const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy;', code: 'BAD_REPLY' },
  { name: 'returns a getter that throws', decide: 'return { get count() { throw new Error("x"); } };', code: 'BAD_REPLY' },
  { name: 'returns wrong types', decide: "return { count: '5' };", code: 'BAD_REPLY' },
  { name: 'returns an unknown field', decide: 'return { size: 5 };', code: 'BAD_REPLY' },
  { name: 'returns nothing', decide: '', code: 'BAD_REPLY' },
  { name: 'returns a generator', decide: 'return (function* () {})();', code: 'BAD_REPLY' },
  { name: 'returns a thenable', decide: 'return { then() { for (;;); } };', code: 'BAD_REPLY' },
  { name: 'returns too much', decide: "return { text: 'x'.repeat(2_000_000) };", code: 'OUTPUT_TOO_LARGE' },
  { name: 'returns an endless list', decide: 'return { parts: new Proxy([], { get(t, k) { return k === "length" ? 2 ** 32 : {}; } }) };', code: 'BAD_REPLY' },
  { name: 'returns another value at each look', decide: 'let n = 0; return { get count() { return n++ === 0 ? 1 : "x"; } };', code: 'OK' },
  // Output.
  { name: 'emits an unknown event', decide: "ctx.emit('Undone', {}); return {};", code: 'BAD_EVENT' },
  { name: 'emits an event named __proto__', decide: "ctx.emit('__proto__', {}); return {};", code: 'BAD_EVENT' },
  { name: 'emits a wrong field', decide: "ctx.emit('Done', { n: -1.5 }); return {};", code: 'BAD_EVENT' },
  { name: 'emits an unknown field', decide: "ctx.emit('Done', { m: 1 }); return {};", code: 'BAD_EVENT' },
  { name: 'emits half a surrogate pair', decide: "ctx.emit('Done', { text: '\\udc00' }); return {};", code: 'BAD_EVENT' },
  { name: 'emits too many events', decide: "for (;;) ctx.emit('Done', {});", code: 'OUTPUT_TOO_LARGE' },
  { name: 'emits too many bytes', decide: "for (;;) ctx.emit('Done', { text: 'x'.repeat(100_000) });", code: 'OUTPUT_TOO_LARGE' },
  { name: 'sends to an unknown type', decide: "ctx.send('test.v1.Nobody:1', 'Do', {}); return {};", code: 'BAD_OUTPUT' },
  { name: 'sends an unknown command', decide: "ctx.send('test.v1.Victim:1', 'toString', {}); return {};", code: 'BAD_OUTPUT' },
  { name: 'sends to no address', decide: "ctx.send('test.v1.Victim:a\\u0000b', 'Do', {}); return {};", code: 'BAD_OUTPUT' },
  { name: 'sends a wrong body', decide: "ctx.send('test.v1.Victim:1', 'Do', { text: 1 }); return {};", code: 'BAD_OUTPUT' },
  { name: 'arms a timer in the past of time', decide: "ctx.timer('t', -5, 'Do', {}); return {};", code: 'BAD_OUTPUT' },
  { name: 'arms a timer at NaN', decide: "ctx.timer('t', NaN, 'Do', {}); return {};", code: 'BAD_OUTPUT' },
  { name: 'links to what is no actor', decide: 'ctx.link({}); return {};', code: 'BAD_OUTPUT' },
  { name: 'rejects with an object', decide: 'ctx.reject({}, {});', code: 'BAD_OUTPUT' },
  { name: 'rejects with too much', decide: "ctx.reject('NO', 'x'.repeat(10_000));", code: 'OUTPUT_TOO_LARGE' },
  // State.
  { name: 'evolve returns nothing', decide: "ctx.emit('Done', {}); return {};", evolve: '', code: 'BAD_STATE' },
  { name: 'evolve returns a wrong type', decide: "ctx.emit('Done', {}); return {};", evolve: 'return { count: 0.5 };', code: 'BAD_STATE' },
  { name: 'evolve throws', decide: "ctx.emit('Done', {}); return {};", evolve: "throw new Error('x');", code: E },
  { name: 'evolve makes too large a state', decide: "ctx.emit('Done', {}); return {};", evolve: "return { notes: ['x'.repeat(5_000_000)] };", code: 'OUTPUT_TOO_LARGE' },
  { name: 'changes the state', decide: 'state.count = 5; return {};', code: E },
  { name: 'changes a list of the state', decide: "state.notes.push('x'); return {};", code: E },
  { name: 'changes the command', decide: "command.text = 'x'; return {};", code: E },
  { name: 'changes the event in evolve', decide: "ctx.emit('Done', {}); return {};", evolve: 'event.n = 5; return state;', code: E },
  { name: 'changes ctx', decide: 'ctx.now = 5; return {};', code: E },
  // Escapes.
  { name: 'pollutes Object.prototype', decide: 'Object.prototype.count = 5; return {};', code: E },
  { name: 'pollutes Array.prototype.push', decide: 'Array.prototype.push = () => 1; return {};', code: E },
  { name: 'pollutes through __proto__', decide: '({}).__proto__.x = 1; return {};', code: E },
  { name: 'pollutes through defineProperty', decide: "Object.defineProperty(Map.prototype, 'get', { value: () => 1 }); return {};", code: E },
  { name: 'sets a global', decide: 'globalThis.leak = 1; return {};', code: E },
  { name: 'replaces a global', decide: 'globalThis.JSON = {}; return {};', code: E },
  { name: 'makes code by constructor.constructor', decide: "return { count: ({}).constructor.constructor('return 1')() };", code: E },
  { name: 'makes code by a function of ctx', decide: "return { count: ctx.emit.constructor('return 1')() };", code: E },
  { name: 'makes code by the generator constructor', decide: "return { count: (function* () {}).constructor('yield 1')().next().value };", code: E },
  { name: 'makes code by Reflect.construct', decide: "return { count: Reflect.construct(Function, ['return 1'])() };", code: E },
  { name: 'calls eval', decide: "return { count: eval('1') };", code: E },
  { name: 'asks for Date', decide: 'return { count: new Date().getTime() % 5 };', code: E },
  { name: 'asks for Math.random', decide: 'return { count: Math.random() < 2 ? 1 : 0 };', code: E },
  { name: 'asks for process', decide: 'return { count: process.pid };', code: E },
  { name: 'asks for WebAssembly', decide: 'return { count: typeof WebAssembly.Module === "function" ? 1 : 0 };', code: E },
  { name: 'asks for locale order', decide: "return { count: 'a'.localeCompare('b') };", code: E },
  { name: 'sets Error.prepareStackTrace', decide: 'Error.prepareStackTrace = () => { for (;;); }; throw new Error("x");', code: E },
  { name: 'sets Error.stackTraceLimit', decide: 'Error.stackTraceLimit = 1e9; return {};', code: E },
  { name: 'changes a Map of the module', head: 'const seen = new Map();', decide: "seen.set('x', 1); return {};", code: E },
  { name: 'changes a Set of the module through its prototype', head: 'const seen = new Set();', decide: 'Set.prototype.add.call(seen, 1); return {};', code: E },
  { name: 'changes an object of the module', head: 'const cache = { hits: 0 };', decide: 'cache.hits++; return {};', code: E },
  { name: 'changes a static field of a class of the module', head: 'class Counter { static n = 0; }', decide: 'Counter.n++; return {};', code: E },
  { name: 'reads old matches from RegExp', decide: "/(x)/.exec('x'); return { text: RegExp.$1 };", code: 'BAD_REPLY_OR_EMPTY' },
  // Harmless, though they look odd.
  { name: '__proto__ as a key of a map', decide: "return { parts: Object.values(command.parts), text: Object.keys(command.parts).join() };", code: 'OK' },
  { name: 'sorts, matches and maps', decide: "return { count: [3, 1, 2].sort()[0], text: 'a1b2'.replace(/[0-9]/g, '').toUpperCase() };", code: 'OK' },
];

export interface RefusedModule {
  readonly name: string;
  readonly module: string;
  /** Line and column that the refusal must name. */
  readonly at: string;
  readonly reason?: RegExp;
}

/** A module whose fifth line, within decide, is `line`. */
function syntax(line: string): string {
  return `import { defineActor } from 'troupe';
export default defineActor('test.v1.Victim', {
  initialState: () => ({}),
  decide: { Do(state, command, ctx) {
    ${line}
  } },
  evolve: { Done: (state) => state },
});
// The end.
`;
}

const actor = `export default defineActor('test.v1.Victim', { initialState: () => ({}), decide: { Do() { return {}; } }, evolve: { Done: (s) => s } });`;

export const refused: readonly RefusedModule[] = [
  { name: 'module-level let', module: `import { defineActor } from 'troupe';\nlet n = 0;\n${actor}`, at: '2:1' },
  { name: 'module-level var', module: `import { defineActor } from 'troupe';\n  var n = 0;\n${actor}`, at: '2:3' },
  { name: 'var in a block', module: `import { defineActor } from 'troupe';\nif (true) { var n = 0; }\n${actor}`, at: '2:13' },
  { name: 'exported let', module: `import { defineActor } from 'troupe';\nexport let n = 0;\n${actor}`, at: '2:8' },
  { name: 'assignment to a function', module: `import { defineActor } from 'troupe';\nfunction f() {\n  f = 1;\n}\n${actor}`, at: '3:3' },
  { name: 'async function', module: `import { defineActor } from 'troupe';\nasync function f() {}\n${actor}`, at: '2:1' },
  { name: 'await', module: `import { defineActor } from 'troupe';\nawait 1;\n${actor}`, at: '2:1' },
  { name: 'dynamic import', module: `import { defineActor } from 'troupe';\nconst x = import('fs');\n${actor}`, at: '2:11' },
  { name: 'import of a package', module: `import { defineActor } from 'troupe';\nimport fs from 'node:fs';\n${actor}`, at: '2:16' },
  { name: 'import of a missing module', module: `import { defineActor } from 'troupe';\nimport x from './missing.js';\n${actor}`, at: '2:15' },
  { name: 'syntax error', module: `import { defineActor } from 'troupe';\nconst x = = 1;\n${actor}`, at: '2:11' },
  { name: 'missing handler', module: `import { defineActor } from 'troupe';\nexport default defineActor('test.v1.Victim', { initialState: () => ({}), decide: {}, evolve: { Done: (s) => s } });`, at: '2:16' },
  { name: 'handler too many', module: `import { defineActor } from 'troupe';\nexport default defineActor('test.v1.Victim', { initialState: () => ({}), decide: { Do() {}, Undo() {} }, evolve: { Done: (s) => s } });`, at: '2:16' },
  { name: 'type without schema', module: `import { defineActor } from 'troupe';\nexport default defineActor('test.v1.Nobody', { initialState: () => ({}), decide: {}, evolve: {} });`, at: '2:16' },
  { name: 'no behaviour', module: 'export default {};', at: '1:1' },
  { name: 'initial state of a wrong type', module: `import { defineActor } from 'troupe';\nexport default defineActor('test.v1.Victim', { initialState: () => ({ count: 'x' }), decide: { Do() {} }, evolve: { Done: (s) => s } });`, at: '2:16' },
  { name: 'throws while it loads', module: `import { defineActor } from 'troupe';\nnull.x;\n${actor}`, at: '2:6' },
  { name: 'what is not in the realm, while it loads', module: `import { defineActor } from 'troupe';\nconst t = Date.now();\n${actor}`, at: '2:11' },
  // Places are V8's: a syntax error is told as the compiler tells it, before anything of ours reads the module.
  { name: 'an if without )', module: syntax('if (command.n > 1 { return {}; }'), at: '5:23', reason: /: SyntaxError: Unexpected token '\{'/ },
  { name: 'a missing operand', module: syntax('return { count: state.count + };'), at: '5:35', reason: /: SyntaxError: Unexpected token '}'/ },
  { name: 'a missing operand before a call', module: syntax('return Object(state.count + );'), at: '5:33', reason: /: SyntaxError: Unexpected token '\)'/ },
  { name: 'a { too many', module: syntax('if (command.n > 1) { { return {}; }'), at: '8:2', reason: /: SyntaxError: Unexpected token '\)'/ },
  { name: 'a } too many', module: syntax('if (command.n > 1) { return {}; } }'), at: '7:3', reason: /: SyntaxError: missing \) after argument list/ },
  { name: 'a text without end', module: syntax("return { text: 'x };"), at: '5:20', reason: /: SyntaxError: Invalid or unexpected token/ },
  { name: 'a template without end', module: syntax('return { text: `x };'), at: '10:1', reason: /: SyntaxError: Unexpected end of input/ },
  { name: 'a regular expression without end', module: syntax('return /x(.test(state);'), at: '5:12', reason: /: SyntaxError: Invalid regular expression: missing \// },
  { name: 'a comment without end', module: syntax('return {}; /* x'), at: '5:16', reason: /: SyntaxError: Invalid or unexpected token/ },
  // What a decision would touch, found before one does.
  { name: 'Date in a decision', module: syntax('return { count: Date.now() };'), at: '5:21', reason: / Date is not available in a behaviour: use ctx.now/ },
  { name: 'Math.random in a decision', module: syntax('return { count: Math.random() };'), at: '5:21', reason: /Math.random is not available in a behaviour: use ctx.random/ },
  { name: 'process in a decision', module: syntax('return { text: process.env.HOME };'), at: '5:20', reason: /process is not available/ },
  { name: 'a timer in a decision', module: syntax('setTimeout(() => {}, 5); return {};'), at: '5:5', reason: /use ctx.timer/ },
  { name: 'a misspelt name in a decision', module: syntax('return { count: comand.n };'), at: '5:21', reason: /comand is not defined/ },
  { name: 'typed array of the module', module: `import { defineActor } from 'troupe';\nconst table = new Uint8Array(4);\n${actor}`, at: '1:1' },
  { name: 'generator of the module', module: `import { defineActor } from 'troupe';\nconst numbers = (function* () { yield 1; })();\n${actor}`, at: '1:1' },
];
