// Guest runtime, part 1: bytes. Runs inside a realm; the pieces of this folder are joined into one function body
// (realm-source.ts), so that V8 sees one closure and inlines across them.
//
// W1  Whatever the codec has made is frozen and stamped with what it is and how many bytes it takes. A stamped value is
//     never walked again: a state that is changed by spreading costs what changed.
// W2  A stamp is a private name. A script can neither read, copy nor forge it; spreading and Object.assign lose it.
// W3  Before a message is written, its exact size is known: `room` is called once, and no length is moved afterwards.
// W4  The same value has one encoding: fields by number, map keys sorted, defaults left out, one NaN.

const { freeze, keys: ownKeys, defineProperty, create: createObject, is: sameValue, getPrototypeOf: prototypeOf, prototype: plainPrototype } = Object;
const { isArray } = Array;
const { fromCharCode } = String;
const { isSafeInteger, isInteger } = Number;
const { parse: parseJson, stringify: quote } = JSON;
const { fround, floor } = Math;
const { apply } = Reflect;
const U8 = Uint8Array;
const NO_BYTES = new U8(0);

class Itself { constructor(value) { return value; } }
class Stamp extends Itself {
  #kind; #bytes;
  constructor(value, kind, bytes) { super(value); this.#kind = kind; this.#bytes = bytes; }
  static is(value, kind) { return typeof value === 'object' && value !== null && #kind in value && value.#kind === kind; }
  static bytes(value) { return value.#bytes; }
}
const stamped = Stamp.is;
const bytesOf = Stamp.bytes;
const EMPTY = freeze(new Stamp([], -1, 0));

/** Why a value does not fit its message; `path` grows from the inside out. */
class Fault {
  constructor(path, what) { this.path = path; this.what = what; }
  get text() { return this.path === '' ? this.what : this.path + ': ' + this.what; }
}
function at(error, segment) {
  if (segment === '') return error;
  if (error instanceof Fault) error.path = error.path === '' ? segment : error.path[0] === '[' ? segment + error.path : segment + '.' + error.path;
  return error;
}
function show(value) {
  switch (typeof value) {
    case 'string': return value.length > 40 ? quote(value.slice(0, 40)) + '...' : quote(value);
    case 'bigint': return value > -1000000000000000000000n && value < 1000000000000000000000n ? value + 'n' : 'a huge bigint';
    case 'number': return sameValue(value, -0) ? '-0' : '' + value;
    case 'boolean': case 'undefined': return '' + value;
    case 'object': return value === null ? 'null' : isArray(value) ? 'a list' : 'an object';
    default: return 'a ' + typeof value;
  }
}
function unfit(path, value, wanted) { return new Fault(path, show(value) + ' is not ' + wanted); }

// --- budget of one root value ---

let elements = 0;
let depth = 0;
function element() {
  if (++elements > ELEMENTS_MAX) throw new Fault('', 'it has more than ' + ELEMENTS_MAX + ' elements');
}
function enter() {
  element();
  if (++depth > DEPTH_MAX) throw new Fault('', 'it is nested deeper than ' + DEPTH_MAX);
}
function newBudget() { elements = 0; depth = 0; }

// --- reading ---

let buf = NO_BYTES;
let pos = 0;
let high = 0;

function cut() { return new Fault('', 'the bytes end in the middle of a field'); }

/** Low half of a varint; the high half is left in `high`. */
function varint(end) {
  if (pos >= end) throw cut();
  let byte = buf[pos++];
  high = 0;
  if (byte < 128) return byte;
  let low = byte & 127;
  for (let shift = 7; shift < 28; shift += 7) {
    if (pos >= end) throw cut();
    byte = buf[pos++];
    low |= (byte & 127) << shift;
    if (byte < 128) return low;
  }
  if (pos >= end) throw cut();
  byte = buf[pos++];
  low = (low | (byte << 28)) >>> 0;
  let top = (byte & 127) >>> 4;
  if (byte >= 128) {
    for (let shift = 3; ; shift += 7) {
      if (shift > 31) throw new Fault('', 'a varint has more than ten bytes');
      if (pos >= end) throw cut();
      byte = buf[pos++];
      if (shift === 31 && byte > 1) throw new Fault('', 'a varint is above 64 bits');
      top |= (byte & 127) << shift;
      if (byte < 128) break;
    }
  }
  high = top >>> 0;
  return low;
}
function rTag(end) {
  if (pos < end) {
    const byte = buf[pos];
    if (byte < 128) { pos++; return byte; }
  }
  return rUint32(end);
}
function rInt32(end) {
  const low = varint(end);
  if (high === 0 ? low > 0x7fffffff : high !== 0xffffffff || low < 0x80000000) throw new Fault('', 'the number is outside int32');
  return low | 0;
}
function rUint32(end) {
  const low = varint(end);
  if (high !== 0) throw new Fault('', 'the number is outside uint32');
  return low;
}
function rSint32(end) { const v = rUint32(end); return (v >>> 1) ^ -(v & 1); }
function rBool(end) {
  const low = varint(end);
  if (high !== 0 || low > 1) throw new Fault('', 'a bool is neither 0 nor 1');
  return low === 1;
}
function rFixed32(end) {
  if (end - pos < 4) throw cut();
  const v = (buf[pos] | (buf[pos + 1] << 8) | (buf[pos + 2] << 16) | (buf[pos + 3] << 24)) >>> 0;
  pos += 4;
  return v;
}
function rSfixed32(end) { return rFixed32(end) | 0; }
function big(top, low) { return (BigInt(top) << 32n) | BigInt(low); }
function rUint64(end) { const low = varint(end); return high === 0 ? BigInt(low) : big(high, low); }
function rInt64(end) { const low = varint(end); return big(high | 0, low); }
function rSint64(end) { const v = rUint64(end); return (v >> 1n) ^ -(v & 1n); }
function rFixed64(end) { const low = rFixed32(end); return big(rFixed32(end), low); }
function rSfixed64(end) { const low = rFixed32(end); return big(rFixed32(end) | 0, low); }
/** A 64-bit field with jstype JS_NUMBER: beyond 2^53 it is refused, never rounded. */
function safe(top, low) {
  const value = top * 4294967296 + low;
  if (!isSafeInteger(value)) throw new Fault('', 'the number is beyond 2^53 and the field has jstype JS_NUMBER');
  return value;
}
function rUint64Number(end) { const low = varint(end); return high === 0 ? low : safe(high, low); }
function rInt64Number(end) { const low = varint(end); return safe(high | 0, low); }
function rSint64Number(end) {
  const low = varint(end);
  const top = high;
  const half = safe(top >>> 1, ((low >>> 1) | (top << 31)) >>> 0);
  return (low & 1) === 0 ? half : -half - 1;
}
function rFixed64Number(end) { const low = rFixed32(end); return safe(rFixed32(end), low); }
function rSfixed64Number(end) { const low = rFixed32(end); return safe(rFixed32(end) | 0, low); }

const scratch8 = new U8(8);
const scratch32 = new Float32Array(scratch8.buffer);
const scratch64 = new Float64Array(scratch8.buffer);
function rFloat(end) {
  if (end - pos < 4) throw cut();
  for (let i = 0; i < 4; i++) scratch8[i] = buf[pos++];
  return scratch32[0];
}
function rDouble(end) {
  if (end - pos < 8) throw cut();
  for (let i = 0; i < 8; i++) scratch8[i] = buf[pos++];
  return scratch64[0];
}
/** Length of a delimited field; checks that the field lies before `end`. */
function rSize(end) {
  const size = rUint32(end);
  if (size > end - pos) throw cut();
  return size;
}
function rBytes(end) {
  const size = rSize(end);
  const copy = buf.slice(pos, pos + size);
  pos += size;
  return copy;
}
/** Bytes of the last string that was read. */
let stringBytes = 0;
function rString(end) {
  const size = stringBytes = rSize(end);
  const from = pos;
  const to = from + size;
  pos = to;
  return utf8Text(from, to);
}
function utf8Text(from, to) {
  for (let i = from; i < to; i++) if (buf[i] > 127) return utf8(from, to);
  return ascii(from, to);
}
/** Reused, one of each length: a call with an array of numbers is the fastest way to a text that shares nothing. */
const codes = [];
const CODES_MAX = 128;
function codesOf(length) {
  const array = [];
  for (let i = 0; i < length; i++) array.push(0);
  return (codes[length] = array);
}
function ascii(from, to) {
  switch (to - from) {
    case 0: return '';
    case 1: return fromCharCode(buf[from]);
    case 2: return fromCharCode(buf[from], buf[from + 1]);
    case 3: return fromCharCode(buf[from], buf[from + 1], buf[from + 2]);
    case 4: return fromCharCode(buf[from], buf[from + 1], buf[from + 2], buf[from + 3]);
  }
  if (to - from <= CODES_MAX) return shortAscii(from, to);
  const parts = [];
  let i = from;
  for (; i + CODES_MAX <= to; i += CODES_MAX) parts.push(shortAscii(i, i + CODES_MAX));
  parts.push(shortAscii(i, to));
  return parts.join('');
}
function shortAscii(from, to) {
  const array = codes[to - from] ?? codesOf(to - from);
  for (let i = from, c = 0; i < to; i++, c++) array[c] = buf[i];
  return apply(fromCharCode, null, array);
}
/** Strict: overlong forms, surrogates and what is beyond U+10FFFF are refused. */
function utf8(from, to) {
  const parts = [];
  let part = '';
  let i = from;
  while (i < to) {
    const a = buf[i];
    if (a < 0x80) { part += fromCharCode(a); i++; }
    else if (a < 0xe0) { part += fromCharCode(((a & 31) << 6) | tailByte(i + 1, to)); if (a < 0xc2) throw notUtf8(); i += 2; }
    else if (a < 0xf0) {
      const code = ((a & 15) << 12) | (tailByte(i + 1, to) << 6) | tailByte(i + 2, to);
      if (code < 0x800 || (code >= 0xd800 && code < 0xe000)) throw notUtf8();
      part += fromCharCode(code); i += 3;
    } else {
      const code = ((a & 7) << 18) | (tailByte(i + 1, to) << 12) | (tailByte(i + 2, to) << 6) | tailByte(i + 3, to);
      if (a > 0xf4 || code < 0x10000 || code > 0x10ffff) throw notUtf8();
      part += fromCharCode(0xd7c0 + (code >> 10), 0xdc00 | (code & 0x3ff)); i += 4;
    }
    if (part.length > 512) { parts.push(part); part = ''; }
  }
  if (parts.length === 0) return part;
  parts.push(part);
  return parts.join('');
}
function tailByte(i, to) {
  if (i >= to || (buf[i] & 0xc0) !== 0x80) throw notUtf8();
  return buf[i] & 63;
}
function notUtf8() { return new Fault('', 'the text is not UTF-8'); }

// --- sizes ---

function sVar(v) { return v < 128 ? 1 : v < 16384 ? 2 : v < 2097152 ? 3 : v < 268435456 ? 4 : 5; }
function sInt32(v) { return v < 0 ? 10 : sVar(v); }
function sUint32(v) { return sVar(v); }
function sSint32(v) { return sVar(((v << 1) ^ (v >> 31)) >>> 0); }
function sBool() { return 1; }
function s4() { return 4; }
function s8() { return 8; }
function sUint64(v) { let n = 1; while (v > 127n) { v >>= 7n; n++; } return n; }
function sInt64(v) { return v < 0n ? 10 : sUint64(v); }
function sSint64(v) { return sUint64((v << 1n) ^ (v >> 63n)); }
function sUint64Number(v) { let n = 1; while (v > 127) { v = floor(v / 128); n++; } return n; }
function sInt64Number(v) { return v < 0 ? 10 : sUint64Number(v); }
function sSint64Number(v) { return v <= 4503599627370495 && v >= -4503599627370495 ? sUint64Number(v < 0 ? -2 * v - 1 : 2 * v) : 8; }
const beyondAscii = /[^\x00-\x7f]/;
/** Bytes of a string as UTF-8, -1 when it holds half a surrogate pair. */
function utf8Bytes(value) {
  const length = value.length;
  if (length > 256 && !beyondAscii.test(value)) return length;
  let bytes = length;
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i);
    if (code < 0x80) continue;
    if (code < 0x800) bytes++;
    else if (code < 0xd800 || code > 0xdfff) bytes += 2;
    else {
      const next = i + 1 < length ? value.charCodeAt(i + 1) : 0;
      if (code > 0xdbff || next < 0xdc00 || next > 0xdfff) return -1;
      bytes += 2; i++;
    }
  }
  return bytes;
}
function sDelimited(n) { return sVar(n) + n; }

// --- writing ---

let out = new U8(0);
let op = 0;
/** Makes room for `bytes` more; see W3. */
function room(bytes) {
  if (op + bytes <= out.length) return;
  let size = out.length * 2 || 1024;
  while (size < op + bytes) size *= 2;
  const grown = new U8(size);
  grown.set(out.subarray(0, op));
  io.out = out = grown;
}
function wVar(v) {
  while (v > 127) { out[op++] = (v & 127) | 128; v >>>= 7; }
  out[op++] = v;
}
function wHalves(low, top) {
  while (top !== 0 || low > 127) {
    out[op++] = (low & 127) | 128;
    low = ((low >>> 7) | (top << 25)) >>> 0;
    top >>>= 7;
  }
  out[op++] = low;
}
function wInt32(v) { if (v < 0) wHalves(v >>> 0, 0xffffffff); else wVar(v); }
function wUint32(v) { wVar(v); }
function wSint32(v) { wVar(((v << 1) ^ (v >> 31)) >>> 0); }
function wBool(v) { out[op++] = v ? 1 : 0; }
function wFixed32(v) { out[op++] = v & 255; out[op++] = (v >>> 8) & 255; out[op++] = (v >>> 16) & 255; out[op++] = v >>> 24; }
function wSfixed32(v) { wFixed32(v); }
function lowOf(v) { return Number(v & 0xffffffffn); }
function highOf(v) { return Number((v >> 32n) & 0xffffffffn); }
function wUint64(v) { wHalves(lowOf(v), highOf(v)); }
function wInt64(v) { wHalves(lowOf(v), highOf(v)); }
function wSint64(v) { wUint64((v << 1n) ^ (v >> 63n)); }
function wFixed64(v) { wFixed32(lowOf(v)); wFixed32(highOf(v)); }
function wSfixed64(v) { wFixed64(v); }
function wUint64Number(v) { wHalves(v >>> 0, floor(v / 4294967296) >>> 0); }
function wInt64Number(v) { wUint64Number(v); }
function wSint64Number(v) { wSint64(BigInt(v)); }
function wFixed64Number(v) { wFixed32(v >>> 0); wFixed32(floor(v / 4294967296) >>> 0); }
function wSfixed64Number(v) { wFixed64Number(v); }
function wFloat(v) {
  scratch32[0] = v;
  if (v !== v) { scratch8[0] = 0; scratch8[1] = 0; scratch8[2] = 0xc0; scratch8[3] = 0x7f; }
  for (let i = 0; i < 4; i++) out[op++] = scratch8[i];
}
function wDouble(v) {
  scratch64[0] = v;
  if (v !== v) { for (let i = 0; i < 6; i++) scratch8[i] = 0; scratch8[6] = 0xf8; scratch8[7] = 0x7f; }
  for (let i = 0; i < 8; i++) out[op++] = scratch8[i];
}
function wBytes(v) { wVar(v.length); out.set(v, op); op += v.length; }
function wRaw(source, from, to) {
  if (to - from < 32) for (let i = from; i < to; i++) out[op++] = source[i];
  else { out.set(source.subarray(from, to), op); op += to - from; }
}
/** Length and UTF-8; the string is well formed and `room` has been made. */
function wString(value) {
  const length = value.length;
  if (length < 128) {
    const start = op++;
    let i = 0;
    for (; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) break;
      out[op++] = code;
    }
    if (i === length) { out[start] = length; return; }
    op = start;
  }
  wVar(utf8Bytes(value));
  wText(value);
}
function wText(value) {
  const length = value.length;
  for (let i = 0; i < length; i++) {
    let code = value.charCodeAt(i);
    if (code < 0x80) { out[op++] = code; continue; }
    if (code < 0x800) { out[op++] = 0xc0 | (code >> 6); out[op++] = 0x80 | (code & 63); continue; }
    if (code >= 0xd800 && code < 0xdc00) {
      code = 0x10000 + ((code - 0xd800) << 10) + (value.charCodeAt(++i) - 0xdc00);
      out[op++] = 0xf0 | (code >> 18);
      out[op++] = 0x80 | ((code >> 12) & 63);
    } else out[op++] = 0xe0 | (code >> 12);
    out[op++] = 0x80 | ((code >> 6) & 63);
    out[op++] = 0x80 | (code & 63);
  }
}
/** Four bytes for a length that is not known yet: a varint may be padded. Only in results, never inside a record. */
function openPadded() { const start = op; op += 4; return start; }
function closePadded(start) {
  const size = op - start - 4;
  out[start] = (size & 127) | 128;
  out[start + 1] = ((size >>> 7) & 127) | 128;
  out[start + 2] = ((size >>> 14) & 127) | 128;
  out[start + 3] = size >>> 21;
}

