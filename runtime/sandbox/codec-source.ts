/**
 * Schema to the source of a codec that runs inside a realm, on the primitives of guest/wire.js. One function per message
 * and job, no table walked at run time:
 *
 *   r<i>(end)   bytes from `pos` to value        n<i>(value)  strict value of a script to its normal form
 *   j<i>(json)  parsed ProtoJSON to value        t<i>(value)  value to ProtoJSON text
 *   w<i>(value) writes the canonical bytes       m<i>(...)    builds the frozen, stamped value
 *
 * What scripts see (author's guide): a message is a frozen plain object that has every field as own property, in order of field
 * number, under its lowerCamelCase name. A field without a value is its proto3 default; `optional` fields, message
 * fields and members of a oneof are undefined when absent. Lists are frozen arrays; maps are frozen objects without prototype,
 * so that any key is safe. 64-bit integers are bigint, or number with [jstype = JS_NUMBER]. Enums are the names of
 * their values. Bytes are a fresh Uint8Array at every access: bytes cannot be frozen, and a change of them must not change the state.
 */

import type { EnumSchema, FieldSchema, FieldType, MessageSchema, Scalar, Schema } from './schema.ts';

interface Ops {
  /** Distinct per element type: names the list functions. */
  readonly id: string;
  readonly read: string;
  readonly norm: string;
  readonly json: string;
  readonly text: string;
  readonly write: string;
  /** Bytes of a value without tag; a delimited one with its length. */
  readonly size: (value: string) => string;
  readonly wire: 0 | 1 | 2 | 5;
  readonly empty: string;
  readonly isEmpty: (value: string) => string;
  readonly form: 'number' | 'string' | 'bytes' | 'message';
}

const q = JSON.stringify;

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}

function scalarOps(scalar: Scalar, asNumber: boolean): Ops {
  const wide = scalar.endsWith('64');
  const name = capital(scalar) + (wide && asNumber ? 'Number' : '');
  const suffix = wide && asNumber ? 'Number' : '';
  const unsigned = scalar.startsWith('u') || scalar.startsWith('fixed');
  const integer = scalar.endsWith('32') || wide;
  const group = integer ? `${unsigned ? 'Uint' : 'Int'}${wide ? '64' : '32'}${suffix}` : name;
  const fixed = scalar.includes('fixed') || scalar === 'float' || scalar === 'double';
  const four = scalar.endsWith('32') || scalar === 'float';
  const form = scalar === 'string' ? 'string' : scalar === 'bytes' ? 'bytes' : 'number';
  const size = (value: string): string => {
    if (form === 'string') return `sDelimited(zString(${value}))`;
    if (form === 'bytes') return `sDelimited(${value}.length)`;
    if (fixed) return four ? '4' : '8';
    return scalar === 'bool' ? '1' : `s${name}(${value})`;
  };
  const real = scalar === 'float' || scalar === 'double';
  const text = form === 'string' ? 'tString' : form === 'bytes' ? 'tBytes' : real ? 'tReal' : wide ? 'tBig' : 'tPlain';
  const empty = form === 'string' ? "''" : form === 'bytes' ? 'NO_BYTES' : scalar === 'bool' ? 'false' : wide && !asNumber ? '0n' : '0';
  const isEmpty = (value: string): string =>
    form === 'bytes' ? `${value}.length === 0` : real ? `sameValue(${value}, 0)` : `${value} === ${empty}`;
  return {
    id: name, read: `r${name}`, norm: `n${group}`, json: `j${group}`, text, write: `w${name}`, size,
    wire: form !== 'number' ? 2 : fixed ? (four ? 5 : 1) : 0, empty, isEmpty, form,
  };
}

function enumOps(index: number, schema: EnumSchema): Ops {
  const first = q(schema.values[0]![0]);
  return {
    id: `E${index}`, read: `rE${index}`, norm: `nE${index}`, json: `jE${index}`, text: 'tString', write: `wE${index}`,
    size: (value) => `sE${index}(${value})`, wire: 0, empty: first, isEmpty: (value) => `${value} === ${first}`, form: 'number',
  };
}

function messageOps(index: number): Ops {
  return {
    id: `M${index}`, read: `rM${index}`, norm: `n${index}`, json: `j${index}`, text: `t${index}`, write: `wM${index}`,
    size: (value) => `sDelimited(bytesOf(${value}))`, wire: 2, empty: 'undefined', isEmpty: (value) => `${value} === undefined`, form: 'message',
  };
}

export function codecSource(schema: Schema): string {
  return new CodecWriter(schema).source();
}

