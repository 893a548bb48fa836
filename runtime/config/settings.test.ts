import { writeFileSync } from 'node:fs';
import path from 'node:path';

import t, { type Test } from 'tap';

import { TroupeError } from '../codec/errors.ts';
import { defaults, flagOf, settingNames, settingSpecs, variableOf } from './defaults.ts';
import { editDistance, nearest } from '../codec/nearest.ts';
import { isLoopback, loadSettings } from './settings.ts';

/** The message of the CONFIG_INVALID that this throws. */
function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof TroupeError && error.code === 'CONFIG_INVALID') return error.message;
    throw error;
  }
  return 'accepted';
}

function file(t: Test, content: unknown): string {
  const name = path.join(t.testdir(), 'troupe.json');
  writeFileSync(name, typeof content === 'string' ? content : JSON.stringify(content));
  return name;
}

t.test('defaults pass their own checks', async (t) => {
  t.strictSame(loadSettings({ flags: {}, env: {} }), defaults);
  for (const name of settingNames) t.strictSame(settingSpecs[name].schema.parse(settingSpecs[name].preset), settingSpecs[name].preset, name);
});

t.test('flags over variables over the file over defaults', async (t) => {
  const configFile = file(t, { port: 1, adminPort: 2, data: 'from-file' });
  const settings = loadSettings({ flags: { port: '3' }, env: { TROUPE_PORT: '4', TROUPE_ADMIN_PORT: '5', HOME: '/x' }, configFile });
  t.match(settings, { port: 3, adminPort: 5, data: 'from-file', host: '127.0.0.1' });
});

t.test('the forms of one name', async (t) => {
  t.equal(flagOf('requestsInFlightPerConnectionMax'), '--requests-in-flight-per-connection-max');
  t.equal(variableOf('requestsInFlightPerConnectionMax'), 'TROUPE_REQUESTS_IN_FLIGHT_PER_CONNECTION_MAX');
});

t.test('an unknown key names the nearest known one', async (t) => {
  t.match(refusal(() => loadSettings({ flags: {}, env: {}, configFile: file(t, { mailboxLenghtMax: 3 }) })), /"mailboxLenghtMax".*did you mean mailboxLengthMax/);
  t.match(refusal(() => loadSettings({ flags: {}, env: { TROUPE_PROT: '1' } })), /TROUPE_PROT.*did you mean TROUPE_PORT/);
  t.match(refusal(() => loadSettings({ flags: {}, env: { TROUPE_QQQQQQQQQQQQQQQQ: '1' } })), /is no setting$/);
  t.match(refusal(() => loadSettings({ flags: {}, env: {}, configFile: file(t, '{"__proto__": 1, "constructor": 2}') })), /is no setting/);
});

t.test('variables of the command line itself are known', async (t) => {
  const env = { TROUPE_URL: 'ws://x', TROUPE_TOKEN: 't', TROUPE_ADMIN: 'http://x', TROUPE_CONFIG: 'f' };
  t.strictSame(loadSettings({ flags: {}, env }), defaults);
});

t.test('wrong values are refused under the name they were written with', async (t) => {
  t.match(refusal(() => loadSettings({ flags: { port: 'abc' }, env: {} })), /--port is "abc"/);
  t.match(refusal(() => loadSettings({ flags: { port: '-1' }, env: {} })), /--port/);
  t.equal(refusal(() => loadSettings({ flags: { port: '70000' }, env: {} })), '--port is 70000: must be at most 65535');
  t.equal(refusal(() => loadSettings({ flags: { idlePingMs: '5' }, env: {} })), '--idle-ping-ms is 5: must be at least 100');
  t.equal(refusal(() => loadSettings({ flags: { auth: 'basic' }, env: {} })), '--auth is "basic": must be one of none, jwt');
  t.match(refusal(() => loadSettings({ flags: { keyAgeMaxMs: '9'.repeat(30) }, env: {} })), /must be/);
  t.match(refusal(() => loadSettings({ flags: {}, env: {}, configFile: file(t, { origin: 'https://a.example' }) })), /must be a list of texts$/);
  t.match(refusal(() => loadSettings({ flags: { port: '1e3' }, env: {} })), /whole number/);
  t.match(refusal(() => loadSettings({ flags: {}, env: { TROUPE_PORT: '65536' } })), /TROUPE_PORT is 65536/);
  t.match(refusal(() => loadSettings({ flags: {}, env: {}, configFile: file(t, { port: '7070' }) })), /"port" in .*troupe\.json/);
  t.match(refusal(() => loadSettings({ flags: {}, env: { TROUPE_SYNC: 'yes' } })), /true or false/);
  t.match(refusal(() => loadSettings({ flags: { buckets: '100' }, env: {} })), /power of two/);
  t.match(refusal(() => loadSettings({ flags: { journal: 'redis' }, env: {} })), /--journal/);
  t.match(refusal(() => loadSettings({ flags: { data: '' }, env: {} })), /--data.*empty/);
  // A namespace is the name of a folder in the cold tier.
  for (const namespace of ['', '.', '..', '-x', '_x', 'a/b', 'x'.repeat(65)]) t.match(refusal(() => loadSettings({ flags: { namespace }, env: {} })), /--namespace/, namespace);
  t.equal(refusal(() => loadSettings({ flags: { namespace: '0.a_b-c' }, env: {} })), 'accepted');
});