// --- strict values of scripts: each returns the value in its normal form or throws ---

function nInt32(v) { if (typeof v !== 'number' || (v | 0) !== v) throw unfit('', v, 'an int32'); return v | 0; }
function nUint32(v) { if (typeof v !== 'number' || v >>> 0 !== v) throw unfit('', v, 'a uint32'); return v >>> 0; }
function nBool(v) { if (typeof v !== 'boolean') throw unfit('', v, 'a bool'); return v; }
function nInt64(v) {
  if (typeof v !== 'bigint' || v < -0x8000000000000000n || v > 0x7fffffffffffffffn) throw unfit('', v, 'a bigint within int64');
  return v;
}
function nUint64(v) { if (typeof v !== 'bigint' || v < 0n || v > 0xffffffffffffffffn) throw unfit('', v, 'a bigint within uint64'); return v; }
function nInt64Number(v) { if (!isSafeInteger(v)) throw unfit('', v, 'a whole number below 2^53'); return v + 0; }
function nUint64Number(v) { if (!isSafeInteger(v) || v < 0) throw unfit('', v, 'a whole number from 0 to 2^53'); return v + 0; }
function nFloat(v) {
  if (typeof v !== 'number') throw unfit('', v, 'a float');
  const rounded = fround(v);
  if (rounded - rounded !== 0 && v - v === 0) throw unfit('', v, 'within float');
  return rounded;
}
function nDouble(v) { if (typeof v !== 'number') throw unfit('', v, 'a double'); return v; }
function nString(v) { if (typeof v !== 'string') throw unfit('', v, 'a string'); return v; }
function zString(v) {
  const bytes = utf8Bytes(v);
  if (bytes < 0) throw new Fault('', 'the string holds half a surrogate pair');
  return bytes;
}
const taggedTypedArray = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(U8.prototype), Symbol.toStringTag).get;
const tagOf = Function.prototype.call.bind(taggedTypedArray);
function nBytes(v) {
  if (typeof v !== 'object' || v === null || tagOf(v) !== 'Uint8Array') throw unfit('', v, 'a Uint8Array');
  return new U8(v);
}
function zBytes(v) { return v.length; }

