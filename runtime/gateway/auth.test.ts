/** Who gets in: tokens, origins, hosts, subprotocols, and the settings that are refused. */

import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SignJWT } from 'jose';
import t from 'tap';

import { createAuthenticator } from './auth.ts';
import type { JwtAuth } from './auth.ts';
import { createGateway } from './gateway.ts';
import { isLoopbackHostHeader } from './loopback.ts';
import { ManualClock, rawSocket, serverFrames, startRig, until } from './rig.ts';
import { ScriptedEngine } from './scripted.ts';

const folder = mkdtempSync(join(tmpdir(), 'troupe-auth-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

const secret = Buffer.from('a-secret-of-more-than-32-bytes-in-all');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const ed = generateKeyPairSync('ed25519');
const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }) as string;
const secretFile = file('secret', `${secret.toString()}\n`);
const rsaFile = file('rsa.pem', pem(rsa.publicKey));
const keySet = { keys: [{ ...rsa.publicKey.export({ format: 'jwk' }), kid: 'r', alg: 'RS256' }, { ...ec.publicKey.export({ format: 'jwk' }), kid: 'e', alg: 'ES256' }] };
const jwksFile = file('jwks.json', JSON.stringify(keySet));

interface Claims { sub?: string; exp?: number | string | null; iss?: string; aud?: string; nbf?: number; scope?: unknown }

function sign(alg: string, key: KeyObject | Uint8Array, claims: Claims = {}, kid?: string): Promise<string> {
  const { sub = 'ann', exp = '1h', iss, aud, nbf, scope } = claims;
  const jwt = new SignJWT(scope === undefined ? {} : { scope }).setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) });
  if (sub !== '-') jwt.setSubject(sub);
  if (exp !== null) jwt.setExpirationTime(exp);
  if (iss !== undefined) jwt.setIssuer(iss);
  if (aud !== undefined) jwt.setAudience(aud);
  if (nbf !== undefined) jwt.setNotBefore(nbf);
  return jwt.sign(key);
}

/** How `talk` fails when the handshake is answered with 403. */
const forbidden = { status: 403 } as unknown as Error;
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const inAnHour = Math.floor(Date.now() / 1_000) + 3_600;
const jwt = (settings: Omit<JwtAuth, 'kind'>) => createAuthenticator({ kind: 'jwt', ...settings });

t.test('tokens that are taken', async (t) => {
  const bySecret = await jwt({ secretFile });
  t.match(await bySecret.identify(await sign('HS256', secret, { scope: 'a troupe:admin' })), { principal: 'ann', scopes: ['a', 'troupe:admin'] });
  t.match(await bySecret.identify(await sign('HS256', secret, { exp: inAnHour })), { expiresAtMs: inAnHour * 1_000, scopes: [] });
  t.match(await (await jwt({ publicKeyFile: rsaFile })).identify(await sign('RS256', rsa.privateKey)), { principal: 'ann' });
  t.match(await (await jwt({ publicKeyFile: rsaFile })).identify(await sign('PS256', rsa.privateKey)), { principal: 'ann' });
  t.match(await (await jwt({ publicKeyFile: file('ec.pem', pem(ec.publicKey)) })).identify(await sign('ES256', ec.privateKey)), { principal: 'ann' });
  t.match(await (await jwt({ publicKeyFile: file('ed.pem', pem(ed.publicKey)) })).identify(await sign('EdDSA', ed.privateKey)), { principal: 'ann' });
  const bySet = await jwt({ jwksFile });
  t.match(await bySet.identify(await sign('RS256', rsa.privateKey, {}, 'r')), { principal: 'ann' });
  t.match(await bySet.identify(await sign('ES256', ec.privateKey, {}, 'e')), { principal: 'ann' });
  const strict = await jwt({ secretFile, issuer: 'me', audience: 'troupe' });
  t.match(await strict.identify(await sign('HS256', secret, { iss: 'me', aud: 'troupe' })), { principal: 'ann' });
});

