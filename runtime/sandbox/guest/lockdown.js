// Guest runtime, part 0: the realm before any script. Follows intrinsics.js in the same function body; called with the checked-in
// list of what may stay (realm-globals.ts) and what to say about the best-known things that are gone.
//
// L1  What is not on the list is removed, so that what the next V8 brings is not there until somebody has looked at it.
// L2  Everything that stays is frozen before a script loads: no script can change what another one sees.
// L3  No text becomes code: eval is gone and every function constructor throws.

function lockdown(allowedGlobals, allowedMembers, advice) {
  'use strict';
  const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { ownKeys } = Reflect;
  const refuse = (name, instead) => {
    const message = name + ' is not available in a behaviour: ' + instead;
    return () => { throw new ReferenceError(message); };
  };
  const named = intrinsics();

  const noCode = (name, prototype) => {
    const stand = { [name]: function () { throw new EvalError('a behaviour cannot make code from text'); } }[name];
    defineProperty(stand, 'prototype', { value: prototype, writable: false });
    if (prototype !== undefined) defineProperty(prototype, 'constructor', { value: stand, writable: false, enumerable: false, configurable: false });
    return stand;
  };
  const closedFunction = noCode('Function', Function.prototype);
  noCode('AsyncFunction', named.get('%AsyncFunction.prototype%'));
  noCode('GeneratorFunction', named.get('%GeneratorFunction.prototype%'));
  noCode('AsyncGeneratorFunction', named.get('%AsyncGeneratorFunction.prototype%'));
  noCode('Promise', named.get('%Promise.prototype%'));

  Error.stackTraceLimit = 20; // deep enough to find the module below the runtime's frames
  const allowed = new Set(allowedGlobals);
  for (const key of ownKeys(globalThis)) {
    if (allowed.has(keyText(key)) || key === '$troupe') continue;
    if (!delete globalThis[key]) throw new Error('the global ' + keyText(key) + ' cannot be removed');
  }
  defineProperty(globalThis, 'Function', { value: closedFunction, writable: false, enumerable: false, configurable: false });
  for (const [path, value] of named) {
    const members = allowedMembers[path];
    if (members === undefined) continue;
    const keep = new Set(members);
    for (const key of ownKeys(value)) if (!keep.has(keyText(key)) && getOwnPropertyDescriptor(value, key).configurable) delete value[key];
  }
  for (const [path, instead] of Object.entries(advice)) {
    const dot = path.lastIndexOf('.');
    if (dot < 0) defineProperty(globalThis, path, { get: refuse(path, instead), set: undefined, enumerable: false, configurable: false });
    else {
      const holder = named.get(path.slice(0, dot));
      if (holder !== undefined) defineProperty(holder, path.slice(dot + 1), { value: refuse(path, instead), writable: false, enumerable: false, configurable: false });
    }
  }
  guardCollections();
  openErrors();
  freezeAll([globalThis, ...named.values()]);

  /** A collection of a module is marked when it is frozen; the mark is a private name, which no script reaches. */
  function guardCollections() {
    const { marks } = globalThis.$troupe;
    for (const [type, methods] of [['Map', ['set', 'delete', 'clear', 'getOrInsert', 'getOrInsertComputed']], ['Set', ['add', 'delete', 'clear']],
      ['WeakMap', ['set', 'delete', 'getOrInsert', 'getOrInsertComputed']], ['WeakSet', ['add', 'delete']]]) {
      const prototype = globalThis[type].prototype;
      for (const method of methods) {
        const original = prototype[method];
        if (original === undefined) continue;
        const { apply } = Reflect;
        const guarded = { [method](a, b) {
          if (marks.has(this)) throw new TypeError('a ' + type + ' of a module cannot be changed: it would carry state from one actor to another');
          return apply(original, this, [a, b]);
        } }[method];
        defineProperty(prototype, method, { value: guarded });
      }
    }
  }

  /** Frozen, `name` and `message` of a prototype would forbid the usual `this.name = ...` in a class that extends Error. */
  function openErrors() {
    for (const name of ['Error', 'AggregateError', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError', 'SuppressedError']) {
      const prototype = globalThis[name]?.prototype;
      if (prototype === undefined) continue;
      for (const key of ['name', 'message']) {
        const inherited = prototype[key];
        defineProperty(prototype, key, {
          get: () => inherited,
          set(value) { if (this !== prototype) defineProperty(this, key, { value, writable: true, enumerable: false, configurable: true }); },
          enumerable: false, configurable: false,
        });
      }
    }
  }

  function freezeAll(start) {
    const seen = new Set();
    const todo = [...start];
    while (todo.length > 0) {
      const value = todo.pop();
      if (value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) continue;
      seen.add(value);
      todo.push(getPrototypeOf(value));
      for (const key of ownKeys(value)) {
        if (value === globalThis && key === '$troupe') continue;
        const property = getOwnPropertyDescriptor(value, key);
        todo.push(property.value, property.get, property.set);
        if (value === globalThis && property.configurable) {
          defineProperty(value, key, 'value' in property ? { writable: false, configurable: false } : { configurable: false });
        }
      }
      if (value !== globalThis) freeze(value);
    }
  }
}
