/**
 * What a realm may hold: the globals, and the members of every intrinsic that a script can reach. guest/lockdown.js removes the
 * rest, and the process refuses to start when a realm then has any other global. An allow-list, because a deny-list
 * misses what the next V8 brings: look at what an upgrade adds, and add it here only when it is pure.
 */

export const realmGlobals: readonly string[] = [
  'Object', 'Function', 'Array', 'Number', 'parseFloat', 'parseInt', 'Infinity', 'NaN', 'undefined', 'Boolean', 'String',
  'Symbol', 'RegExp', 'Error', 'AggregateError', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError',
  'URIError', 'globalThis', 'JSON', 'Math', 'ArrayBuffer', 'Uint8Array', 'Int8Array', 'Uint16Array', 'Int16Array',
  'Uint32Array', 'Int32Array', 'BigUint64Array', 'BigInt64Array', 'Uint8ClampedArray', 'Float32Array', 'Float64Array',
  'Float16Array', 'DataView', 'Map', 'BigInt', 'Set', 'Iterator', 'WeakMap', 'WeakSet', 'Proxy', 'Reflect', 'decodeURI',
  'decodeURIComponent', 'encodeURI', 'encodeURIComponent', 'isFinite', 'isNaN', 'SuppressedError', 'DisposableStack',
];

