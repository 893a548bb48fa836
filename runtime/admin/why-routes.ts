/** Path of the admin port for what records came of. */

import type { FastifyInstance } from 'fastify';

import type { CauseChain, RecordRef } from '../actor/engine.ts';
import { TroupeError } from '../codec/errors.ts';
import { limits } from '../limits.ts';
import { placeOf } from './dead-letter-routes.ts';

const LINKS_DEFAULT = 100;

/** From a record back to what began it, at most so many links. */
export type Why = (ref: RecordRef, linksMax: number) => Promise<CauseChain>;

export function addWhy(server: FastifyInstance, why: Why): void {
  server.get('/v1/why', (request) => {
    const { actor, seq = '0', bucket, position, max = String(LINKS_DEFAULT), ...others } = request.query as Record<string, unknown>;
    const [extra] = Object.keys(others);
    if (extra !== undefined) throw new TroupeError('BAD_REQUEST', `the parameter ${JSON.stringify(extra)} is not known`);
    const linksMax = count('max', max);
    if (linksMax < 1 || linksMax > limits.causeLinksMax) throw new TroupeError('BAD_REQUEST', `the parameter max is a whole number from 1 to ${limits.causeLinksMax}`);
    return why(refOf(actor, seq, bucket, position), linksMax);
  });
}

function refOf(actor: unknown, seq: unknown, bucket: unknown, position: unknown): RecordRef {
  if (typeof actor === 'string' && bucket === undefined && position === undefined) return { actor, seq: count('seq', seq) };
  if (actor === undefined && seq === '0' && typeof bucket === 'string' && typeof position === 'string') return placeOf(bucket, position);
  throw new TroupeError('BAD_REQUEST', 'give either actor, with seq or without, or bucket and position');
}

function count(name: string, written: unknown): number {
  if (typeof written === 'string' && /^[0-9]{1,15}$/.test(written)) return Number(written);
  throw new TroupeError('BAD_REQUEST', `the parameter ${name} is a whole number`);
}
