/**
 * The admin port: health, metrics, deploying, and looking at what is there. HTTP with JSON; errors have the shape
 * `{"error":{"code","message","hint","reason"?,"location"?}}`.
 */

import fastify from 'fastify';
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import type { AddressInfo } from 'node:net';

import type { ActorTimers, DeadLetters, Engine } from '../actor/engine.ts';
import { TroupeError } from '../codec/errors.ts';
import type { ErrorCode } from '../codec/errors.ts';
import type { Authenticator } from '../gateway/auth.ts';
import { limits } from '../limits.ts';
import { admit, checkExposure } from './guard.ts';
import { addLinks } from './links-routes.ts';
import type { Metrics } from './metrics.ts';
import { addDeadLetters } from './dead-letter-routes.ts';
import { addWhy } from './why-routes.ts';
import type { Why } from './why-routes.ts';
import { addOperations } from './operations-routes.ts';
import type { Operations } from './operations.ts';
import { addTimers } from './timer-routes.ts';
import { countOf } from './query.ts';

export const BUNDLE_MEDIA_TYPE = 'application/vnd.troupe.bundle+json';

const RECORDS_DEFAULT = 100;
const RECORDS_MAX = 1_000;
const REQUEST_TIME_MAX_MS = 60_000;

export interface AdminSettings {
  readonly engine: Engine;
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly auth: Authenticator;
  readonly metrics: Metrics;
  /** Left out: there are no paths for nodes and buckets. */
  readonly operations?: Operations;
  /** Left out: there are no paths for dead letters. */
  readonly deadLetters?: DeadLetters;
  /** Left out: there is no path for timers. */
  readonly timers?: ActorTimers;
  /** Left out: there is no path for what records came of. */
  readonly why?: Why;
  readonly bundleBytesMax?: number;
  /** A defect met while answering. */
  readonly onDefect?: (error: unknown) => void;
  /** A bundle that was not put in service. */
  readonly onRefused?: (error: TroupeError) => void;
}

export interface Admin {
  /** @throws TroupeError ADDRESS_IN_USE */
  listen(): Promise<{ readonly host: string; readonly port: number }>;
  close(): Promise<void>;
}

/** @throws TroupeError CONFIG_INVALID when the settings would leave the node open */
export function createAdmin(settings: AdminSettings): Admin {
  checkExposure(settings.host, settings.auth);
  const server = fastify({
    bodyLimit: settings.bundleBytesMax ?? limits.bundleBytesMax,
    requestTimeout: REQUEST_TIME_MAX_MS,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
  });
  server.addHook('onRequest', async (request) => admit(request.url.split('?', 1)[0]!, request.headers, settings.auth));
  server.setErrorHandler((error, _request, reply) => answerError(reply, known(error as Error, settings)));
  server.setNotFoundHandler((_request, reply) => {
    void reply.code(404).send(errorBody(new TroupeError('BAD_REQUEST', 'the admin port has nothing at this path', {
      hint: 'docs/GATEWAY.md lists the paths of the admin port; WebSocket clients connect to the gateway (--port, 7070 by default).',
    })));
  });
  addHealth(server, settings);
  addBundles(server, settings);
  addViews(server, settings);
  if (settings.engine.links !== undefined) addLinks(server, settings.engine.links);
  if (settings.operations !== undefined) addOperations(server, settings.operations);
  if (settings.deadLetters !== undefined) addDeadLetters(server, settings.deadLetters);
  if (settings.timers !== undefined) addTimers(server, settings.timers);
  if (settings.why !== undefined) addWhy(server, settings.why);
  return {
    async listen() {
      const { host, port } = settings;
      try {
        await server.listen({ host, port });
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
        throw new TroupeError('ADDRESS_IN_USE', `the admin port cannot listen on ${host}:${port}`, {
          cause, hint: 'Something else listens there, perhaps another node; choose another port with --admin-port (0 takes a free one).',
        });
      }
      return { host, port: (server.server.address() as AddressInfo).port };
    },
    close: () => server.close(),
  };
}

function addHealth(server: FastifyInstance, { engine, metrics }: AdminSettings): void {
  server.get('/live', () => ({ live: true }));
  server.get('/ready', () => {
    const reason = engine.notReady();
    if (reason !== null) throw new TroupeError('NOT_READY', reason);
    return { ready: true };
  });
  server.get('/metrics', async (request, reply) => {
    const areBucketsWanted = bucketsWanted(request.query as Record<string, unknown>);
    const parts = [await metrics.registry.metrics(), ...(areBucketsWanted ? [await metrics.buckets.metrics()] : [])];
    return reply.type(metrics.registry.contentType).send(parts.join('\n'));
  });
}