t.test('tokens that are not', async (t) => {
  const bySecret = await jwt({ secretFile });
  const byKey = await jwt({ publicKeyFile: rsaFile });
  const bySet = await jwt({ jwksFile });
  const strict = await jwt({ secretFile, issuer: 'me', audience: 'troupe' });
  const good = await sign('HS256', secret);
  const unsigned = `${part({ alg: 'none' })}.${part({ sub: 'ann', exp: inAnHour })}.`;
  // The public key, which everybody may know, used as if it were a shared secret.
  const confusedBody = `${part({ alg: 'HS256' })}.${part({ sub: 'ann', exp: inAnHour })}`;
  const confused = (key: string) => `${confusedBody}.${createHmac('sha256', key).update(confusedBody).digest('base64url')}`;
  const cases: [string, typeof bySecret, string | null][] = [
    ['none at all', bySecret, null], ['empty', bySecret, ''], ['noise', bySecret, 'abc'], ['noise in three parts', bySecret, 'a.b.c'],
    ['unsigned', bySecret, unsigned], ['unsigned', byKey, unsigned], ['unsigned', bySet, unsigned],
    ['public key as secret', byKey, confused(pem(rsa.publicKey))],
    ['public key as secret, set', bySet, confused(pem(rsa.publicKey))],
    ['HS512 with the right secret', bySecret, await sign('HS512', secret)],
    ['another secret', bySecret, await sign('HS256', Buffer.from('another-secret-of-more-than-32-bytes'))],
    ['another key', byKey, await sign('RS256', otherRsa.privateKey)],
    ['another key under a known id', bySet, await sign('RS256', otherRsa.privateKey, {}, 'r')],
    ['an unknown key id', bySet, await sign('RS256', rsa.privateKey, {}, 'x')],
    ['signature cut', bySecret, good.slice(0, -2)],
    ['claims changed', bySecret, good.replace(/\.[^.]+\./, `.${part({ sub: 'root', exp: inAnHour })}.`)],
    ['expired', bySecret, await sign('HS256', secret, { exp: Math.floor(Date.now() / 1_000) - 60 })],
    ['without expiry', bySecret, await sign('HS256', secret, { exp: null })],
    ['not yet valid', bySecret, await sign('HS256', secret, { nbf: inAnHour })],
    ['without subject', bySecret, await sign('HS256', secret, { sub: '-' })],
    ['empty subject', bySecret, await sign('HS256', secret, { sub: '' })],
    ['long subject', bySecret, await sign('HS256', secret, { sub: 'x'.repeat(257) })],
    ['subject with a line break', bySecret, await sign('HS256', secret, { sub: 'a\nb' })],
    ['another issuer', strict, await sign('HS256', secret, { iss: 'you', aud: 'troupe' })],
    ['another audience', strict, await sign('HS256', secret, { iss: 'me', aud: 'other' })],
    ['no issuer', strict, good],
  ];
  for (const [label, authenticator, token] of cases) {
    await t.rejects(authenticator.identify(token), { code: 'UNAUTHENTICATED' }, label);
  }
  const said = (label: string) => {
    const [, authenticator, token] = cases.find(([name]) => name === label)!;
    return authenticator.identify(token).then(() => 'accepted', (error: Error) => error.message);
  };
  for (const [label, what] of [
    ['noise', /is not a JWT$/], ['noise in three parts', /is not a JWT$/], ['unsigned', /algorithm/], ['another secret', /signature is wrong/],
    ['an unknown key id', /no key of the key set/], ['expired', /has expired$/], ['without expiry', /its exp is missing$/],
    ['not yet valid', /not valid yet/], ['another issuer', /its iss is not the one/], ['no issuer', /its iss is missing$/],
  ] as const) t.match(await said(label), what, label);
  t.notMatch(await bySecret.identify(good.slice(0, -2)).catch((error: Error) => error.message), good.slice(0, 20), 'a token is not repeated in a message');
});

