/** Paths of the admin port for nodes and buckets. What is done is answered at once, and seen in the lists. */

import type { FastifyInstance } from 'fastify';

import { TroupeError } from '../codec/errors.ts';
import type { Operations } from './operations.ts';

export const OPERATION_MEDIA_TYPE = 'application/json';

type Named = { Params: { id: string } };

export function addOperations(server: FastifyInstance, operations: Operations): void {
  server.get('/v1/nodes', async () => ({ ageMs: age(operations), nodes: await operations.nodes() }));
  server.get('/v1/buckets', async () => ({ ageMs: age(operations), buckets: await operations.buckets() }));
  server.get('/v1/buckets/plan', () => ({ moves: operations.plan() }));
  server.post<Named>('/v1/nodes/:id/drain', ({ params }) => done(operations.drain(params.id, true)));
  server.post<Named>('/v1/nodes/:id/undrain', ({ params }) => done(operations.drain(params.id, false)));
  // A scope of its own: nothing but this takes JSON.
  server.register(async (scope) => {
    scope.addContentTypeParser(OPERATION_MEDIA_TYPE, { parseAs: 'string' }, (_request, body, parsed) => parsed(null, body));
    scope.post<Named>('/v1/buckets/:id/move', ({ params, body }) => done(operations.move(indexOf(params.id), targetOf(body))));
  });
}

function age(operations: Operations): number {
  return Math.round(operations.ageMs());
}

async function done(work: Promise<void>): Promise<{ done: true }> {
  await work;
  return { done: true };
}

function indexOf(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new TroupeError('BAD_REQUEST', `${JSON.stringify(text)} is no index of a bucket`);
}

function targetOf(body: unknown): string | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(String(body));
  } catch {
    parsed = undefined;
  }
  if (typeof parsed === 'object' && parsed !== null && Object.keys(parsed).length === 1) {
    const { node } = parsed as { node?: unknown };
    if (typeof node === 'string' || node === null) return node;
  }
  throw new TroupeError('BAD_REQUEST', 'the body is {"node":"<id>"}, or {"node":null} for wherever the scheduler puts the bucket');
}
