// Guest runtime, part 5: modules. What a module holds is frozen before the first decision: an object that could change would carry
// state from one actor to another. Maps and sets keep their contents where freezing does not reach, so they are marked.

const { marks, loaded } = globalThis.$troupe;
const { getOwnPropertyDescriptor } = Object;
const allKeys = Reflect.ownKeys;
const iteratorPrototype = Iterator.prototype;
const isView = ArrayBuffer.isView;
const bufferLength = callOn.bind(getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength').get);

function isBuffer(value) { try { bufferLength(value); return true; } catch { return false; } }

/** Freezes the bindings of all modules and takes the behaviours; '' or "<location>\n<reason>". */
function installModules(all, behaviours) {
  loaded();
  try {
    for (const [file, namespace] of all) {
      for (const key of allKeys(namespace)) if (typeof key === 'string') freezeDeep(file, key, namespace[key]);
    }
  } catch (error) {
    if (error instanceof Refused) return error.location + '\n' + clip(error.reason, 1000);
    return locate(error) + '\n' + describe(error);
  }
  return install(behaviours);
}

function freezeDeep(file, binding, root) {
  const seen = new Set();
  const todo = [root];
  while (todo.length > 0) {
    const value = todo.pop();
    if (value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) continue;
    seen.add(value);
    refuseMutable(file, binding.replace('$troupe$', ''), value);
    if (value instanceof Map || value instanceof Set || value instanceof WeakMap || value instanceof WeakSet) marks.add(value);
    freeze(value);
    todo.push(prototypeOf(value));
    for (const key of allKeys(value)) {
      const property = getOwnPropertyDescriptor(value, key);
      if (property !== undefined) todo.push(property.value, property.get, property.set);
    }
    if (value instanceof Map) for (const [key, item] of Map.prototype.entries.call(value)) todo.push(key, item);
    if (value instanceof Set) for (const item of Set.prototype.values.call(value)) todo.push(item);
  }
}

function refuseMutable(file, binding, value) {
  const refuse = (what) => { throw new Refused(file + ':1:1', binding + ' of the module holds ' + what + ', which cannot be frozen and would carry state from one actor to another'); };
  if (isView(value)) refuse('a typed array');
  if (isBuffer(value)) refuse('an ArrayBuffer');
  let prototype = value;
  for (let i = 0; i < 20 && prototype !== null; i++) {
    prototype = prototypeOf(prototype);
    if (prototype === iteratorPrototype && !isIntrinsic(value)) refuse('an iterator');
  }
}
function isIntrinsic(value) { return intrinsicPrototypes.has(value); }
const intrinsicPrototypes = new Set();
for (const sample of [[].values(), new Map().values(), new Set().values(), ''[Symbol.iterator](), (function* () {})(), /x/[Symbol.matchAll](''), [].values().map((x) => x)]) {
  for (let p = prototypeOf(sample); p !== null; p = prototypeOf(p)) intrinsicPrototypes.add(p);
}