class CodecWriter {
  private readonly schema: Schema;
  private readonly parts: string[] = [];
  private readonly lists = new Map<string, number>();
  private readonly maps = new Map<string, number>();
  private kinds: number;

  constructor(schema: Schema) {
    this.schema = schema;
    this.kinds = schema.messages.length;
  }

  source(): string {
    const { messages, enums } = this.schema;
    enums.forEach((item, index) => this.enum(index, item));
    messages.forEach((item, index) => this.message(index, item));
    const table = (letter: string): string => `[${messages.map((_, index) => letter + index).join(', ')}]`;
    this.parts.push(
      `const READ = ${table('r')}, NORMALISE = ${table('n')}, FROM_JSON = ${table('j')}, TO_JSON = ${table('t')}, WRITE = ${table('w')};`,
      `const MESSAGE_NAMES = ${q(messages.map((item) => item.name))};`,
      `const FIELD_COUNTS = ${q(messages.map((item) => item.fields.length))};`,
    );
    return this.parts.join('\n');
  }

  private ops(type: FieldType): Ops {
    if (type.kind === 'scalar') return scalarOps(type.scalar, type.asNumber);
    if (type.kind === 'enum') return enumOps(type.index, this.schema.enums[type.index]!);
    return messageOps(type.index);
  }

  private enum(i: number, schema: EnumSchema): void {
    const names = new Map<number, string>();
    for (const [name, number] of schema.values) if (!names.has(number)) names.set(number, name);
    this.parts.push(`
const E${i}names = new Map(${q([...names])}), E${i}numbers = new Map(${q(schema.values)});
function rE${i}(end) { const v = E${i}names.get(rInt32(end)); if (v === undefined) throw new Fault('', 'it is not a number of enum ' + ${q(schema.name)}); return v; }
function nE${i}(v) { const n = E${i}numbers.get(v); if (n === undefined) throw unfit('', v, 'a name of enum ' + ${q(schema.name)}); return E${i}names.get(n); }
function jE${i}(v) { if (typeof v !== 'number') return nE${i}(v); const name = E${i}names.get(v); if (name === undefined) throw unfit('', v, 'a number of enum ' + ${q(schema.name)}); return name; }
function sE${i}(v) { return sInt32(E${i}numbers.get(v)); }
function wE${i}(v) { wInt32(E${i}numbers.get(v)); }`);
  }

  private message(i: number, schema: MessageSchema): void {
    const { fields } = schema;
    const oneofs = schema.oneofs.map((oneof) => {
      const sum = oneof.keys.map((key) => `(f${fields.findIndex((field) => field.key === key)} === undefined ? 0 : 1)`).join(' + ');
      return `if (${sum} > 1) throw new Fault(${q(oneof.name)}, 'more than one of its members is set');`;
    });
    const parameters = fields.flatMap((field, f) => (this.hasLength(field) ? [`f${f}`, `z${f}`] : [`f${f}`]));
    const declare = fields.map((field, f) => `let f${f} = ${this.initial(field)}${this.hasLength(field) ? `, z${f} = 0` : ''};`).join(' ');
    const build = `${oneofs.join(' ')} return m${i}(${parameters.join(', ')});`;
    this.parts.push(`
const P${i} = new Map(${q(fields.map((field) => [field.number, field.key]))});
const K${i} = ${q(fields.map((field) => field.key))}, S${i} = new Set(K${i});
function m${i}(${parameters.join(', ')}) {
  let b = 0;
  ${fields.map((field, f) => this.sizeOf(field, f)).join('\n  ')}
  return freeze(new Stamp({ ${fields.map((field, f) => this.property(field, f)).join(', ')} }, ${i}, b));
}
function r${i}(end) {
  ${declare} let tag = 0;
  enter();
  try {
    while (pos < end) {
      tag = rTag(end);
      switch (tag) {
        ${fields.map((field, f) => this.readCases(field, f)).join('\n        ')}
        default: throw unknownTag(tag);
      }
    }
    ${fields.map((field, f) => this.finish(field, f)).join(' ')}
  } catch (e) { throw at(e, P${i}.get(tag >>> 3) ?? ''); }
  depth--;
  ${build}
}
function rM${i}(end) { const size = rSize(end); return r${i}(pos + size); }
function n${i}(v) {
  if (stamped(v, ${i})) return v;
  ${declare} let p = '', x;
  enter();
  try {
    plainObject(v, ${q(`a message ${schema.name}`)});
    knownKeys(v, K${i}, S${i});
    ${fields.map((field, f) => this.normField(field, f)).join('\n    ')}
  } catch (e) { throw at(e, p); }
  depth--;
  ${build}
}
function j${i}(v) {
  ${declare} let p = '', x;
  enter();
  try {
    plainObject(v, ${q(`a message ${schema.name}`)});
    ${fields.map((_, f) => `let h${f} = false;`).join(' ')}
    for (const k of ownKeys(v)) {
      p = k.length > 80 ? '' : k;
      x = v[k];
      switch (k) {
        ${fields.map((field, f) => this.jsonCase(field, f)).join('\n        ')}
        default: throw noSuchField(k, K${i});
      }
    }
  } catch (e) { throw at(e, p); }
  depth--;
  ${build}
}
function w${i}(v) {
  ${fields.map((field, f) => this.writeField(field, f)).join('\n  ')}
}
function wM${i}(v) { wVar(bytesOf(v)); w${i}(v); }
${this.textFunction(i, schema)}`);
  }

