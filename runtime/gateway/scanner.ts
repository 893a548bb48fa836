/**
 * Reads the envelope of a JSON request from its bytes, without making objects of it: JSON.parse of a frame would cost
 * more than all else the gateway does for a command, and would give the body as an object nobody here may look into.
 *
 * N1  Outside of nested values the grammar is JSON's, exactly: what JSON.parse refuses there is refused here.
 * N2  Of a nested value (the body) only strings and brackets are followed, which finds its end reliably in every text
 *     that is JSON. What else is wrong inside it is found by whoever decodes it.
 * N3  A text that is not JSON (`fault`) is told from JSON that is not a request (`problem`): the first concerns the whole
 *     frame, the second one request of it.
 * N4  Nothing is read outside of `[start, end)`, and nesting is bounded, by a counter and not by the call stack.
 */

import { Address } from '../actor/engine.ts';
import { limits } from '../limits.ts';
import { names } from './names.ts';

const NO_ADDRESS = new Address('');

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const MINUS = 0x2d;
const DOT = 0x2e;

export const ID = 1;
export const KEY = 2;
export const TO = 4;
export const COMMAND = 8;
export const GET = 16;
export const WATCH = 32;
export const UNWATCH = 64;
export const FROM = 128;
export const BODY = 256;
export const DEADLINE = 512;
export const MAP = 1_024;
export const TRIED = 2_048;
export const SENT = 4_096;

const fieldsByName = new Map<string, number>([
  ['id', ID], ['key', KEY], ['to', TO], ['command', COMMAND], ['get', GET], ['watch', WATCH],
  ['unwatch', UNWATCH], ['from', FROM], ['body', BODY], ['deadlineMs', DEADLINE], ['map', MAP], ['triedMs', TRIED], ['sentMs', SENT],
]);
const namesByField = new Map([...fieldsByName].map(([name, field]) => [field, name]));

export class RequestScanner {
  private buffer: Buffer = Buffer.alloc(0);
  private start = 0;
  private end = 0;
  private readonly nesting = new Uint8Array(limits.jsonDepthMax);
  // The string scanned last: its range without the quotes, and whether it is ASCII without escapes.
  private textFrom = 0;
  private textTo = 0;
  private plain = true;

  /** Why the text is not JSON, after a scan that returned -1. */
  fault = '';

  // The request scanned last. `problem` is '' or says why it is JSON, but not a request.
  problem = '';
  /** Bits of the fields that are there. */
  seen = 0;
  id = '';
  key = '';
  to = NO_ADDRESS;
  command = '';
  /** Address of get or watch, or id of unwatch. */
  target = '';
  from = 0;
  deadlineMs = 0;
  triedMs = 0;
  sentMs = 0;
  /** Version of the bucket map that is known. */
  map = 0;
  bodyFrom = 0;
  bodyTo = 0;

  /** Reads in `buffer[start, end)` from now on. */
  over(buffer: Buffer, start = 0, end = buffer.length): void {
    this.buffer = buffer;
    this.start = start;
    this.end = end;
  }

  /** Forgets the frame, so that an idle connection does not keep its bytes alive. */
  release(): void {
    this.buffer = Buffer.alloc(0);
    this.end = 0;
  }

  space(at: number): number {
    const { buffer, end } = this;
    let i = at;
    while (i < end) {
      const byte = buffer[i]!;
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
      i++;
    }
    return i;
  }

  /** Scans the object that begins at `at`; returns the position behind it, or -1 and sets `fault`. */
  request(at: number): number {
    this.problem = '';
    this.seen = 0;
    this.id = this.key = this.command = this.target = '';
    this.to = NO_ADDRESS;
    this.from = this.deadlineMs = this.triedMs = this.sentMs = this.map = this.bodyFrom = this.bodyTo = 0;
    const { buffer, end } = this;
    if (at >= end || buffer[at] !== OPEN_BRACE) return this.broken(at, 'a request is a JSON object');
    let i = this.space(at + 1);
    if (i < end && buffer[i] === CLOSE_BRACE) return i + 1;
    for (;;) {
      i = this.member(i);
      if (i < 0) return -1;
      i = this.space(i);
      const byte = i < end ? buffer[i] : 0;
      if (byte === CLOSE_BRACE) return i + 1;
      if (byte !== COMMA) return this.broken(i, 'expected , or }');
      i = this.space(i + 1);
    }
  }