export const realmMembers: Readonly<Record<string, readonly string[]>> = {
  'Function.prototype': [
    'length', 'name', 'constructor', 'apply', 'bind', 'call', 'toString', 'arguments', 'caller', '@@hasInstance',
  ],
  '%AsyncFunction%': [
    'length', 'name', 'prototype',
  ],
  '%AsyncFunction.prototype%': [
    'constructor', '@@toStringTag',
  ],
  '%GeneratorFunction%': [
    'length', 'name', 'prototype',
  ],
  '%GeneratorFunction.prototype%': [
    'prototype', 'constructor', '@@toStringTag',
  ],
  '%Generator.prototype%': [
    'constructor', 'next', 'return', 'throw', '@@toStringTag',
  ],
  '%AsyncGeneratorFunction%': [
    'length', 'name', 'prototype',
  ],
  '%AsyncGeneratorFunction.prototype%': [
    'prototype', 'constructor', '@@toStringTag',
  ],
  '%AsyncGenerator.prototype%': [
    'constructor', 'next', 'return', 'throw', '@@toStringTag',
  ],
  '%AsyncIterator.prototype%': [
    '@@asyncIterator', '@@asyncDispose',
  ],
  '%ArrayIterator.prototype%': [
    'next', '@@toStringTag',
  ],
  '%MapIterator.prototype%': [
    'next', '@@toStringTag',
  ],
  '%SetIterator.prototype%': [
    'next', '@@toStringTag',
  ],
  '%StringIterator.prototype%': [
    'next', '@@toStringTag',
  ],
  '%RegExpStringIterator.prototype%': [
    'next', '@@toStringTag',
  ],
  '%IteratorHelper.prototype%': [
    'next', 'return', '@@toStringTag',
  ],
  '%WrapForValidIterator.prototype%': [
    'next', 'return',
  ],
  '%TypedArray%': [
    'length', 'name', 'prototype', 'of', 'from', '@@species',
  ],
  '%TypedArray.prototype%': [
    'constructor', 'buffer', 'byteLength', 'byteOffset', 'length', 'entries', 'keys', 'values', 'at', 'copyWithin', 'every',
    'fill', 'filter', 'find', 'findIndex', 'findLast', 'findLastIndex', 'forEach', 'includes', 'indexOf', 'join',
    'lastIndexOf', 'map', 'reverse', 'reduce', 'reduceRight', 'set', 'slice', 'some', 'sort', 'subarray', 'toReversed',
    'toSorted', 'with', 'toString', '@@toStringTag', '@@iterator',
  ],
  '%Promise%': [
    'length', 'name', 'prototype',
  ],
  '%Promise.prototype%': [
    'constructor', '@@toStringTag',
  ],
  Object: [
    'length', 'name', 'prototype', 'assign', 'getOwnPropertyDescriptor', 'getOwnPropertyDescriptors', 'getOwnPropertyNames',
    'getOwnPropertySymbols', 'hasOwn', 'is', 'preventExtensions', 'seal', 'create', 'defineProperties', 'defineProperty',
    'freeze', 'getPrototypeOf', 'setPrototypeOf', 'isExtensible', 'isFrozen', 'isSealed', 'keys', 'entries', 'fromEntries',
    'values', 'groupBy',
  ],
  'Object.prototype': [
    'constructor', '__defineGetter__', '__defineSetter__', 'hasOwnProperty', '__lookupGetter__', '__lookupSetter__',
    'isPrototypeOf', 'propertyIsEnumerable', 'toString', 'valueOf', '__proto__',
  ],
  Function: [
    'length', 'name', 'prototype',
  ],
  Array: [
    'length', 'name', 'prototype', 'isArray', 'from', 'of', '@@species',
  ],
  'Array.prototype': [
    'length', 'constructor', 'at', 'concat', 'copyWithin', 'fill', 'find', 'findIndex', 'findLast', 'findLastIndex',
    'lastIndexOf', 'pop', 'push', 'reverse', 'shift', 'unshift', 'slice', 'sort', 'splice', 'includes', 'indexOf', 'join',
    'keys', 'entries', 'values', 'forEach', 'filter', 'flat', 'flatMap', 'map', 'every', 'some', 'reduce', 'reduceRight',
    'toReversed', 'toSorted', 'toSpliced', 'with', 'toString', '@@iterator', '@@unscopables',
  ],
  Number: [
    'length', 'name', 'prototype', 'isFinite', 'isInteger', 'isNaN', 'isSafeInteger', 'parseFloat', 'parseInt', 'MAX_VALUE',
    'MIN_VALUE', 'NaN', 'NEGATIVE_INFINITY', 'POSITIVE_INFINITY', 'MAX_SAFE_INTEGER', 'MIN_SAFE_INTEGER', 'EPSILON',
  ],
  'Number.prototype': [
    'constructor', 'toExponential', 'toFixed', 'toPrecision', 'toString', 'valueOf',
  ],
  parseFloat: [
    'length', 'name',
  ],
  parseInt: [
    'length', 'name',
  ],
  Boolean: [
    'length', 'name', 'prototype',
  ],
  'Boolean.prototype': [
    'constructor', 'toString', 'valueOf',
  ],
  String: [
    'length', 'name', 'prototype', 'fromCharCode', 'fromCodePoint', 'raw',
  ],
  'String.prototype': [
    'length', 'constructor', 'anchor', 'at', 'big', 'blink', 'bold', 'charAt', 'charCodeAt', 'codePointAt', 'concat',
    'endsWith', 'fontcolor', 'fontsize', 'fixed', 'includes', 'indexOf', 'isWellFormed', 'italics', 'lastIndexOf', 'link',
    'match', 'matchAll', 'normalize', 'padEnd', 'padStart', 'repeat', 'replace', 'replaceAll', 'search', 'slice', 'small',
    'split', 'strike', 'sub', 'substr', 'substring', 'sup', 'startsWith', 'toString', 'toWellFormed', 'trim', 'trimStart',
    'trimLeft', 'trimEnd', 'trimRight', 'toLowerCase', 'toUpperCase', 'valueOf', '@@iterator',
  ],
  Symbol: [
    'length', 'name', 'prototype', 'for', 'keyFor', 'asyncIterator', 'hasInstance', 'isConcatSpreadable', 'iterator', 'match',
    'matchAll', 'replace', 'search', 'species', 'split', 'toPrimitive', 'toStringTag', 'unscopables', 'dispose',
    'asyncDispose',
  ],
  'Symbol.prototype': [
    'constructor', 'toString', 'valueOf', 'description', '@@toStringTag', '@@toPrimitive',
  ],
  RegExp: [
    'length', 'name', 'prototype', 'escape', '@@species',
  ],
  'RegExp.prototype': [
    'constructor', 'exec', 'dotAll', 'flags', 'global', 'hasIndices', 'ignoreCase', 'multiline', 'source', 'sticky', 'unicode',
    'unicodeSets', 'toString', 'test', '@@match', '@@matchAll', '@@replace', '@@search', '@@split',
  ],
  Error: [
    'prepareStackTrace', 'length', 'name', 'prototype', 'isError', 'stackTraceLimit',
  ],
  'Error.prototype': [
    'constructor', 'name', 'message', 'toString',
  ],
  AggregateError: [
    'length', 'name', 'prototype',
  ],
  'AggregateError.prototype': [
    'constructor', 'name', 'message',
  ],
  EvalError: [
    'length', 'name', 'prototype',
  ],
  'EvalError.prototype': [
    'constructor', 'name', 'message',
  ],
  RangeError: [
    'length', 'name', 'prototype',
  ],
  'RangeError.prototype': [
    'constructor', 'name', 'message',
  ],
  ReferenceError: [
    'length', 'name', 'prototype',
  ],
  'ReferenceError.prototype': [
    'constructor', 'name', 'message',
  ],
  SyntaxError: [
    'length', 'name', 'prototype',
  ],
  'SyntaxError.prototype': [
    'constructor', 'name', 'message',
  ],
  TypeError: [
    'length', 'name', 'prototype',
  ],
  'TypeError.prototype': [
    'constructor', 'name', 'message',
  ],
  URIError: [
    'length', 'name', 'prototype',
  ],
  'URIError.prototype': [
    'constructor', 'name', 'message',
  ],
  JSON: [
    'parse', 'stringify', 'rawJSON', 'isRawJSON', '@@toStringTag',
  ],
  Math: [
    'abs', 'acos', 'acosh', 'asin', 'asinh', 'atan', 'atanh', 'atan2', 'ceil', 'cbrt', 'expm1', 'clz32', 'cos', 'cosh', 'exp',
    'floor', 'f16round', 'fround', 'hypot', 'imul', 'log', 'log1p', 'log2', 'log10', 'max', 'min', 'pow', 'round',
    'sign', 'sin', 'sinh', 'sqrt', 'tan', 'tanh', 'trunc', 'E', 'LN10', 'LN2', 'LOG10E', 'LOG2E', 'PI', 'SQRT1_2', 'SQRT2',
    '@@toStringTag',
  ],
  ArrayBuffer: [
    'length', 'name', 'prototype', 'isView', '@@species',
  ],
  'ArrayBuffer.prototype': [
    'constructor', 'byteLength', 'slice', 'maxByteLength', 'resizable', 'resize', 'transfer', 'transferToFixedLength',
    'detached', '@@toStringTag',
  ],
  Uint8Array: [
    'length', 'name', 'prototype', 'BYTES_PER_ELEMENT', 'fromBase64', 'fromHex',
  ],
  'Uint8Array.prototype': [
    'constructor', 'BYTES_PER_ELEMENT', 'toBase64', 'setFromBase64', 'toHex', 'setFromHex',
  ],
  Int8Array: [
    'length', 'name', 'prototype', 'BYTES_PER_ELEMENT',
  ],
  'Int8Array.prototype': [
    'constructor', 'BYTES_PER_ELEMENT',
  ],
  Uint16Array: [
    'length', 'name', 'prototype', 'BYTES_PER_ELEMENT',
  ],
  'Uint16Array.prototype': [
    'constructor', 'BYTES_PER_ELEMENT',
  ],
  Int16Array: [
    'length', 'name', 'prototype', 'BYTES_PER_ELEMENT',
  ],
  'Int16Array.prototype': [
    'constructor', 'BYTES_PER_ELEMENT',
  ],
  Uint32Array: [
    'length', 'name', 'prototype', 'BYTES_PER_ELEMENT',
  ],
  'Uint32Array.prototype': [
    'constructor', 'BYTES_PER_ELEMENT',
  ],
  Int32Array: [
    'length', 'name', 'prototype', 'BYTES_PER_ELEMENT',
  ],
  'Int32Array.prototype': [
    'constructor', 'BYTES_PER_ELEMENT',
  ],
  BigUint64Array: [
    'length', 'name', 'prototype', 'BYTES_PER_ELEMENT',
  ],
  'BigUint64Array.prototype': [
    'constructor', 'BYTES_PER_ELEMENT',
  ],
  BigInt64Array: [
    'length', 'name', 'prototype', 'BYTES_PER_ELEMENT',
  ],
  'BigInt64Array.prototype': [
    'constructor', 'BYTES_PER_ELEMENT',
  ],
  Uint8ClampedArray: [
    'length', 'name', 'prototype', 'BYTES_PER_ELEMENT',
  ],
  'Uint8ClampedArray.prototype': [
    'constructor', 'BYTES_PER_ELEMENT',
  ],
  Float32Array: [
    'length', 'name', 'prototype', 'BYTES_PER_ELEMENT',
  ],
  'Float32Array.prototype': [
    'constructor', 'BYTES_PER_ELEMENT',
  ],
  Float64Array: [
    'length', 'name', 'prototype', 'BYTES_PER_ELEMENT',
  ],
  'Float64Array.prototype': [
    'constructor', 'BYTES_PER_ELEMENT',
  ],
  Float16Array: [
    'length', 'name', 'prototype', 'BYTES_PER_ELEMENT',
  ],
  'Float16Array.prototype': [
    'constructor', 'BYTES_PER_ELEMENT',
  ],
  DataView: [
    'length', 'name', 'prototype',
  ],
  'DataView.prototype': [
    'constructor', 'buffer', 'byteLength', 'byteOffset', 'getInt8', 'setInt8', 'getUint8', 'setUint8', 'getInt16', 'setInt16',
    'getUint16', 'setUint16', 'getInt32', 'setInt32', 'getUint32', 'setUint32', 'getFloat16', 'setFloat16', 'getFloat32',
    'setFloat32', 'getFloat64', 'setFloat64', 'getBigInt64', 'setBigInt64', 'getBigUint64', 'setBigUint64', '@@toStringTag',
  ],
  Map: [
    'length', 'name', 'prototype', 'groupBy', '@@species',
  ],
  'Map.prototype': [
    'constructor', 'get', 'set', 'has', 'delete', 'clear', 'entries', 'forEach', 'keys', 'size', 'values', 'getOrInsert',
    'getOrInsertComputed', '@@toStringTag', '@@iterator',
  ],
  BigInt: [
    'length', 'name', 'prototype', 'asUintN', 'asIntN',
  ],
  'BigInt.prototype': [
    'constructor', 'toString', 'valueOf', '@@toStringTag',
  ],
  Set: [
    'length', 'name', 'prototype', '@@species',
  ],
  'Set.prototype': [
    'constructor', 'has', 'add', 'delete', 'difference', 'clear', 'entries', 'forEach', 'intersection', 'isSubsetOf',
    'isSupersetOf', 'isDisjointFrom', 'size', 'symmetricDifference', 'union', 'values', 'keys', '@@toStringTag', '@@iterator',
  ],
  Iterator: [
    'length', 'name', 'prototype', 'from', 'concat',
  ],
  'Iterator.prototype': [
    'constructor', 'reduce', 'toArray', 'forEach', 'some', 'every', 'find', 'map', 'filter', 'take', 'drop', 'flatMap',
    '@@iterator', '@@toStringTag', '@@dispose',
  ],
  WeakMap: [
    'length', 'name', 'prototype',
  ],
  'WeakMap.prototype': [
    'constructor', 'delete', 'get', 'set', 'has', 'getOrInsert', 'getOrInsertComputed', '@@toStringTag',
  ],
  WeakSet: [
    'length', 'name', 'prototype',
  ],
  'WeakSet.prototype': [
    'constructor', 'delete', 'has', 'add', '@@toStringTag',
  ],
  Proxy: [
    'length', 'name', 'revocable',
  ],
  Reflect: [
    'defineProperty', 'deleteProperty', 'apply', 'construct', 'get', 'getOwnPropertyDescriptor', 'getPrototypeOf', 'has',
    'isExtensible', 'ownKeys', 'preventExtensions', 'set', 'setPrototypeOf', '@@toStringTag',
  ],
  decodeURI: [
    'length', 'name',
  ],
  decodeURIComponent: [
    'length', 'name',
  ],
  encodeURI: [
    'length', 'name',
  ],
  encodeURIComponent: [
    'length', 'name',
  ],
  isFinite: [
    'length', 'name',
  ],
  isNaN: [
    'length', 'name',
  ],
  SuppressedError: [
    'length', 'name', 'prototype',
  ],
  'SuppressedError.prototype': [
    'constructor', 'name', 'message',
  ],
  DisposableStack: [
    'length', 'name', 'prototype',
  ],
  'DisposableStack.prototype': [
    'constructor', 'use', 'dispose', 'adopt', 'defer', 'move', 'disposed', '@@dispose', '@@toStringTag',
  ],
};