  /** Strings and bytes carry their length beside them, so that they are measured once. */
  private hasLength(field: FieldSchema): boolean {
    const { form } = this.ops(field.type);
    return (field.label === 'plain' || field.label === 'presence') && (form === 'string' || form === 'bytes');
  }

  private initial(field: FieldSchema): string {
    if (field.label === 'repeated') return 'EMPTY';
    if (field.label === 'map') return this.emptyMap(field);
    return field.label === 'presence' ? 'undefined' : this.ops(field.type).empty;
  }

  private property(field: FieldSchema, f: number): string {
    const key = field.key === '__proto__' ? '["__proto__"]' : q(field.key);
    const single = field.label === 'plain' || field.label === 'presence';
    if (!single || this.ops(field.type).form !== 'bytes') return `${key}: f${f}`;
    return field.label === 'plain' ? `get ${key}() { return new U8(f${f}); }` : `get ${key}() { return f${f} === undefined ? undefined : new U8(f${f}); }`;
  }

  private tag(field: FieldSchema, wire: number): { readonly write: string; readonly bytes: number; readonly value: number } {
    const value = ((field.number << 3) | wire) >>> 0;
    const bytes: number[] = [];
    let rest = value;
    for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
    bytes.push(rest);
    return { write: bytes.map((byte) => `out[op++] = ${byte};`).join(' '), bytes: bytes.length, value };
  }

  private sizeOf(field: FieldSchema, f: number): string {
    const ops = this.ops(field.type);
    const { bytes } = this.tag(field, ops.wire);
    if (field.label === 'map') return `{ const n = bytesOf(f${f}); if (n !== 0) b += n + ownKeys(f${f}).length * ${bytes}; }`;
    if (field.label === 'repeated') {
      if (field.packed && ops.wire !== 2) return `{ const n = bytesOf(f${f}); if (n !== 0) b += ${bytes} + sDelimited(n); }`;
      return `b += bytesOf(f${f}) + f${f}.length * ${bytes};`;
    }
    const size = this.hasLength(field) ? `sDelimited(z${f})` : ops.size(`f${f}`);
    const absent = field.label === 'presence' ? `f${f} === undefined` : ops.isEmpty(`f${f}`);
    return `if (!(${absent})) b += ${bytes} + ${size};`;
  }

  private readCases(field: FieldSchema, f: number): string {
    const ops = this.ops(field.type);
    const own = this.tag(field, ops.wire).value;
    if (field.label === 'map') return `case ${this.tag(field, 2).value}: if (f${f} === ${this.emptyMap(field)}) f${f} = new Map(); ${this.mapName(field)}r(end, f${f}); break;`;
    if (field.label === 'repeated') {
      const list = this.listName(field);
      const one = `case ${own}: if (f${f} === EMPTY) f${f} = []; element(); f${f}.push(${ops.read}(end)); break;`;
      if (ops.wire === 2) return one;
      return `${one} case ${this.tag(field, 2).value}: if (f${f} === EMPTY) f${f} = []; ${list}r(end, f${f}); break;`;
    }
    if (ops.form === 'string') return `case ${own}: f${f} = rString(end); z${f} = stringBytes; break;`;
    if (ops.form === 'bytes') return `case ${own}: f${f} = rBytes(end); z${f} = f${f}.length; break;`;
    if (ops.form === 'message') return `case ${own}: if (f${f} !== undefined) throw new Fault('', 'the field is there twice'); f${f} = ${ops.read}(end); break;`;
    return `case ${own}: f${f} = ${ops.read}(end); break;`;
  }

