/** Which part of an address decides its bucket, in a file that imports nothing: nodes and clients in browsers must agree on it. */

export interface ActorAddress {
  readonly type: string;
  readonly id: string;
}

/**
 * The shard key of an address: the text in the first non-empty {...} of the id, so that a root and its children share a bucket, else
 * the whole address.
 */
export function shardKey(address: ActorAddress): string {
  const { id } = address;
  let open = id.indexOf('{');
  while (open >= 0) {
    const close = id.indexOf('}', open + 1);
    if (close < 0) break;
    if (close > open + 1) return id.slice(open + 1, close);
    open = id.indexOf('{', close + 1);
  }
  return `${address.type}:${id}`;
}

/** Takes an address apart that was checked before, or is to be checked by somebody else; does not check. */
export function splitAddress(text: string): ActorAddress {
  const colon = text.indexOf(':');
  return { type: text.slice(0, colon), id: text.slice(colon + 1) };
}