/** What a script is told when it reaches for the best known of what is gone. */
export const realmAdvice: Readonly<Record<string, string>> = {
  Date: 'use ctx.now, milliseconds since 1970',
  Promise: 'a decision is synchronous; use ctx.send or ctx.timer for what happens later',
  setTimeout: 'use ctx.timer',
  setInterval: 'use ctx.timer with { every }',
  setImmediate: 'use ctx.timer',
  clearTimeout: 'use ctx.cancelTimer',
  clearInterval: 'use ctx.cancelTimer',
  queueMicrotask: 'a decision is synchronous',
  fetch: 'no I/O exists; let a client or another actor send a command',
  require: 'use import, of modules in the bundle',
  process: 'no I/O exists',
  console: 'what a decision did is its record; see `troupe events`',
  performance: 'use ctx.now',
  crypto: 'use ctx.random()',
  structuredClone: 'states, commands and events are frozen; spread what changes',
  Intl: 'format text in the client',
  Temporal: 'use ctx.now, milliseconds since 1970',
  WeakRef: 'what it shows depends on garbage collection',
  FinalizationRegistry: 'what it shows depends on garbage collection',
  SharedArrayBuffer: 'nothing is shared between decisions',
  Atomics: 'nothing is shared between decisions',
  WebAssembly: 'only JavaScript is run',
  eval: 'a behaviour cannot make code from text',
  escape: 'use encodeURIComponent',
  unescape: 'use decodeURIComponent',
  'Math.random': 'use ctx.random()',
  'String.prototype.localeCompare': 'compare with < and >',
  'String.prototype.toLocaleLowerCase': 'use toLowerCase',
  'String.prototype.toLocaleUpperCase': 'use toUpperCase',
  'Object.prototype.toLocaleString': 'use toString',
  'Array.prototype.toLocaleString': 'use join',
  'Number.prototype.toLocaleString': 'use toString or toFixed',
  'BigInt.prototype.toLocaleString': 'use toString',
  '%TypedArray.prototype%.toLocaleString': 'use join',
};