function addBundles(server: FastifyInstance, { engine, onRefused }: AdminSettings): void {
  // A page can send JSON or a form to any address without asking first, but not this type.
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(BUNDLE_MEDIA_TYPE, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  server.post('/v1/bundles', async (request) => {
    if (!Buffer.isBuffer(request.body) || request.body.length === 0) {
      throw new TroupeError('BAD_REQUEST', `send the bundle as the body, with content-type ${BUNDLE_MEDIA_TYPE}`);
    }
    return engine.deploy(request.body).catch((error: unknown) => {
      if (error instanceof TroupeError) onRefused?.(error);
      throw error;
    });
  });
}

function addViews(server: FastifyInstance, { engine }: AdminSettings): void {
  server.get('/v1/behaviors', () => ({ behaviors: engine.behaviors() }));
  server.get('/v1/records', async (request) => {
    const query = request.query as Record<string, unknown>;
    const extra = Object.keys(query).find((name) => !['actor', 'from', 'max', 'changes'].includes(name));
    if (extra !== undefined) throw new TroupeError('BAD_REQUEST', `the parameter ${JSON.stringify(extra)} is not known`);
    if (typeof query['actor'] !== 'string') throw new TroupeError('BAD_REQUEST', 'the parameter actor is missing');
    const from = countOf(query, 'from', 1, Number.MAX_SAFE_INTEGER);
    const max = countOf(query, 'max', RECORDS_DEFAULT, RECORDS_MAX);
    const { changes } = query;
    if (changes !== undefined && changes !== 'true' && changes !== 'false') throw new TroupeError('BAD_REQUEST', 'the parameter changes is true or false');
    return { records: await engine.records(query['actor'], from, max, changes === 'true') };
  });
}

/** Series of single buckets are many, so they come only to whoever asks for them. */
function bucketsWanted(query: Record<string, unknown>): boolean {
  const { buckets, ...others } = query;
  if (Object.keys(others).length > 0 || (buckets !== undefined && buckets !== 'true' && buckets !== 'false')) {
    throw new TroupeError('BAD_REQUEST', 'the only parameter of /metrics is buckets, true or false');
  }
  return buckets === 'true';
}

function known(error: Error, settings: AdminSettings): { error: TroupeError; status?: number } {
  if (error instanceof TroupeError) return { error };
  switch ((error as FastifyError).code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return { error: new TroupeError('BUNDLE_TOO_LARGE', `a bundle has at most ${settings.bundleBytesMax ?? limits.bundleBytesMax} bytes`) };
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return { error: new TroupeError('BAD_REQUEST', `the content-type must be ${BUNDLE_MEDIA_TYPE}`), status: 415 };
    default:
  }
  const status = (error as FastifyError).statusCode;
  if (status !== undefined && status < 500) return { error: new TroupeError('BAD_REQUEST', error.message), status };
  settings.onDefect?.(error);
  return { error: new TroupeError('INTERNAL', 'the request met a defect') };
}

function answerError(reply: FastifyReply, { error, status }: { error: TroupeError; status?: number }): void {
  void reply.code(status ?? statusOf(error.code)).send(errorBody(error));
}

function errorBody({ code, message, hint, retryable, reason, location }: TroupeError): object {
  return {
    error: {
      code, message, hint, retryable,
      ...(reason === undefined ? {} : { reason }),
      ...(location === undefined ? {} : { location }),
    },
  };
}

function statusOf(code: ErrorCode): number {
  switch (code) {
    case 'BAD_REQUEST':
    case 'BAD_ADDRESS': return 400;
    case 'UNAUTHENTICATED': return 401;
    case 'FORBIDDEN':
    case 'ORIGIN_REFUSED': return 403;
    case 'UNKNOWN_ACTOR_TYPE': return 404;
    case 'STATE_INCOMPATIBLE': return 409;
    case 'BUNDLE_TOO_LARGE': return 413;
    case 'BUNDLE_INVALID': return 422;
    case 'NOT_READY':
    case 'STORE_UNAVAILABLE':
    case 'OVERLOADED': return 503;
    default: return 500;
  }
}