t.test('keys that are not usable', async (t) => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1_024 });
  const cases: [string, Omit<JwtAuth, 'kind'>][] = [
    ['no key', {}], ['two keys', { secretFile, jwksFile }], ['no such file', { secretFile: join(folder, 'nope') }],
    ['short secret', { secretFile: file('short', 'x'.repeat(31)) }],
    ['PEM as secret', { secretFile: rsaFile }],
    ['private key', { publicKeyFile: file('private.pem', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string) }],
    ['no PEM', { publicKeyFile: secretFile }],
    ['small RSA key', { publicKeyFile: file('small.pem', pem(small.publicKey)) }],
    ['set that is not JSON', { jwksFile: secretFile }], ['empty set', { jwksFile: file('empty.json', '{"keys":[]}') }],
    ['set with a secret', { jwksFile: file('oct.json', JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0' }] })) }],
    ['set with a private key', { jwksFile: file('priv.json', JSON.stringify({ keys: [rsa.privateKey.export({ format: 'jwk' })] })) }],
  ];
  for (const [label, settings] of cases) await t.rejects(jwt(settings), { code: 'CONFIG_INVALID' }, label);
  t.ok(createPublicKey(rsa.privateKey), 'a private key would have worked, if it were not refused');
});

t.test('where a gateway may listen without tokens', async (t) => {
  const none = await createAuthenticator({ kind: 'none' });
  const tokens = await jwt({ secretFile });
  const make = (host: string, auth = none, origins: string[] = []) => () => createGateway({ engine: new ScriptedEngine(), host, port: 0, auth, origins });
  for (const host of ['127.0.0.1', '127.8.9.1', '::1', 'localhost']) t.doesNotThrow(make(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example', 'example.org', '']) {
    t.throws(make(host), { code: 'CONFIG_INVALID' }, host);
    t.doesNotThrow(make(host, tokens), host);
  }
  t.throws(make('127.0.0.1', none, ['*']), { code: 'CONFIG_INVALID' });
  t.doesNotThrow(make('127.0.0.1', tokens, ['*']));
});

t.test('origins and hosts', async (t) => {
  const open = await startRig(t, { origins: ['https://app.example'] });
  const tokens = await startRig(t, { origins: ['*'], auth: { kind: 'jwt', secretFile } });
  const protocols = ['troupe.v1.json', `troupe.bearer.${await sign('HS256', secret)}`];
  const get = '{"id":"1","get":"a.B:1"}';
  t.match(await (await open.talk([], { origin: 'https://app.example' })).ask(get), { ok: true });
  for (const origin of ['https://evil.example', 'https://app.example.evil.example', 'http://app.example', 'null', `http://127.0.0.1:${open.port}`]) {
    await t.rejects(open.talk([], { origin }), forbidden, origin);
  }
  t.match(await (await tokens.talk(protocols, { origin: 'https://any.example' })).ask(get), { ok: true });
  for (const host of ['localhost', 'LOCALHOST:7070', '127.0.0.1', '[::1]:7070']) {
    t.match(await (await open.talk([], { headers: { host } })).ask(get), { ok: true }, host);
  }
  for (const host of ['evil.example', 'localhost.evil.example:7070', '10.0.0.1', '127.0.0.1.evil.example']) {
    await t.rejects(open.talk([], { headers: { host } }), forbidden, host);
  }
  t.match(await (await tokens.talk(protocols, { headers: { host: 'node.example' } })).ask(get), { ok: true }, 'with tokens any host');
  t.ok(open.gateway.stats.connectionsRefused >= 9);
  for (const header of [undefined, '', ':', 'localhost:', 'local host', '[::1', '::1']) t.notOk(isLoopbackHostHeader(header), String(header));
});

t.test('tokens and subprotocols of a connection', async (t) => {
  const rig = await startRig(t, { auth: { kind: 'jwt', secretFile } });
  const token = await sign('HS256', secret, { sub: 'bob' });
  const headers = { authorization: `Bearer ${token}` };
  const send = '{"id":"1","to":"a.B:1","command":"Do"}';
  t.match(await (await rig.talk([], { headers })).ask(send), { ok: true });
  t.equal(rig.engine.submitted[0]!.principal, 'bob');
  const bySubprotocol = await rig.talk([`troupe.bearer.${token}`, 'troupe.v1.json']);
  t.equal(bySubprotocol.socket.protocol, 'troupe.v1.json', 'the token is never confirmed');
  t.match(await bySubprotocol.ask(send), { ok: true });
  t.equal((await rig.talk(['other', 'troupe.v1.proto', 'troupe.v1.json'], { headers })).socket.protocol, 'troupe.v1.proto', 'the first we speak');

  for (const bad of [{}, { headers: { authorization: 'Bearer nonsense' } }, { headers: { authorization: `Basic ${token}` } }]) {
    const talker = await rig.talk([], bad);
    talker.socket.send(send);
    t.match(await talker.closed, { code: 4401 });
    t.equal(talker.frames.length, 0);
  }
  t.equal(rig.engine.submitted.length, 2, 'nothing of them reached the engine');
  // A client may refuse a handshake that confirms nothing of what it offered; one that does not is told by the code.
  await t.rejects(rig.talk(['other'], { headers }), /subprotocol/i);
});

t.test('an unknown subprotocol is told by its code', async (t) => {
  const rig = await startRig(t);
  const raw = await rawSocket(rig.port, 'other.v9');
  await raw.closed;
  t.equal(serverFrames(raw.received())[0]!.payload.readUInt16BE(0), 4406);
});

t.test('a scope that the gateway asks for', async (t) => {
  const rig = await startRig(t, { auth: { kind: 'jwt', secretFile, scope: 'troupe:send' } });
  const headers = async (scope: string) => ({ headers: { authorization: `Bearer ${await sign('HS256', secret, { scope })}` } });
  t.match(await (await rig.talk([], await headers('troupe:send x'))).ask('{"id":"1","get":"a.B:1"}'), { ok: true });
  t.match(await (await rig.talk([], await headers('troupe:sender'))).closed, { code: 4403 });
});

t.test('a token that expires ends its connection', async (t) => {
  const clock = new ManualClock();
  const rig = await startRig(t, { auth: { kind: 'jwt', secretFile }, clock, limits: { idlePingMs: 1_000_000 } });
  const expires = Math.floor(clock.wallNow() / 1_000) + 100;
  const headers = { authorization: `Bearer ${await sign('HS256', secret, { exp: expires })}` };
  const talker = await rig.talk([], { headers });
  clock.advance(98_000);
  t.match(await talker.ask('{"id":"1","get":"a.B:1"}'), { ok: true }, 'good until then');
  clock.advance(3_000);
  t.match(await talker.closed, { code: 4401, reason: /expired/ });
  await until(() => rig.gateway.stats.connections === 0);
  clock.advance(10_000);
  t.match(await (await rig.talk([], { headers })).closed, { code: 4401 }, 'and it opens no other');
});
