import { request } from 'node:http';
import type { OutgoingHttpHeaders } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SignJWT } from 'jose';
import t from 'tap';

import { TroupeError } from '../codec/errors.ts';
import { createAuthenticator } from '../gateway/auth.ts';
import type { Authenticator } from '../gateway/auth.ts';
import { newStats } from '../gateway/settings.ts';
import { ScriptedEngine } from '../gateway/scripted.ts';
import { BUNDLE_MEDIA_TYPE, createAdmin } from './admin.ts';
import { createMetrics } from './metrics.ts';

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly json: any;
}

function ask(port: number, method: string, path: string, headers: OutgoingHttpHeaders = {}, body?: Buffer | string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = response.headers['content-type']?.includes('json') ?? false;
        resolve({ status: response.statusCode!, text, json: isJson ? JSON.parse(text) : null });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function start(engine: ScriptedEngine, auth?: Authenticator, bundleBytesMax = 1_000) {
  const stats = newStats();
  stats.commands = 41;
  const refused: string[] = [];
  const metrics = createMetrics({
    durability: () => 'disk', version: '1.2.3', isReady: () => engine.readiness === null,
    gateway: () => stats, engine: () => ({ activations: 7 }),
    journal: () => ({ records: 1, hotBytes: 2, coldBytes: 3, segments: 4, appendsInFlight: 5, syncs: 6 }),
  });
  const admin = createAdmin({
    engine, host: '127.0.0.1', port: 0, auth: auth ?? await createAuthenticator({ kind: 'none' }), metrics, bundleBytesMax,
    onRefused: (error) => refused.push(error.code),
  });
  const { port } = await admin.listen();
  return { admin, port, stats, metrics, refused };
}

t.test('health, metrics and views', async (t) => {
  const engine = new ScriptedEngine();
  const { admin, port, stats, metrics } = await start(engine);
  t.teardown(() => admin.close());

  t.match(await ask(port, 'GET', '/live'), { status: 200, json: { live: true } });
  t.match(await ask(port, 'GET', '/ready'), { status: 200, json: { ready: true } });
  engine.readiness = 'folding buckets';
  t.match(await ask(port, 'GET', '/ready'), { status: 503, json: { error: { code: 'NOT_READY', message: 'folding buckets' } } });

  metrics.onCommandTime(3);
  const first = (await ask(port, 'GET', '/metrics')).text;
  t.match(first, /^troupe_gateway_commands_total 41$/m);
  t.match(first, /^troupe_engine_activations 7$/m);
  t.notMatch(first, /^troupe_engine_quarantined \d/m, 'what the engine does not tell is left out');
  t.match(first, /^troupe_journal_syncs_total 6$/m);
  t.match(first, /^troupe_journal_info\{durability="disk"\} 1$/m);
  t.match(first, /^troupe_ready 0$/m);
  t.match(first, /^troupe_gateway_command_seconds_count 1$/m);
  t.match(first, /^process_cpu_seconds_total /m);
  stats.commands = 43;
  stats.errors.set('NOT_READY', 2).set('OVERLOADED', 1);
  t.match((await ask(port, 'GET', '/metrics')).text, /^troupe_gateway_commands_total 43$/m, 'read anew at each scrape, not added up');
  for (let i = 0; i < 2; i++) t.match((await ask(port, 'GET', '/metrics')).text, /^troupe_gateway_errors_total\{code="NOT_READY"\} 2\ntroupe_gateway_errors_total\{code="OVERLOADED"\} 1$/m);

  engine.behaviorList = [{ type: 'shop.v1.Order', bundle: 'ab', foldHash: 'cd', commands: ['Place'], events: [], quarantined: null }];
  t.match((await ask(port, 'GET', '/v1/behaviors')).json, { behaviors: [{ type: 'shop.v1.Order', commands: ['Place'] }] });
  t.same((await ask(port, 'GET', '/v1/records?actor=shop.v1.Order:1&from=2&max=5')).json, { records: [] });
  for (const query of ['', '?from=1', '?actor=a.B:1&from=0', '?actor=a.B:1&from=x', '?actor=a.B:1&max=1001', '?actor=a.B:1&actor=a.B:2', '?actor=a.B:1&limit=2']) {
    t.match(await ask(port, 'GET', `/v1/records${query}`), { status: 400, json: { error: { code: 'BAD_REQUEST' } } }, query);
  }
  engine.recordsError = new TroupeError('BAD_ADDRESS', 'no colon');
  t.match(await ask(port, 'GET', '/v1/records?actor=nope'), { status: 400, json: { error: { code: 'BAD_ADDRESS' } } });
  engine.recordsError = new Error('secret detail');
  const defect = await ask(port, 'GET', '/v1/records?actor=nope');
  t.match(defect, { status: 500, json: { error: { code: 'INTERNAL' } } });
  t.notMatch(defect.text, /secret/, 'an unexpected error tells a client nothing of the inside');
  t.match(await ask(port, 'GET', '/nowhere'), { status: 404, json: { error: { code: 'BAD_REQUEST' } } });
});

t.test('links', async (t) => {
  const engine = new ScriptedEngine();
  const asked: unknown[] = [];
  const links = {
    linkedTo: async (...args: unknown[]) => {
      asked.push(args);
      return { count: 3, links: [{ actor: 'a.B:2', position: 7 }], next: 8 };
    },
    linksOf: async (actor: string) => [`of ${actor}`],
  };
  const { admin, port } = await start(Object.assign(engine, { links }));
  t.teardown(() => admin.close());
  t.strictSame((await ask(port, 'GET', '/v1/links?actor=a.B:1&from=5&max=2')).json, { count: 3, links: [{ actor: 'a.B:2', position: 7 }], next: 8 });
  t.strictSame((await ask(port, 'GET', '/v1/links?actor=a.B:1')).status, 200);
  t.strictSame(asked, [['a.B:1', 5, 2], ['a.B:1', 1, 100]]);
  t.strictSame((await ask(port, 'GET', '/v1/links/held?actor=a.B:1')).json, { links: ['of a.B:1'] });
  for (const query of ['links', 'links?actor=a.B:1&max=1001', 'links?actor=a.B:1&to=x', 'links/held', 'links/held?actor=a.B:1&from=1']) {
    t.match(await ask(port, 'GET', `/v1/${query}`), { status: 400, json: { error: { code: 'BAD_REQUEST' } } }, query);
  }
});

t.test('deploy', async (t) => {
  const engine = new ScriptedEngine();
  const { admin, port, refused } = await start(engine);
  t.teardown(() => admin.close());
  let deployed: Buffer = Buffer.alloc(0);
  engine.onDeploy = (content) => {
    deployed = content;
    return Promise.resolve({ bundle: 'ff', types: ['shop.v1.Order'], changed: true });
  };
  const typed = { 'content-type': BUNDLE_MEDIA_TYPE };
  t.match(await ask(port, 'POST', '/v1/bundles', typed, '{"files":{}}'), { status: 200, json: { bundle: 'ff', changed: true } });
  t.equal(deployed.toString(), '{"files":{}}', 'the bytes arrive as they were sent');

  for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
    t.match(await ask(port, 'POST', '/v1/bundles', { 'content-type': type }, '{}'), { status: 415, json: { error: { code: 'BAD_REQUEST' } } }, type);
  }
  t.match(await ask(port, 'POST', '/v1/bundles', {}), { status: 400, json: { error: { code: 'BAD_REQUEST' } } }, 'no body at all');
  t.match(await ask(port, 'POST', '/v1/bundles', typed, 'x'.repeat(1_001)), { status: 413, json: { error: { code: 'BUNDLE_TOO_LARGE' } } });
  engine.onDeploy = () => Promise.reject(new TroupeError('BUNDLE_INVALID', 'no', { location: 'order.js:3:4', reason: 'SYNTAX' }));
  t.match(await ask(port, 'POST', '/v1/bundles', typed, '{}'), {
    status: 422, json: { error: { code: 'BUNDLE_INVALID', location: 'order.js:3:4', reason: 'SYNTAX', hint: String } },
  });
  t.same(refused, ['BUNDLE_INVALID'], 'the node can log it');
});

