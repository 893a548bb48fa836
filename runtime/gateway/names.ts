/**
 * Names that come again and again (addresses, commands) as the same object: making a string from bytes costs a call out of
 * JavaScript, and whoever meets the same object again need not look for what it names. Only short ASCII is kept, one name per
 * slot, so a client that sends ever new names costs what it would cost without this.
 */

import { Address } from '../actor/engine.ts';

const SLOTS = 65_536;
const NAME_SLOTS = 4_096;
const BYTES_MAX = 64;

const names: string[] = new Array<string>(NAME_SLOTS).fill('');
const addresses: Address[] = new Array<Address>(SLOTS).fill(new Address(''));

/** The string of `buffer[from, to)`, which the caller knows to be ASCII. */
export function asciiName(buffer: Buffer, from: number, to: number): string {
  if (to - from > BYTES_MAX) return buffer.latin1Slice(from, to);
  const slot = hashBytes(buffer, from, to) & (NAME_SLOTS - 1);
  if (matches(names[slot]!, buffer, from, to)) return names[slot]!;
  return (names[slot] = buffer.latin1Slice(from, to));
}

/** As `asciiName`, of an address. */
export function asciiAddress(buffer: Buffer, from: number, to: number): Address {
  if (to - from > BYTES_MAX) return new Address(buffer.latin1Slice(from, to));
  const slot = hashBytes(buffer, from, to) & (SLOTS - 1);
  const candidate = addresses[slot]!;
  if (matches(candidate.text, buffer, from, to)) return candidate;
  return (addresses[slot] = new Address(buffer.latin1Slice(from, to)));
}

function hashBytes(buffer: Buffer, from: number, to: number): number {
  let hash = to - from;
  for (let i = from; i < to; i++) hash = (Math.imul(hash, 31) + buffer[i]!) | 0;
  return hash ^ (hash >>> 15);
}

function matches(name: string, buffer: Buffer, from: number, to: number): boolean {
  if (name.length !== to - from) return false;
  for (let i = 0; i < name.length; i++) {
    if (name.charCodeAt(i) !== buffer[from + i]) return false;
  }
  return true;
}
