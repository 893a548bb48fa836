/** The admin port's paths to links: who is linked to an actor, and whom an actor is linked to. */

import type { FastifyInstance } from 'fastify';

import type { Links } from '../actor/engine.ts';
import { TroupeError } from '../codec/errors.ts';
import { countOf } from './query.ts';

const LINKS_DEFAULT = 100;
const LINKS_MAX = 1_000;

export function addLinks(server: FastifyInstance, links: Links): void {
  server.get('/v1/links', async (request) => {
    const query = request.query as Record<string, unknown>;
    const actor = actorOf(query, ['actor', 'from', 'max']);
    const from = countOf(query, 'from', 1, Number.MAX_SAFE_INTEGER);
    return links.linkedTo(actor, from, countOf(query, 'max', LINKS_DEFAULT, LINKS_MAX));
  });
  server.get('/v1/links/held', async (request) => ({ links: await links.linksOf(actorOf(request.query as Record<string, unknown>, ['actor'])) }));
}

function actorOf(query: Record<string, unknown>, known: readonly string[]): string {
  const extra = Object.keys(query).find((name) => !known.includes(name));
  if (extra !== undefined) throw new TroupeError('BAD_REQUEST', `the parameter ${JSON.stringify(extra)} is not known`);
  if (typeof query['actor'] !== 'string') throw new TroupeError('BAD_REQUEST', 'the parameter actor is missing');
  return query['actor'];
}
