// Intrinsics that a script can reach, by name: globals and their prototypes, and what only syntax reaches.
function intrinsics() {
  const proto = Object.getPrototypeOf;
  const hidden = {
    'Function.prototype': Function.prototype,
    '%AsyncFunction%': (async () => {}).constructor,
    '%AsyncFunction.prototype%': proto(async () => {}),
    '%GeneratorFunction%': (function* () {}).constructor,
    '%GeneratorFunction.prototype%': proto(function* () {}),
    '%Generator.prototype%': proto(proto(function* () {}).prototype) === null ? null : proto(function* () {}).prototype,
    '%AsyncGeneratorFunction%': (async function* () {}).constructor,
    '%AsyncGeneratorFunction.prototype%': proto(async function* () {}),
    '%AsyncGenerator.prototype%': proto(async function* () {}).prototype,
    '%AsyncIterator.prototype%': proto(proto(async function* () {}).prototype),
    '%ArrayIterator.prototype%': proto([][Symbol.iterator]()),
    '%MapIterator.prototype%': proto(new Map()[Symbol.iterator]()),
    '%SetIterator.prototype%': proto(new Set()[Symbol.iterator]()),
    '%StringIterator.prototype%': proto(''[Symbol.iterator]()),
    '%RegExpStringIterator.prototype%': proto(/x/[Symbol.matchAll]('')),
    '%IteratorHelper.prototype%': proto([].values().map((x) => x)),
    '%WrapForValidIterator.prototype%': proto(Iterator.from({ next() {} })),
    '%TypedArray%': proto(Uint8Array),
    '%TypedArray.prototype%': proto(Uint8Array.prototype),
    '%Promise%': (async () => {})().constructor,
    '%Promise.prototype%': proto((async () => {})()),
  };
  const named = new Map();
  for (const [name, value] of Object.entries(hidden)) if (value !== null) named.set(name, value);
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    const property = Object.getOwnPropertyDescriptor(globalThis, name);
    const value = property.value;
    if (value === globalThis || value === null || (typeof value !== 'object' && typeof value !== 'function')) continue;
    named.set(name, value);
    const prototype = typeof value === 'function' ? Object.getOwnPropertyDescriptor(value, 'prototype')?.value : undefined;
    if (prototype !== undefined && prototype !== null) named.set(name + '.prototype', prototype);
  }
  return named;
}
function keyText(key) { return typeof key === 'symbol' ? '@@' + key.description.replace('Symbol.', '') : key; }