  broken(at: number, what: string): number {
    this.fault = at >= this.end ? `the text ends early: ${what}` : `${what} at byte ${at - this.start}`;
    return -1;
  }

  private member(at: number): number {
    const { buffer, end } = this;
    let i = this.string(at);
    if (i < 0) return -1;
    const field = this.plain ? plainField(buffer, this.textFrom, this.textTo) : this.escapedField();
    if (field < 0) return -1;
    const nameFrom = this.textFrom;
    const nameTo = this.textTo;
    i = this.space(i);
    if (i >= end || buffer[i] !== COLON) return this.broken(i, 'expected :');
    i = this.space(i + 1);
    if (field === 0) {
      this.wrong(`the field ${this.shownName(nameFrom, nameTo)} is not known`);
      return this.value(i);
    }
    if ((this.seen & field) !== 0) {
      this.wrong(`the field ${namesByField.get(field)} is there twice`);
      return this.value(i);
    }
    this.seen |= field;
    if (field === BODY) return this.body(i);
    if (field === FROM || field === DEADLINE || field === TRIED || field === SENT || field === MAP) return this.count(i, field);
    return this.textField(i, field);
  }

  private textField(at: number, field: number): number {
    if (at >= this.end || this.buffer[at] !== QUOTE) {
      this.wrong(`${namesByField.get(field)} must be a string`);
      return this.value(at);
    }
    const next = this.string(at);
    if (next < 0) return -1;
    if (field === TO) return this.address() ? next : -1;
    let text: string;
    if (!this.plain) {
      const escaped = this.escaped();
      if (escaped === null) return -1;
      text = escaped;
    } else if (field === ID || field === KEY) {
      text = this.buffer.latin1Slice(this.textFrom, this.textTo);
    } else {
      text = names.text(this.buffer, this.textFrom, this.textTo);
    }
    switch (field) {
      case ID: this.id = text; break;
      case KEY: this.key = text; break;
      case COMMAND: this.command = text; break;
      default: this.target = text;
    }
    return next;
  }

  private address(): boolean {
    const text = this.plain ? null : this.escaped();
    if (text === null && !this.plain) return false;
    this.to = text === null ? names.address(this.buffer, this.textFrom, this.textTo) : new Address(text);
    return true;
  }

  private body(at: number): number {
    if (at >= this.end || this.buffer[at] !== OPEN_BRACE) {
      this.wrong('body must be an object');
      return this.value(at);
    }
    const next = this.nested(at);
    this.bodyFrom = at;
    this.bodyTo = next;
    return next;
  }

  private count(at: number, field: number): number {
    const next = this.value(at);
    if (next < 0) return -1;
    const byte = this.buffer[at]!;
    const value = byte >= 0x30 && byte <= 0x39 ? Number(this.buffer.latin1Slice(at, next)) : -1;
    if (!Number.isSafeInteger(value) || value < 0) this.wrong(`${namesByField.get(field)} must be a whole number, 0 or more`);
    else if (field === FROM) this.from = value;
    else if (field === MAP) this.map = value;
    else if (field === TRIED) this.triedMs = value;
    else if (field === SENT) this.sentMs = value;
    else this.deadlineMs = value;
    return next;
  }

  /** Steps over any value. */
  private value(at: number): number {
    if (at >= this.end) return this.broken(at, 'expected a value');
    switch (this.buffer[at]) {
      case QUOTE: {
        const next = this.string(at);
        // An escape that does not exist is found by decoding.
        return next >= 0 && !this.plain && this.escaped() === null ? -1 : next;
      }
      case OPEN_BRACE:
      case OPEN_BRACKET: return this.nested(at);
      case 0x74: return this.word(at, 'true');
      case 0x66: return this.word(at, 'false');
      case 0x6e: return this.word(at, 'null');
      default: return this.number(at);
    }
  }

  private word(at: number, word: string): number {
    for (let i = 0; i < word.length; i++) {
      if (at + i >= this.end || this.buffer[at + i] !== word.charCodeAt(i)) return this.broken(at, 'expected a value');
    }
    return at + word.length;
  }

