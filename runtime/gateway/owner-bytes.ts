/**
 * The owners of all buckets as both subprotocols carry them: one byte a bucket, the index into the nodes, 255 for none; two bytes,
 * little-endian, and 65535 for none, where there are more than 255 nodes.
 */

import type { Routes } from '../actor/engine.ts';

export function ownerBytes({ nodes, owners }: Routes): Buffer {
  const width = nodes.length > 255 ? 2 : 1;
  const bytes = Buffer.alloc(owners.length * width);
  for (let i = 0; i < owners.length; i++) {
    // -1 becomes the largest number of that width.
    if (width === 1) bytes[i] = owners[i]!;
    else bytes.writeUInt16LE(owners[i]! & 0xffff, 2 * i);
  }
  return bytes;
}