// --- ProtoJSON ---

function jInt(v, wanted) {
  if (typeof v === 'string' && /^-?(0|[1-9][0-9]*)$/.test(v) && v.length < 22) return Number(v);
  if (typeof v !== 'number' || !isInteger(v)) throw unfit('', v, wanted);
  return v + 0;
}
function jInt32(v) { return nInt32(jInt(v, 'an int32')); }
function jUint32(v) { return nUint32(jInt(v, 'a uint32')); }
function jBig(v, wanted) {
  if (typeof v === 'number' && isSafeInteger(v)) return BigInt(v);
  if (typeof v === 'string' && v.length < 22 && /^-?(0|[1-9][0-9]*)$/.test(v)) return BigInt(v);
  throw unfit('', v, wanted);
}
function jInt64(v) { return nInt64(jBig(v, 'an int64: write it as a string')); }
function jUint64(v) { return nUint64(jBig(v, 'a uint64: write it as a string')); }
function jInt64Number(v) { return nInt64Number(Number(jBig(v, 'a whole number below 2^53'))); }
function jUint64Number(v) { return nUint64Number(Number(jBig(v, 'a whole number from 0 to 2^53'))); }
function jReal(v, wanted) {
  if (typeof v === 'number') return v;
  if (v === 'NaN') return NaN;
  if (v === 'Infinity') return Infinity;
  if (v === '-Infinity') return -Infinity;
  if (typeof v === 'string' && v.length < 400 && /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/.test(v)) return Number(v);
  throw unfit('', v, wanted);
}
function jDouble(v) { return jReal(v, 'a double'); }
function jFloat(v) { return nFloat(jReal(v, 'a float')); }
function jBool(v) { return nBool(v); }
function jString(v) { return nString(v); }
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const DIGIT = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) DIGIT[DIGITS.charCodeAt(i)] = i;
DIGIT[45] = 62; DIGIT[95] = 63;
function jBytes(v) {
  if (typeof v !== 'string') throw unfit('', v, 'base64');
  let length = v.length;
  if (length % 4 === 0) while (length > 0 && v.length - length < 2 && v[length - 1] === '=') length--;
  if (length % 4 === 1) throw unfit('', v, 'base64');
  const bytes = new U8(floor((length * 3) / 4));
  let bits = 0, held = 0, n = 0;
  for (let i = 0; i < length; i++) {
    const code = v.charCodeAt(i);
    const digit = code < 128 ? DIGIT[code] : -1;
    if (digit < 0) throw unfit('', v, 'base64');
    held = (held << 6) | digit; bits += 6;
    if (bits >= 8) { bits -= 8; bytes[n++] = held >>> bits; held &= (1 << bits) - 1; }
  }
  if (held !== 0) throw unfit('', v, 'base64');
  return bytes;
}
function tBytes(v) {
  let s = '"';
  let i = 0;
  for (; i + 2 < v.length; i += 3) {
    const n = (v[i] << 16) | (v[i + 1] << 8) | v[i + 2];
    s += DIGITS[n >> 18] + DIGITS[(n >> 12) & 63] + DIGITS[(n >> 6) & 63] + DIGITS[n & 63];
  }
  if (i + 1 === v.length) s += DIGITS[v[i] >> 2] + DIGITS[(v[i] & 3) << 4] + '==';
  else if (i < v.length) {
    const n = (v[i] << 8) | v[i + 1];
    s += DIGITS[n >> 10] + DIGITS[(n >> 4) & 63] + DIGITS[(n & 15) << 2] + '=';
  }
  return s + '"';
}
function tReal(v) {
  if (v - v !== 0) return v !== v ? '"NaN"' : v > 0 ? '"Infinity"' : '"-Infinity"';
  return sameValue(v, -0) ? '-0' : '' + v;
}
function tBig(v) { return '"' + v + '"'; }
function tPlain(v) { return '' + v; }
const tString = quote;

