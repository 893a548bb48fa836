/**
 * Names that come again and again (addresses, commands) as the same object: making a string from bytes costs a call out of
 * JavaScript, and whoever meets the same object again need not look for what it names. Only short ASCII is kept, in two slots
 * at most, so a client that sends ever new names costs what it would cost without this. Two: with one, of ten
 * thousand addresses in turn every seventh had to be made anew each time.
 */

import { Address } from '../actor/engine.ts';
import { utf8 } from '../codec/wire.ts';

const SLOTS = 65_536;
const NAME_SLOTS = 4_096;
const BYTES_MAX = 64;

const names: string[] = new Array<string>(NAME_SLOTS).fill('');
const addresses: Address[] = new Array<Address>(SLOTS).fill(new Address(''));

/** The UTF-8 string of `buffer[from, to)`. @throws WireError */
export function nameOf(buffer: Buffer, from: number, to: number): string {
  const hash = hashAscii(buffer, from, to);
  if (hash < 0) return utf8(buffer, from, to);
  const slot = hash & (NAME_SLOTS - 1);
  if (matches(names[slot]!, buffer, from, to)) return names[slot]!;
  return (names[slot] = buffer.latin1Slice(from, to));
}

/** As `nameOf`, of an address. */
export function addressOf(buffer: Buffer, from: number, to: number): Address {
  const hash = hashAscii(buffer, from, to);
  if (hash < 0) return new Address(utf8(buffer, from, to));
  const slot = hash & (SLOTS - 1);
  const first = addresses[slot]!;
  if (matches(first.text, buffer, from, to)) return first;
  const second = addresses[slot ^ 1]!;
  if (matches(second.text, buffer, from, to)) return second;
  addresses[slot ^ 1] = first;
  return (addresses[slot] = new Address(buffer.latin1Slice(from, to)));
}

/** -1 for what is not kept: what is long, or not ASCII. */
function hashAscii(buffer: Buffer, from: number, to: number): number {
  if (to - from > BYTES_MAX) return -1;
  let hash = to - from;
  let bits = 0;
  for (let i = from; i < to; i++) {
    const byte = buffer[i]!;
    bits |= byte;
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  return bits > 0x7f ? -1 : (hash ^ (hash >>> 15)) & 0x7fff_ffff;
}

function matches(name: string, buffer: Buffer, from: number, to: number): boolean {
  if (name.length !== to - from) return false;
  for (let i = 0; i < name.length; i++) {
    if (name.charCodeAt(i) !== buffer[from + i]) return false;
  }
  return true;
}
