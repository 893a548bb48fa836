/** The Lua library: its text, and the names under which this version of it is registered. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface LuaLibrary {
  readonly text: string;
  /** The registered name of one of its functions. */
  functionName(name: string): string;
}

/** A library of `source`, in which `@library@` and `@version@` stand for the names that its own text gives it. */
export function luaLibrary(source: string, name: string): LuaLibrary {
  const version = createHash('sha256').update(source).digest('hex').slice(0, 12);
  const text = source.replaceAll('@library@', `troupe_${name}_${version}`).replaceAll('@version@', version);
  return { text, functionName: (called) => `${called}_${version}` };
}

/** The source of the journal's own library. */
export function journalSource(): string {
  return readFileSync(new URL('./journal.lua', import.meta.url), 'utf8');
}
