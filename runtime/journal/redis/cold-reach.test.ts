/** Which of the files in the cold tier a log goes on with. */

import t from 'tap';

import type { Hash64 } from '../../codec/hash64.ts';
import { coldFile } from '../cold/cold-range.ts';
import type { ColdRange } from '../cold/cold-range.ts';
import { reachOf } from './cold-reach.ts';
import { bytesOfHash } from './entry.ts';
import { metaOf } from './metas.ts';
import type { FoundMeta } from './metas.ts';

const bucket = { bits: 4, index: 3 };
const hash = (lo: number): Hash64 => ({ hi: 1, lo });
const [origin, second] = [hash(1), hash(2)];

/** Heads are named after the position and the way. */
function range(incarnation: Hash64, from: number, to: number, headBefore: Hash64, headAfter: Hash64, index = 3): ColdRange {
  const name = { namespace: 'main', bucket: { bits: 4, index }, incarnation, from, to, digest: `${headAfter.lo}`.padStart(32, '0') };
  return { ...name, file: coldFile(name), headBefore, headAfter, bytes: 100, records: to - from, rawBytes: 200 };
}

function meta(given: readonly Hash64[]): FoundMeta {
  const fields = ['4', second, origin, '50', hash(50), '30', hash(31), Buffer.concat(given.map(bytesOfHash)), null, null, null, null];
  return metaOf(fields.map((field) => (typeof field === 'string' ? Buffer.from(field) : field !== null && 'hi' in field ? bytesOfHash(field) : field)));
}

const missing = metaOf(Array.from({ length: 12 }, () => null));
const first = range(origin, 1, 31, origin, hash(31));
/** Two ways from there: one that an accepted loss gave up, and the one that was gone since. */
const lost = range(origin, 31, 91, hash(31), hash(91));
const taken = range(second, 31, 61, hash(31), hash(61));

t.test('what an accepted loss gave up is not taken up again, and what is listed is, under whatever incarnation', async (t) => {
  const reach = reachOf(bucket, meta([origin]), [lost, taken, first], [first]);
  t.same(reach.ranges, [first, taken]);
  t.equal(reach.position, 60);
  t.same(reach.incarnations, [origin, second], 'of all files, so that none of them counts later');
  t.equal(reachOf(bucket, meta([]), [lost, taken, first], [first]).position, 90, 'which the file itself does not tell');
});

t.test('the way from the beginning of the store, and without one the farthest', async (t) => {
  const foreign = range(hash(7), 1, 200, hash(7), hash(200));
  t.same(reachOf(bucket, meta([]), [first, foreign], [first]).ranges, [first]);
  t.same(reachOf(bucket, missing, [first, foreign], []).ranges, [foreign]);
});

t.test('nothing, and nothing of others', async (t) => {
  t.same(reachOf(bucket, meta([]), [], []), { ranges: [], position: 0, incarnations: [] });
  t.same(reachOf(bucket, missing, [range(origin, 1, 31, origin, hash(31), 4)], []), { ranges: [], position: 0, incarnations: [] });
  t.equal(reachOf(bucket, missing, [taken], []).position, 0, 'a file in the middle leads from nowhere');
});