// --- containers ---

/**
 * A plain object: its prototype is null, or is the end of a chain (Object.prototype of this realm, or of the one a migrated state
 * comes from). A generator, a promise, a Map or an instance of a class would pass as an empty message otherwise.
 */
function plainObject(v, wanted) {
  if (typeof v !== 'object' || v === null || isArray(v)) throw unfit('', v, wanted);
  const prototype = prototypeOf(v);
  if (prototype !== null && prototype !== plainPrototype && prototypeOf(prototype) !== null) throw new Fault('', 'a plain object is needed, not an instance');
}
/** Refuses fields that the message does not have. `names` is in the order in which the codec itself builds its objects. */
function knownKeys(value, names, known) {
  const keys = ownKeys(value);
  const count = keys.length;
  let i = 0;
  if (count === names.length) while (i < count && keys[i] === names[i]) i++;
  for (; i < count; i++) if (!known.has(keys[i])) throw at(noSuchField(keys[i], names), keys[i].length > 80 ? '' : keys[i]);
}
/** With a guess at the one that was meant, by the rule of codec/nearest.ts, in which a long word is not compared. */
function noSuchField(key, names) {
  let best = '', least = (key.length < 4 ? 1 : key.length < 9 ? 2 : floor(key.length / 3)) + 1;
  if (key.length <= 40) for (const name of names) {
    const apart = name.length - key.length;
    if (apart >= least || -apart >= least) continue;
    const distance = distanceOf(key, name);
    if (distance < least) { best = name; least = distance; }
  }
  return new Fault('', 'the message has no such field' + (best === '' ? '' : '; did you mean ' + best + '?'));
}
/** Levenshtein's. */
function distanceOf(a, b) {
  let above = [];
  for (let j = 0; j <= b.length; j++) above[j] = j;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      let least = above[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      if (above[j] + 1 < least) least = above[j] + 1;
      if (row[j - 1] + 1 < least) least = row[j - 1] + 1;
      row[j] = least;
    }
    above = row;
  }
  return above[b.length];
}
function list(v) {
  if (!isArray(v)) throw unfit('', v, 'a list');
  return v;
}
/** A list as the codec hands it out; `put` in place of assignment for bytes, which are handed out as copies. */
function sealList(items, kind, bytes) { return items.length === 0 ? EMPTY : freeze(new Stamp(items, kind, bytes)); }
function holdBytes(target, key, bytes) {
  defineProperty(target, key, { get: freeze(() => new U8(bytes)), enumerable: true, configurable: true });
}
/** Keys behind the sorted ones that are put in their places one by one. */
const LATE_KEYS_MAX = 16;
function keyPath(k) { return '[' + quote(k.length > 40 ? k.slice(0, 40) : k) + ']'; }
function compareText(a, b) { return a < b ? -1 : a > b ? 1 : 0; }
/**
 * Where in `names` the first one stands, the second, and so on. They are in order already but for a few when a map of the codec's was spread and
 * something was added: then nothing is sorted anew.
 */
