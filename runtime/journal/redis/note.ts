/**
 * The note that a bucket gets when its log went back: what the node knows that found out, for the operator to read and for accept-loss to
 * be told.
 */

import type { BucketId } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { hashToHex } from '../../codec/hash64.ts';
import type { KnownStanding } from './hot-bucket.ts';

export function noteOf(known: KnownStanding, node: string): string {
  return `${node} knows of position ${known.position}, head ${hashToHex(known.head)}, incarnation ${hashToHex(known.incarnation)}, epoch ${known.epoch}`;
}

/** Of a bucket that is missing, by a node that knows nothing of it. */
export function missingNote(node: string): string {
  return `the store has lost it (found by ${node})`;
}

export function rolledBack(id: BucketId, note: string): TroupeError {
  return new TroupeError('ROLLED_BACK', `bucket ${id.index}/${2 ** id.bits} is behind what was acknowledged: ${note}`);
}
