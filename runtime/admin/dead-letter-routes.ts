/** Paths of the admin port for parked and failed messages. */

import type { FastifyInstance } from 'fastify';

import type { DeadLetters, RecordPlace } from '../actor/engine.ts';
import { parseAddress } from '../codec/address.ts';
import { TroupeError } from '../codec/errors.ts';

const LETTERS_DEFAULT = 100;
const LETTERS_MAX = 1_000;

type Placed = { Params: { bucket: string; position: string } };

export function addDeadLetters(server: FastifyInstance, letters: DeadLetters): void {
  server.get('/v1/deadletters', (request) => {
    const { type = '', actor = '', after = '0/0', max = String(LETTERS_DEFAULT), ...others } = request.query as Record<string, unknown>;
    const [extra] = Object.keys(others);
    if (extra !== undefined) throw new TroupeError('BAD_REQUEST', `the parameter ${JSON.stringify(extra)} is not known`);
    if (typeof type !== 'string' || typeof actor !== 'string') throw new TroupeError('BAD_REQUEST', 'the parameters type and actor are given once');
    if (actor !== '') parseAddress(actor);
    const limit = wholeNumber(max);
    if (limit < 1 || limit > LETTERS_MAX) throw new TroupeError('BAD_REQUEST', `the parameter max is a whole number from 1 to ${LETTERS_MAX}`);
    return letters.deadLetters({ type, actor, after: afterOf(after), max: limit });
  });
  server.post<Placed>('/v1/deadletters/:bucket/:position/retry', ({ params }) => letters.retry(placeOf(params.bucket, params.position)));
  server.post<Placed>('/v1/deadletters/:bucket/:position/drop', ({ params }) => letters.drop(placeOf(params.bucket, params.position)));
}

function afterOf(written: unknown): RecordPlace {
  const [bucket = '', position = '', ...more] = typeof written === 'string' ? written.split('/') : [];
  if (more.length > 0) throw notAPlace(String(written));
  return placeOf(bucket, position);
}

/** @throws TroupeError BAD_REQUEST */
export function placeOf(bucket: string, position: string): RecordPlace {
  const place = { bucket: wholeNumber(bucket), position: wholeNumber(position) };
  if (place.bucket < 0 || place.position < 0) throw notAPlace(`${bucket}/${position}`);
  return place;
}

function notAPlace(written: string): TroupeError {
  return new TroupeError('BAD_REQUEST', `${JSON.stringify(written)} is no place of a record: <bucket>/<position>`);
}

/** -1 for what is none. */
function wholeNumber(written: unknown): number {
  return typeof written === 'string' && /^[0-9]{1,15}$/.test(written) ? Number(written) : -1;
}