function placesInOrder(names, compare) {
  const count = names.length, places = [], late = [];
  let sorted = 1;
  while (sorted < count && compare(names[sorted - 1], names[sorted]) < 0) sorted++;
  if (count - sorted > LATE_KEYS_MAX) {
    for (let i = 0; i < count; i++) places.push(i);
    return places.sort((a, b) => compare(names[a], names[b]));
  }
  for (let i = sorted; i < count; i++) {
    let at = late.length;
    while (at > 0 && compare(names[i], names[late[at - 1]]) < 0) at--;
    late.splice(at, 0, i);
  }
  for (let i = 0, j = 0; i < sorted || j < late.length;) {
    places.push(j < late.length && (i === sorted || compare(names[late[j]], names[i]) < 0) ? late[j++] : i++);
  }
  return places;
}
function compareNumber(a, b) { return Number(a) - Number(b); }
function compareBig(a, b) { const x = BigInt(a), y = BigInt(b); return x < y ? -1 : x > y ? 1 : 0; }
/** Keys of a map arrive as property names; a number's one normal form is refused otherwise, so that no two name the same. */
function keyInt32(k) { const v = Number(k); if ('' + (v | 0) !== k) throw new Fault('', show(k) + ' is not an int32 key'); return v; }
function keyUint32(k) { const v = Number(k); if ('' + (v >>> 0) !== k) throw new Fault('', show(k) + ' is not a uint32 key'); return v; }
function keyBool(k) { if (k !== 'true' && k !== 'false') throw new Fault('', show(k) + ' is not a bool key'); return k === 'true'; }
function keyBig(k, wanted) { if (k.length > 21 || !/^(0|-?[1-9][0-9]*)$/.test(k)) throw new Fault('', show(k) + ' is not ' + wanted); return BigInt(k); }
function keyInt64(k) { return nInt64(keyBig(k, 'an int64 key')); }
function keyUint64(k) { return nUint64(keyBig(k, 'a uint64 key')); }
function keyInt64Number(k) { return nInt64Number(Number(keyInt64(k))); }
function keyUint64Number(k) { return nUint64Number(Number(keyUint64(k))); }
function keyString(k) { return k; }
function unknownTag(tag) { return new Fault('', 'field number ' + (tag >>> 3) + ' with wire type ' + (tag & 7) + ' is not in the message'); }