  private number(at: number): number {
    let i = at;
    if (this.at(i) === MINUS) i++;
    if (this.at(i) === 0x30) i++;
    else {
      const start = i;
      i = this.digits(i);
      if (i === start) return this.broken(at, 'expected a value');
    }
    if (this.at(i) === DOT) {
      const start = i + 1;
      i = this.digits(start);
      if (i === start) return this.broken(i, 'expected a digit');
    }
    if ((this.at(i) | 0x20) === 0x65) {
      i++;
      if (this.at(i) === 0x2b || this.at(i) === MINUS) i++;
      const start = i;
      i = this.digits(start);
      if (i === start) return this.broken(i, 'expected a digit');
    }
    return i;
  }

  private digits(at: number): number {
    let i = at;
    while (this.at(i) >= 0x30 && this.at(i) <= 0x39) i++;
    return i;
  }

  private at(i: number): number {
    return i < this.end ? this.buffer[i]! : 0;
  }

  /** Steps over a string and sets its range; control characters are not allowed in it. */
  private string(at: number): number {
    const { buffer, end } = this;
    if (at >= end || buffer[at] !== QUOTE) return this.broken(at, 'expected a string');
    let plain = true;
    let i = at + 1;
    for (; i < end; i++) {
      const byte = buffer[i]!;
      if (byte === QUOTE) {
        this.textFrom = at + 1;
        this.textTo = i;
        this.plain = plain;
        return i + 1;
      }
      if (byte < 0x20) return this.broken(i, 'a control character in a string');
      if (byte === BACKSLASH) {
        i++;
        plain = false;
      } else if (byte > 0x7e) {
        plain = false;
      }
    }
    return this.broken(end, 'a string without end');
  }

  /** Steps over an object or array, following only strings and brackets (N2). */
  private nested(at: number): number {
    const { buffer, end, nesting } = this;
    let depth = 0;
    for (let i = at; i < end; i++) {
      const byte = buffer[i]!;
      if (byte === QUOTE) {
        for (i++; i < end; i++) {
          const inside = buffer[i]!;
          if (inside === QUOTE) break;
          if (inside === BACKSLASH) i++;
        }
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        if (depth === nesting.length) return this.broken(i, `more than ${nesting.length} levels`);
        nesting[depth++] = byte;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        // In ASCII a closing bracket is its opening one plus two.
        if (nesting[--depth] !== byte - 2) return this.broken(i, 'a bracket that does not match');
        if (depth === 0) return i + 1;
      }
    }
    return this.broken(end, 'an object or array without end');
  }

  /** The string scanned last, when it is not plain; null and a fault when it has an escape that does not exist. */
  private escaped(): string | null {
    try {
      return JSON.parse(this.buffer.toString('utf8', this.textFrom - 1, this.textTo + 1)) as string;
    } catch {
      this.broken(this.textFrom, 'a string with an escape that does not exist');
      return null;
    }
  }

  private escapedField(): number {
    const name = this.escaped();
    return name === null ? -1 : (fieldsByName.get(name) ?? 0);
  }

  private wrong(problem: string): void {
    if (this.problem === '') this.problem = problem;
  }

  private shownName(from: number, to: number): string {
    const text = this.buffer.toString('utf8', from, Math.min(to, from + 60));
    return `"${text}${to > from + 60 ? '...' : ''}"`;
  }
}

/** The field named by plain ASCII; 0 when there is none of this name. */
function plainField(buffer: Buffer, from: number, to: number): number {
  let field = 0;
  let name = '';
  switch (to - from) {
    case 2:
      field = buffer[from] === 0x69 ? ID : TO;
      name = field === ID ? 'id' : 'to';
      break;
    case 3:
      field = buffer[from] === 0x6b ? KEY : buffer[from] === 0x67 ? GET : MAP;
      name = field === KEY ? 'key' : field === GET ? 'get' : 'map';
      break;
    case 4:
      field = buffer[from] === 0x62 ? BODY : FROM;
      name = field === BODY ? 'body' : 'from';
      break;
    case 5: field = WATCH; name = 'watch'; break;
    case 6: field = SENT; name = 'sentMs'; break;
    case 7:
      field = buffer[from] === 0x63 ? COMMAND : buffer[from] === 0x75 ? UNWATCH : TRIED;
      name = field === COMMAND ? 'command' : field === UNWATCH ? 'unwatch' : 'triedMs';
      break;
    case 10: field = DEADLINE; name = 'deadlineMs'; break;
    default: return 0;
  }
  for (let i = 0; i < name.length; i++) {
    if (buffer[from + i] !== name.charCodeAt(i)) return 0;
  }
  return field;
}
