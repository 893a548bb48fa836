import { WireReader } from '../codec/wire.ts';
import type { Hash64 } from '../codec/hash64.ts';
import type { LoadedBundle, LoadedType } from './sandbox.ts';

/** Reads troupe.v1.LoadedBundle from `buffer[from, to)`. */
export function readLoaded(buffer: Buffer, from: number, to: number): LoadedBundle {
  const reader = new WireReader().over(buffer, from, to);
  const types: LoadedType[] = [];
  let engineHash: Hash64 = { hi: 0, lo: 0 };
  while (reader.next()) {
    if (reader.field === 1) {
      reader.span();
      types.push(readType(buffer, reader.from, reader.to));
    } else if (reader.field === 2) engineHash = readHash(reader);
    else reader.skip();
  }
  return { types, engineHash };
}

function readType(buffer: Buffer, from: number, to: number): LoadedType {
  const reader = new WireReader().over(buffer, from, to);
  const commands: string[] = [];
  const events: string[] = [];
  let type = '';
  let foldHash: Hash64 = { hi: 0, lo: 0 };
  let migrates = false;
  while (reader.next()) {
    if (reader.field === 1) type = reader.string();
    else if (reader.field === 2) foldHash = readHash(reader);
    else if (reader.field === 3) commands.push(reader.string());
    else if (reader.field === 4) events.push(reader.string());
    else if (reader.field === 5) migrates = reader.varint() === 1;
    else reader.skip();
  }
  return { type, foldHash, commands, events, migrates };
}

function readHash(reader: WireReader): Hash64 {
  reader.fixed64();
  return { hi: reader.hi, lo: reader.lo };
}