  private finish(field: FieldSchema, f: number): string {
    if (field.label === 'repeated') return `if (f${f} !== EMPTY) f${f} = ${this.listName(field)}s(f${f});`;
    if (field.label === 'map') return `if (f${f} !== ${this.emptyMap(field)}) f${f} = ${this.mapName(field)}s(f${f});`;
    return '';
  }

  private normField(field: FieldSchema, f: number): string {
    const ops = this.ops(field.type);
    const norm = field.label === 'repeated' ? `${this.listName(field)}n` : field.label === 'map' ? `${this.mapName(field)}n` : ops.norm;
    const length = this.hasLength(field) ? (ops.form === 'string' ? ` z${f} = zString(f${f});` : ` z${f} = f${f}.length;`) : '';
    return `p = ${q(field.key)}; x = v[p]; if (x !== undefined) { f${f} = ${norm}(x);${length} }`;
  }

  private jsonCase(field: FieldSchema, f: number): string {
    const ops = this.ops(field.type);
    const json = field.label === 'repeated' ? `${this.listName(field)}j` : field.label === 'map' ? `${this.mapName(field)}j` : ops.json;
    const length = this.hasLength(field) ? (ops.form === 'string' ? ` z${f} = zString(f${f});` : ` z${f} = f${f}.length;`) : '';
    const cases = [...new Set([field.key, field.name])].map((name) => `case ${q(name)}:`).join(' ');
    return `${cases} if (h${f}) throw new Fault('', 'the field is there under both of its names'); h${f} = true; if (x !== null) { f${f} = ${json}(x);${length} } break;`;
  }

  private writeField(field: FieldSchema, f: number): string {
    const ops = this.ops(field.type);
    const read = `const f${f} = v[${q(field.key)}];`;
    const { write } = this.tag(field, ops.wire);
    if (field.label === 'map') return `${read} if (bytesOf(f${f}) !== 0) for (const k of ${this.mapName(field)}k(f${f})) { ${this.tag(field, 2).write} ${this.mapName(field)}w(k, f${f}[k]); }`;
    if (field.label === 'repeated') {
      if (field.packed && ops.wire !== 2) {
        return `${read} if (f${f}.length > 0) { ${this.tag(field, 2).write} wVar(bytesOf(f${f})); for (let i = 0; i < f${f}.length; i++) ${ops.write}(f${f}[i]); }`;
      }
      return `${read} for (let i = 0; i < f${f}.length; i++) { ${write} ${ops.write}(f${f}[i]); }`;
    }
    const absent = field.label === 'presence' ? `f${f} === undefined` : ops.isEmpty(`f${f}`);
    return `${read} if (!(${absent})) { ${write} ${ops.write}(f${f}); }`;
  }

  private textFunction(i: number, schema: MessageSchema): string {
    const lines = schema.fields.map((field, f) => {
      const ops = this.ops(field.type);
      const text = field.label === 'repeated' ? `${this.listName(field)}t` : field.label === 'map' ? `${this.mapName(field)}t` : ops.text;
      const put = `s += (s === '' ? '{' : ',') + ${q(`${q(field.key)}:`)} + ${text}(f${f});`;
      return `const f${f} = v[${q(field.key)}]; ${field.label === 'presence' ? `if (f${f} !== undefined) ` : ''}${put}`;
    });
    return `function t${i}(v) { let s = ''; ${lines.join(' ')} return s === '' ? '{}' : s + '}'; }`;
  }

  /** Functions for lists of one element type; L<k>r reads a packed run, s seals, n normalises, j reads JSON, t writes JSON. */
  private listName(field: FieldSchema): string {
    const ops = this.ops(field.type);
    const known = this.lists.get(ops.id);
    if (known !== undefined) return `L${known}`;
    const index = this.lists.size;
    this.lists.set(ops.id, index);
    const kind = this.kinds++;
    const put = ops.form === 'bytes' ? 'holdBytes(items, i, x);' : 'items.push(x);';
    const walk = (convert: string): string => `
  const n = v.length, items = [];
  let bytes = 0, i = 0;
  if (n === 0) return EMPTY;
  try { for (; i < n; i++) { element(); const x = ${convert}(v[i]); bytes += ${ops.size('x')}; ${put} } } catch (e) { throw at(e, '[' + i + ']'); }
  return sealList(items, ${kind}, bytes);`;
    this.parts.push(`
function L${index}r(end, items) { const size = rSize(end), to = pos + size; while (pos < to) { element(); items.push(${ops.read}(to)); } }
function L${index}s(v) { const items = []; let bytes = 0; for (let i = 0; i < v.length; i++) { const x = v[i]; bytes += ${ops.size('x')}; ${put} } return sealList(items, ${kind}, bytes); }
function L${index}n(v) { if (v === EMPTY || stamped(v, ${kind})) return v; list(v); ${walk(ops.norm)} }
function L${index}j(v) { list(v); ${walk(ops.json)} }
function L${index}t(v) { let s = '['; for (let i = 0; i < v.length; i++) s += (i === 0 ? '' : ',') + ${ops.text}(v[i]); return s + ']'; }`);
    return `L${index}`;
  }

