/** The path of the admin port for timers. */

import type { FastifyInstance } from 'fastify';

import type { ActorTimers } from '../actor/engine.ts';
import { TroupeError } from '../codec/errors.ts';

export function addTimers(server: FastifyInstance, timers: ActorTimers): void {
  server.get('/v1/timers', async (request) => {
    const { actor, ...others } = request.query as Record<string, unknown>;
    const [extra] = Object.keys(others);
    if (extra !== undefined) throw new TroupeError('BAD_REQUEST', `the parameter ${JSON.stringify(extra)} is not known`);
    if (typeof actor !== 'string') throw new TroupeError('BAD_REQUEST', 'the parameter actor is missing');
    return { timers: await timers.pendingTimers(actor) };
  });
}
