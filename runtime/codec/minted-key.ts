/**
 * Command keys that a node gave to a command whose client gave none. They begin with a control character, which keys of clients
 * never hold: no client can take or guess one.
 */

const MARK = '\u0001';

/** `incarnation` is the process's; `number` is never used twice in it. */
export function mintKey(incarnation: string, number: number): string {
  return `${MARK}${incarnation}.${number}`;
}

export function isMintedKey(key: string): boolean {
  return key.startsWith(MARK);
}