  /** Functions for maps of one key and value type; D<k>k gives the sorted keys, w writes one entry, o seals names and values, the rest as with lists. */
  private mapName(field: FieldSchema): string {
    const value = this.ops(field.type);
    const asNumber = field.mapKey!.endsWith('64') && field.type.kind === 'scalar' && field.type.asNumber;
    const key = scalarOps(field.mapKey!, asNumber);
    const id = `${key.id}:${value.id}`;
    const known = this.maps.get(id);
    if (known !== undefined) return `D${known}`;
    const index = this.maps.size;
    this.maps.set(id, index);
    const kind = this.kinds++;
    const toKey = key.norm.replace(/^n/, 'key');
    const keySize = key.form === 'string' ? 'sDelimited(zString(k))' : key.size(`${toKey}(k)`);
    const compare = key.form === 'string' || field.mapKey === 'bool' ? '' : field.mapKey!.endsWith('64') ? 'compareBig' : 'compareNumber';
    const name = `D${index}`;
    const put = value.form === 'bytes' ? 'holdBytes(target, k, x);' : 'target[k] = x;';
    const valueTag = (2 << 3) | value.wire;
    const add = `bytes += sDelimited(2 + ${keySize} + ${value.size('x')}); ${put}`;
    const walk = (convert: string): string => `
  const names = ownKeys(v), values = [];
  let i = 0;
  try { for (; i < names.length; i++) { const k = names[i]; element(); ${toKey}(k); values.push(${convert}(v[k])); } } catch (e) { throw at(e, keyPath(names[i])); }
  return ${name}o(names, values);`;
    this.parts.push(`
const ${name}empty = freeze(new Stamp(createObject(null), ${kind}, 0));
function ${name}k(v) { return ownKeys(v).sort(${compare}); }
function ${name}s(entries) {
  if (entries.size === 0) return ${name}empty;
  const target = createObject(null);
  let bytes = 0;
  for (const k of [...entries.keys()].sort(${compare})) {
    const x = entries.get(k);
    ${add}
  }
  return freeze(new Stamp(target, ${kind}, bytes));
}
function ${name}o(names, values) {
  if (names.length === 0) return ${name}empty;
  const target = createObject(null);
  let bytes = 0;
  for (const place of placesInOrder(names, ${compare || 'compareText'})) {
    const k = names[place], x = values[place];
    ${add}
  }
  return freeze(new Stamp(target, ${kind}, bytes));
}
function ${name}r(end, entries) {
  const size = rSize(end), to = pos + size;
  let k = ${key.empty}, x = ${value.form === 'message' ? `${value.read.replace('rM', 'r')}(pos)` : value.empty};
  element();
  while (pos < to) {
    const tag = rTag(to);
    if (tag === ${(1 << 3) | key.wire}) k = ${key.read}(to);
    else if (tag === ${valueTag}) x = ${value.read}(to);
    else throw unknownTag(tag);
  }
  const name = '' + k;
  if (entries.has(name)) throw new Fault('', 'the key ' + show(name) + ' is there twice');
  entries.set(name, x);
}
function ${name}n(v) { if (stamped(v, ${kind})) return v; plainObject(v, 'a map'); ${walk(value.norm)} }
function ${name}j(v) { plainObject(v, 'a map'); ${walk(value.json)} }
function ${name}w(k, x) { wVar(2 + ${keySize} + ${value.size('x')}); out[op++] = ${(1 << 3) | key.wire}; ${key.write}(${key.form === 'string' ? 'k' : `${toKey}(k)`}); out[op++] = ${valueTag}; ${value.write}(x); }
function ${name}t(v) { let s = ''; for (const k of ${name}k(v)) s += (s === '' ? '{' : ',') + quote(k) + ':' + ${value.text}(v[k]); return s === '' ? '{}' : s + '}'; }`);
    return name;
  }

  private emptyMap(field: FieldSchema): string {
    return `${this.mapName(field)}empty`;
  }
}
