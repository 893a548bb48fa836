/** Numbers from a seed, so that a run can be had again. */

/** Xorshift: the next of a sequence in [0, 1) at every call. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
