/**
 * Names that come again and again (addresses, commands) as the same string object: making a string from bytes costs a
 * call out of JavaScript, and a fresh string has to be hashed again by every map it meets. Only short ASCII is kept, one
 * string per slot, so a client that sends ever new names costs what it would cost without this.
 */

const SLOTS = 65_536;
const BYTES_MAX = 64;

const kept: string[] = new Array<string>(SLOTS).fill('');

/** The string of `buffer[from, to)`, which the caller knows to be ASCII. */
export function asciiName(buffer: Buffer, from: number, to: number): string {
  const size = to - from;
  if (size > BYTES_MAX) return buffer.latin1Slice(from, to);
  let hash = size;
  for (let i = from; i < to; i++) hash = (Math.imul(hash, 31) + buffer[i]!) | 0;
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
  const candidate = kept[slot]!;
  if (candidate.length === size && matches(candidate, buffer, from)) return candidate;
  const name = buffer.latin1Slice(from, to);
  kept[slot] = name;
  return name;
}

function matches(name: string, buffer: Buffer, from: number): boolean {
  for (let i = 0; i < name.length; i++) {
    if (name.charCodeAt(i) !== buffer[from + i]) return false;
  }
  return true;
}
