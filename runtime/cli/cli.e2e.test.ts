/** The command line as a process, against a gateway and an admin port with a scripted engine behind them. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

import t from 'tap';

import { createAdmin } from '../admin/admin.ts';
import { createMetrics } from '../admin/metrics.ts';
import type { DeadLetters, RecordView } from '../actor/engine.ts';
import { TroupeError } from '../codec/errors.ts';
import { createAuthenticator } from '../gateway/auth.ts';
import { createGateway } from '../gateway/gateway.ts';
import { ScriptedEngine } from '../gateway/scripted.ts';

const program = path.join(import.meta.dirname, 'main.ts');
const shop = path.join(import.meta.dirname, '../../behaviors/shop');
const order = 'shop.v1.Order:o-1';

const engine = new ScriptedEngine();
const auth = await createAuthenticator({ kind: 'none' });
const gateway = createGateway({ engine, auth, host: '127.0.0.1', port: 0 });
const deadLetters: DeadLetters = {
  deadLetters: () => Promise.resolve({ letters: [], next: null, missing: [] }),
  retry: () => Promise.reject(new Error('there is none')),
  drop: () => Promise.reject(new Error('there is none')),
};
const admin = createAdmin({ engine, deadLetters, auth, host: '127.0.0.1', port: 0, metrics: createMetrics({}) });
const gatewayPort = (await gateway.listen()).port;
const adminPort = (await admin.listen()).port;
t.teardown(async () => {
  await gateway.close();
  await admin.close();
});

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const nodeVariables = { TROUPE_URL: `ws://127.0.0.1:${gatewayPort}`, TROUPE_ADMIN: `http://127.0.0.1:${adminPort}` };

async function troupe(args: string[], options: { stdin?: string; env?: Record<string, string> } = {}): Promise<Ran> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args], {
    env: { ...nodeVariables, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.stdin ?? '');
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

function recordOf(position: number, seq: number): RecordView {
  return {
    position, bucket: 1, epoch: 1, kind: 'DECISION', actor: order, firstSeq: seq, command: 'PlaceOrder', key: '', principal: '', nowMs: 0, bundle: 'ab12cd34ef', payload: {},
    events: [{ seq, name: 'OrderPlaced', body: {} }], sends: [], timers: [], links: [], broadcasts: [], linkTaken: null, cursor: null, incarnation: 'ab', addressee: '', cause: null, firing: null, resumes: 0, onReply: '', reply: {}, rejection: null, failure: null,
  };
}

t.test('send prints reply and seq on stdout, nothing on stderr', async (t) => {
  const ran = await troupe(['send', order, 'PlaceOrder', '{"userId":"u-1"}']);
  t.strictSame(ran, { code: 0, out: 'seq 1\n{\n  "userId": "u-1"\n}\n', err: '' });
  t.match(engine.submitted.at(-1), { to: order, name: 'PlaceOrder', body: '{"userId":"u-1"}', key: /.{8}/ });
});

t.test('send takes the body from stdin, a key, and answers in JSON', async (t) => {
  const ran = await troupe(['send', order, 'PayOrder', '-', '--key', 'pay-1', '--json'], { stdin: '{"amount": 7}' });
  t.strictSame(JSON.parse(ran.out), { seq: 2, reply: { amount: 7 }, key: 'pay-1' });
  t.equal(engine.submitted.at(-1)!.key, 'pay-1');
});

t.test('a rejection is exit code 1, with the behaviour\'s reason', async (t) => {
  engine.onCommand = (request) => {
    setImmediate(() => request.failed({ code: 'REJECTED', reason: 'OUT_OF_STOCK', message: 'only 1 left' }));
    return true;
  };
  t.teardown(() => (engine.onCommand = null));
  const plain = await troupe(['send', order, 'PlaceOrder']);
  t.strictSame([plain.code, plain.out], [1, '']);
  t.match(plain.err, /^error REJECTED \(OUT_OF_STOCK\): only 1 left\nhint: .*\nsee docs\/errors\/REJECTED\.md\n$/);
  const json = await troupe(['send', order, 'PlaceOrder', '--json']);
  t.match(JSON.parse(json.err), { error: { code: 'REJECTED', reason: 'OUT_OF_STOCK', retryable: false } });
});

t.test('wrong input is exit code 2, before anything is sent', async (t) => {
  const before = engine.submitted.length;
  for (const args of [['send', 'Order:1', 'X'], ['send', order], ['send', order, 'X', '{'], ['send', order, 'X', '[1]'], ['nothing'], ['send', order, 'X', '--deadline', 'soon'], ['get', order, '--url', 'http://x']]) {
    const ran = await troupe(args);
    t.equal(ran.code, 2, args.join(' '));
    t.match(ran.err, /^error [A-Z_]+: /, args.join(' '));
    t.equal(ran.out, '', args.join(' '));
  }
  t.equal(engine.submitted.length, before);
  t.match((await troupe(['send', order, 'X', '{'])).err, /\nhint: See `troupe send --help`/);
  t.match((await troupe(['events', order, '--from', 'x'])).err, /\nhint: See `troupe events --help`/);
  t.match(await troupe(['buckets', 'move', 'x', 'n1']), { code: 2, err: /\nhint: See `troupe buckets move --help`/ });
  t.match(await troupe(['nodes', 'drain', 'n1', '--off', '--wait']), { code: 2, err: /error CONFIG_INVALID[^]*`troupe nodes drain --help`/ });
  t.match((await troupe(['start', '--port', 'x'])).err, /\nhint: See `troupe start --help`/);
});

t.test('no node is exit code 3', async (t) => {
  const nobody = { TROUPE_URL: 'ws://127.0.0.1:1', TROUPE_ADMIN: 'http://127.0.0.1:1' };
  for (const args of [['get', order], ['send', order, 'X'], ['behaviors'], ['events', order], ['deploy', shop], ['nodes'], ['nodes', 'drain', 'n1', '--wait'], ['buckets'], ['buckets', 'plan'], ['buckets', 'move', '1', 'n1']]) {
    const ran = await troupe(args, { env: nobody });
    t.equal(ran.code, 3, args.join(' '));
    t.match(ran.err, /error UNREACHABLE: nothing answers at/, args.join(' '));
  }
});

t.test('what answers but is no node says so', async (t) => {
  const other = createServer((_request, response) => response.writeHead(404).end('<html>')).listen(0, '127.0.0.1');
  await once(other, 'listening');
  const ran = await troupe(['behaviors'], { env: { TROUPE_ADMIN: `http://127.0.0.1:${(other.address() as AddressInfo).port}` } });
  other.close();
  t.equal(ran.code, 3);
  t.match(ran.err, /is no admin port/);
  const mixedUp = await troupe(['behaviors'], { env: { TROUPE_ADMIN: `http://127.0.0.1:${gatewayPort}` } });
  t.equal(mixedUp.code, 2);
  t.match(mixedUp.err, /is the gateway of a node: this port speaks WebSocket\nhint: --admin is/);
  const swapped = await troupe(['get', order], { env: { TROUPE_URL: `ws://127.0.0.1:${adminPort}` } });
  t.equal(swapped.code, 3);
  t.match(swapped.err, /is the admin port of a node, not its gateway\nhint: --url is/);
  const foreign = await troupe(['get', order], { env: { TROUPE_URL: `ws://0.0.0.0:${gatewayPort}` } });
  t.equal(foreign.code, 4);
  t.match(foreign.err, /error FORBIDDEN: .*0\.0\.0\.0.*\nhint: Without tokens/);
});

t.test('get prints state and seq', async (t) => {
  t.equal((await troupe(['get', order, '--json'])).code, 0);
  t.type(JSON.parse((await troupe(['get', order, '--json'])).out).seq, 'number');
});

t.test('behaviors: table and JSON', async (t) => {
  engine.behaviorList = [{ type: 'shop.v1.Order', bundle: 'abcdef012345', foldHash: '', commands: ['PlaceOrder'], events: ['OrderPlaced'], quarantined: null }];
  t.match((await troupe(['behaviors'])).out, /^TYPE +BUNDLE +STATE +EVENTS +COMMANDS\nshop\.v1\.Order +abcdef01 +serving +1 +PlaceOrder\n$/);
  t.match(JSON.parse((await troupe(['behaviors', '--json'])).out), { type: 'shop.v1.Order' });
});

t.test('deploy packs and reports; a refusal is exit code 1 with file and line', async (t) => {
  const good = await troupe(['deploy', shop]);
  t.equal(good.code, 0, good.err);
  t.match(good.out, /shop\.v1\.Order {2}\S+ {2}in service/);
  engine.onDeploy = () => Promise.reject(new TroupeError('BUNDLE_INVALID', 'order.js does not compile', { location: 'order.js:3:1' }));
  const bad = await troupe(['deploy', shop]);
  t.equal(bad.code, 1);
  t.match(bad.err, /error BUNDLE_INVALID: order\.js does not compile\nat: order\.js:3:1\n/);
  const none = await troupe(['deploy', shop, t.testdir()]);
  t.equal(none.code, 1, 'a folder that is none is found before anything is sent');
  t.match(none.err, /troupe\.json: is missing[\s\S]*hint: Nothing was sent/);
  t.match(await troupe(['test', t.testdir()]), { code: 1, err: /\nhint: Nothing was sent/ });
});

t.test('events shows records; --follow goes on with new ones until interrupted', async (t) => {
  engine.recordList = [recordOf(1, 1)];
  const once1 = await troupe(['events', order]);
  t.match(once1.out, /PlaceOrder {2}bucket 1 position 1 {2}by anyone {2}bundle ab12cd34\n {2}seq 1 +OrderPlaced \{\}\n$/);
  const child = spawn(process.execPath, [program, 'events', order, '--follow', '--json'], { env: nodeVariables, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = child.stdout[Symbol.asyncIterator]();
  t.equal(JSON.parse(String((await lines.next()).value)).position, 1);
  engine.recordList = [recordOf(1, 1), recordOf(5, 3)];
  await troupe(['send', order, 'PlaceOrder', '{}']);
  t.equal(JSON.parse(String((await lines.next()).value)).position, 5);
  child.kill('SIGINT');
  await once(child, 'close');
});

t.test('events of an actor without any', async (t) => {
  engine.recordList = [];
  engine.behaviorList = [{ type: 'shop.v1.Order', bundle: 'ab', foldHash: '', commands: [], events: [], quarantined: null }];
  t.match(await troupe(['events', order]), { code: 0, out: '', err: /no records/ });
  t.match(await troupe(['events', 'shop.v1.Ordr:o-1']), { code: 1, out: '', err: /error UNKNOWN_ACTOR_TYPE: .*did you mean shop\.v1\.Order\?/ });
});

t.test('deploy --dry-run loads the code as a node does, without one', async (t) => {
  const nowhere = { env: { TROUPE_ADMIN: 'http://127.0.0.1:1' } };
  const good = await troupe(['deploy', shop, '--dry-run'], nowhere);
  t.match(good, { code: 0, out: /^order\.js$/m, err: /not checked: whether states that a node has stored can be read/ });
  const folder = t.testdir({
    'troupe.json': JSON.stringify({ name: 'x', modules: ['x.js'] }),
    'x.js': "import { defineActor } from 'troupe';\nexport default defineActor('x.v1.X', {\n  initialState: () => ({}),\n  decide: { Raise(state, command, ctx) { ctx.emit('Raisd', {}); } },\n  evolve: { Raised: (state) => state },\n});\n",
    proto: { 'x.proto': 'syntax = "proto3"; package x.v1; message XState {} message Raise {} message RaiseReply {} message Raised {} message XEvent { oneof event { Raised raised = 1; } } service XCommands { rpc Raise(x.v1.Raise) returns (RaiseReply); }' },
  });
  t.match(await troupe(['deploy', shop, folder, '--dry-run'], nowhere), { code: 1, out: '', err: /BUNDLE_INVALID.*x\.js:4:51.*has an event "Raisd"; did you mean Raised\?[^]*Nothing was sent/ });
});

t.test('the version', async (t) => {
  t.match(await troupe(['--version']), { code: 0, out: /^\d+\.\d+\.\d+\n$/, err: '' });
});

t.test('token mints what the node accepts', async (t) => {
  const folder = t.testdir();
  const secret = path.join(folder, 'secret.txt');
  writeFileSync(secret, `${'s'.repeat(40)}\n`);
  const ran = await troupe(['token', '--secret-file', secret, '--sub', 'alice', '--allow-admin', '--scope', 'shop', '--issuer', 'me']);
  t.equal(ran.code, 0, ran.err);
  const node = await createAuthenticator({ kind: 'jwt', secretFile: secret, issuer: 'me' });
  t.match(await node.identify(ran.out.trim()), { principal: 'alice', scopes: ['shop', 'troupe:admin'] });
  writeFileSync(secret, 'short');
  t.equal((await troupe(['token', '--secret-file', secret, '--sub', 'alice'])).code, 2);
  t.equal((await troupe(['token', '--secret-file', path.join(folder, 'none'), '--sub', 'alice'])).code, 2);
});

t.test('help is no failure', async (t) => {
  for (const args of [['--help'], ['start', '--help'], ['send', '--help']]) {
    const ran = await troupe(args);
    t.strictSame([ran.code, ran.err], [0, ''], args.join(' '));
  }
});