t.test('a mistake in a lower layer is not hidden by a flag that overrides it', async (t) => {
  t.match(refusal(() => loadSettings({ flags: { port: '1' }, env: { TROUPE_PORT: 'x' } })), /TROUPE_PORT/);
});

t.test('a file that is not one JSON object', async (t) => {
  for (const content of ['{', '[]', 'null', '"x"']) t.match(refusal(() => loadSettings({ flags: {}, env: {}, configFile: file(t, content) })), /troupe\.json/, content);
  t.match(refusal(() => loadSettings({ flags: {}, env: {}, configFile: '/nowhere/troupe.json' })), /cannot be read/);
});

t.test('without tokens a node listens on loopback alone', async (t) => {
  for (const flags of [{ host: '0.0.0.0' }, { adminHost: '::' }, { host: 'example.org' }, { host: '127.0.0.1.example.org' }]) {
    t.match(refusal(() => loadSettings({ flags, env: {} })), /needs --auth jwt/, JSON.stringify(flags));
  }
  t.equal(refusal(() => loadSettings({ flags: { host: '0.0.0.0', auth: 'jwt', authSecretFile: 'f' }, env: {} })), 'accepted');
  for (const host of ['localhost', '::1', '127.0.0.1', '127.9.9.9']) t.equal(isLoopback(host), true, host);
  for (const host of ['0.0.0.0', '::', '', '128.0.0.1', '127.0.0.1.evil.example']) t.equal(isLoopback(host), false, host);
});

t.test('what no setting can get wrong alone', async (t) => {
  t.match(refusal(() => loadSettings({ flags: { auth: 'jwt' }, env: {} })), /needs --auth-secret-file/);
  for (const name of ['authSecretFile', 'authPublicKeyFile', 'authJwksFile', 'authIssuer', 'authAudience', 'authScope']) {
    t.equal(refusal(() => loadSettings({ flags: { [name]: 'x' }, env: {} })), `${flagOf(name)} has no effect without --auth jwt`);
  }
  t.match(refusal(() => loadSettings({ flags: { auth: 'jwt', authSecretFile: 'a', authJwksFile: 'b' }, env: {} })), /only one of/);
  t.match(refusal(() => loadSettings({ flags: { mailboxLengthMax: '100', commandsWaitingMax: '99' }, env: {} })), /fill the node/);
  t.match(refusal(() => loadSettings({ flags: { mailboxLengthMax: '100' }, env: {} })), /twice over/);
  t.equal(refusal(() => loadSettings({ flags: { mailboxLengthMax: '100', requestsInFlightPerConnectionMax: '50' }, env: {} })), 'accepted');
  t.match(refusal(() => loadSettings({ flags: { frameBytesMax: '8388608' }, env: {} })), /before it can be paused/);
  t.match(refusal(() => loadSettings({ flags: { isolateMemoryMaxMib: '1024' }, env: {} })), /below --sandbox-rss/);
  t.match(refusal(() => loadSettings({ flags: { port: '9', adminPort: '9' }, env: {} })), /both 9/);
  t.equal(refusal(() => loadSettings({ flags: { port: '0', adminPort: '0' }, env: {} })), 'accepted');
  t.match(refusal(() => loadSettings({ flags: { origin: ['https://shop.example/'] }, env: {} })), /is not an origin/);
  t.match(refusal(() => loadSettings({ flags: { origin: ['*'] }, env: {} })), /needs --auth jwt/);
  t.match(refusal(() => loadSettings({ flags: { origin: ['shop.example'] }, env: {} })), /is not an origin/);
});

t.test('lists come from repeated flags, from commas, or from the file', async (t) => {
  t.strictSame(loadSettings({ flags: { origin: ['https://a.example', 'http://localhost:5173'] }, env: {} }).origin, ['https://a.example', 'http://localhost:5173']);
  t.strictSame(loadSettings({ flags: {}, env: { TROUPE_ORIGIN: 'https://a.example, https://b.example' } }).origin, ['https://a.example', 'https://b.example']);
  t.strictSame(loadSettings({ flags: {}, env: {}, configFile: file(t, { origin: ['https://c.example'] }) }).origin, ['https://c.example']);
});

t.test('nearest', async (t) => {
  t.equal(editDistance('kitten', 'sitting'), 3);
  t.equal(editDistance('', 'abc'), 3);
  t.equal(nearest('adminport', ['port', 'adminPort']), 'adminPort');
  t.equal(nearest('zzz', ['port', 'adminPort']), null);
  t.equal(nearest('shop.v1.Nope', ['shop.v1.Order', 'shop.v1.User']), null, 'the package is no likeness');
  t.equal(nearest('shop.v1.Ordre', ['shop.v1.User', 'shop.v1.Order']), 'shop.v1.Order');
  t.equal(nearest('shp.v1.Order', ['shop.v1.User', 'shop.v1.Order']), 'shop.v1.Order');
  t.equal(nearest('Add', ['Sub', 'Get']), null);
  t.equal(nearest('a'.repeat(101), ['a'.repeat(100)]), null, 'a load of text is not compared');
});