t.test('without tokens: programs of this machine only', async (t) => {
  const { admin, port } = await start(new ScriptedEngine());
  t.teardown(() => admin.close());
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, 'LOCALHOST', '[::1]:7071', '127.3.4.5']) {
    t.match(await ask(port, 'GET', '/live', { host }), { status: 200 }, host);
  }
  for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', '[::2]', 'localhost:x']) {
    t.match(await ask(port, 'GET', '/live', { host }), { status: 403, json: { error: { code: 'FORBIDDEN', hint: /loopback names/ } } }, host);
  }
  for (const origin of ['http://evil.example', 'null', `http://127.0.0.1:${port}`]) {
    t.match(await ask(port, 'GET', '/live', { origin }), { status: 403, json: { error: { code: 'ORIGIN_REFUSED', hint: /gateway alone/ } } }, origin);
  }
  const auth = await createAuthenticator({ kind: 'none' });
  for (const host of ['0.0.0.0', '::', '192.168.1.1', 'node.example']) {
    t.throws(() => createAdmin({ engine: new ScriptedEngine(), host, port: 0, auth, metrics: createMetrics({}) }), { code: 'CONFIG_INVALID' }, host);
  }
});

t.test('with tokens: the scope troupe:admin', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-admin-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const secret = Buffer.from('0123456789abcdef0123456789abcdef');
  await writeFile(join(folder, 'secret'), secret);
  const auth = await createAuthenticator({ kind: 'jwt', secretFile: join(folder, 'secret') });
  const { admin, port } = await start(new ScriptedEngine(), auth);
  t.teardown(() => admin.close());
  const token = async (scope?: string) => {
    const claims = scope === undefined ? {} : { scope };
    const jwt = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setSubject('operator').setExpirationTime('1m').sign(secret);
    return { authorization: `Bearer ${jwt}` };
  };
  t.match(await ask(port, 'GET', '/live'), { status: 200 }, 'probes need no token');
  t.match(await ask(port, 'GET', '/ready'), { status: 200 });
  for (const path of ['/metrics', '/v1/behaviors', '/v1/records?actor=a.B:1', '/nowhere']) {
    t.match(await ask(port, 'GET', path), { status: 401, json: { error: { code: 'UNAUTHENTICATED' } } }, path);
  }
  t.match(await ask(port, 'GET', '/v1/behaviors', await token()), { status: 403, json: { error: { code: 'FORBIDDEN' } } });
  t.match(await ask(port, 'GET', '/v1/behaviors', await token('troupe:administrator other')), { status: 403 });
  t.match(await ask(port, 'GET', '/v1/behaviors', await token('other troupe:admin')), { status: 200 });
  t.match(await ask(port, 'GET', '/v1/behaviors', { ...(await token('troupe:admin')), host: 'node.example' }), { status: 200 }, 'any host with a token');
  t.match(await ask(port, 'GET', '/v1/behaviors', { ...(await token('troupe:admin')), origin: 'http://evil.example' }), { status: 403 });
  t.match(await ask(port, 'POST', '/v1/bundles', { 'content-type': BUNDLE_MEDIA_TYPE }, '{}'), { status: 401 });
});
