/**
 * Names that come again and again (addresses, commands) as the same object: making a string from bytes costs a call out of
 * JavaScript, and whoever meets the same object again need not look for what it names. Only short ASCII is kept, in one of few
 * slots, so who sends ever new names costs what it would cost without this. Four: with one, of ten thousand addresses in turn
 * every seventh had to be made anew each time; with two, of twenty thousand every fourth.
 */

import { utf8 } from './wire.ts';

const SLOTS = 65_536;
/** Slots that an address may be in, one beside the other. */
const WAYS = 4;
const NAME_SLOTS = 4_096;
const BYTES_MAX = 64;

/**
 * Where a command goes: "<actor type>:<actor id>", not yet checked. Who sends to an actor again keeps the object: in it the
 * engine remembers where that actor is, and finds it without looking for it.
 */
export class Address {
  readonly text: string;
  /** The engine's own: an address is used with one engine. */
  resident: object | null = null;
  /** Index of its bucket; -1 until somebody has looked. */
  bucket = -1;

  constructor(text: string) {
    this.text = text;
  }
}

export class Names {
  private readonly names: string[] = new Array<string>(NAME_SLOTS).fill('');
  private readonly addresses: Address[] = new Array<Address>(SLOTS).fill(new Address(''));
  /** Of the addresses; -1 in a slot that is free. */
  private readonly hashes = new Int32Array(SLOTS).fill(-1);
  private victim = 0;

  /** The UTF-8 string of `buffer[from, to)`. @throws WireError */
  text(buffer: Buffer, from: number, to: number): string {
    const hash = hashAscii(buffer, from, to);
    if (hash < 0) return utf8(buffer, from, to);
    const { names } = this;
    const slot = hash & (NAME_SLOTS - 1);
    if (matches(names[slot]!, buffer, from, to)) return names[slot]!;
    return (names[slot] = buffer.latin1Slice(from, to));
  }

  /** As `text`, of an address. */
  address(buffer: Buffer, from: number, to: number): Address {
    const hash = hashAscii(buffer, from, to);
    if (hash < 0) return new Address(utf8(buffer, from, to));
    const { addresses, hashes } = this;
    const set = hash & (SLOTS - WAYS);
    for (let slot = set; slot < set + WAYS; slot++) {
      if (hashes[slot] === hash && matches(addresses[slot]!.text, buffer, from, to)) return addresses[slot]!;
    }
    let slot = set;
    while (slot < set + WAYS && hashes[slot] !== -1) slot++;
    if (slot === set + WAYS) slot = set + (this.victim++ & (WAYS - 1));
    hashes[slot] = hash;
    return (addresses[slot] = new Address(buffer.latin1Slice(from, to)));
  }
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
  if (bits > 0x7f) return -1;
  // Names that differ in their last digit lie side by side so far.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) & 0x7fff_ffff;
}

function matches(name: string, buffer: Buffer, from: number, to: number): boolean {
  if (name.length !== to - from) return false;
  for (let i = 0; i < name.length; i++) {
    if (name.charCodeAt(i) !== buffer[from + i]) return false;
  }
  return true;
}
