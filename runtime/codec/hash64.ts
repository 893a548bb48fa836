/** 64 bits as two unsigned 32-bit halves: a bigint costs an allocation per record. */
export interface Hash64 {
  readonly hi: number;
  readonly lo: number;
}

export function sameHash(a: Hash64, b: Hash64): boolean {
  return a.hi === b.hi && a.lo === b.lo;
}

/** Sixteen lower-case hex digits. */
export function hashToHex(hash: Hash64): string {
  return hash.hi.toString(16).padStart(8, '0') + hash.lo.toString(16).padStart(8, '0');
}
