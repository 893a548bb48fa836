import fc from 'fast-check';
import t from 'tap';

import { TroupeError } from '../codec/errors.ts';
import { limits } from '../limits.ts';
import { bundleHash, encodeBundle, manifestText, parseBundle, protoFiles } from './bundle.ts';

const files = (entries: Record<string, string> = {}): Map<string, string> =>
  new Map(Object.entries({ 'troupe.json': manifestText('shop', ['order.js']), 'order.js': 'code', 'proto/a.proto': 'schema', ...entries }));

function codeOf(action: () => unknown): string {
  try {
    action();
    return 'accepted';
  } catch (error) {
    return error instanceof TroupeError ? error.code : String(error);
  }
}

t.test('the bytes are canonical and golden', async (t) => {
  const content = encodeBundle(new Map([...files()].reverse()));
  t.equal(
    content.toString(),
    '{"format":1,"files":{"order.js":"code","proto/a.proto":"schema","troupe.json":"{\\"name\\":\\"shop\\",\\"modules\\":[\\"order.js\\"]}"}}',
  );
  t.equal(bundleHash(content), '1a30f15a29ed92fa2c4dd0426c194352fb7abae4088384faf5631b25fcbf16f4');
});

t.test('what was encoded is read back', async (t) => {
  const content = encodeBundle(files());
  const bundle = parseBundle(content);
  t.equal(bundle.name, 'shop');
  t.strictSame(bundle.modules, ['order.js']);
  t.equal(bundle.hash, bundleHash(content));
  t.strictSame([...protoFiles(bundle)], [['a.proto', 'schema']]);
});

t.test('any texts survive', async () => {
  const segment = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,8}$/);
  const path = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => `${parts.join('/')}.js`);
  fc.assert(
    fc.property(fc.dictionary(path, fc.string({ unit: 'grapheme' })), (extra) => {
      const before = files(extra);
      const content = encodeBundle(before);
      const after = parseBundle(content).files;
      return after.size === before.size && [...before].every(([name, text]) => after.get(name) === text) && encodeBundle(after).equals(content);
    }),
    { numRuns: 100 },
  );
});

t.test('content that is not exactly canonical is refused', async (t) => {
  const text = encodeBundle(files()).toString();
  for (const wrong of [
    '', '[]', 'null', '{}', `${text} `, ` ${text}`, text.replace('"format":1', '"format":2'), text.replace('{"format":1,', '{"format":1,"x":1,'),
    text.replace('"order.js":"code","proto/a.proto":"schema"', '"proto/a.proto":"schema","order.js":"code"'),
    text.replace('"code"', '"c\\u006fde"'), text.replace('"code"', '1'), text.replace('"files":{', '"files":[').replace(/\}\}$/, ']}'),
    text.replace('"order.js":"code"', '"order.js":"code","order.js":"code"'), `\ufeff${text}`,
  ]) {
    t.equal(codeOf(() => parseBundle(Buffer.from(wrong))), 'BUNDLE_INVALID', wrong.slice(0, 60));
  }
  t.equal(codeOf(() => parseBundle(Buffer.concat([Buffer.from(text.slice(0, 50)), Buffer.of(0xff), Buffer.from(text.slice(50))]))), 'BUNDLE_INVALID');
});

t.test('paths that lead elsewhere or are of no known kind are refused', async (t) => {
  for (const path of [
    '../a.js', '/a.js', 'a/../b.js', './a.js', 'a//b.js', 'a/.js', '.a.js', '', 'a\\b.js', 'a\0.js', 'a b.js', 'ä.js', `${'a'.repeat(300)}.js`,
    'a.json', 'a.ts', 'a', 'a.proto', 'proto/a.js', 'proto/../a.proto', '__proto__',
  ]) {
    t.equal(codeOf(() => encodeBundle(files({ [path]: '' }))), 'BUNDLE_INVALID', JSON.stringify(path));
  }
});

t.test('the manifest names modules that are there, once', async (t) => {
  const withManifest = (text: string): string => codeOf(() => encodeBundle(files({ 'troupe.json': text })));
  t.equal(withManifest(manifestText('shop', ['order.js'])), 'accepted');
  for (const wrong of [
    '{', '[]', '{}', '{"name":"shop"}', '{"name":"shop","modules":[]}', '{"name":"shop","modules":[1]}', '{"name":"shop","modules":"order.js"}',
    '{"name":"Shop","modules":["order.js"]}', '{"name":"","modules":["order.js"]}', '{"name":"shop","modules":["order.js"],"proto":[]}',
    '{"name":"shop","modules":["gone.js"]}', '{"name":"shop","modules":["order.js","order.js"]}', '{"name":"shop","modules":["proto/a.proto"]}',
  ]) {
    t.equal(withManifest(wrong), 'BUNDLE_INVALID', wrong);
  }
  t.equal(codeOf(() => encodeBundle(new Map([['order.js', '']]))), 'BUNDLE_INVALID', 'no manifest');
});

t.test('half a surrogate pair is refused: its bytes would not be the text', async (t) => {
  t.equal(codeOf(() => encodeBundle(files({ 'a.js': '\ud800' }))), 'BUNDLE_INVALID');
});

t.test('bytes and files are bounded', async (t) => {
  t.equal(codeOf(() => encodeBundle(files({ 'a.js': 'x'.repeat(limits.bundleBytesMax) }))), 'BUNDLE_TOO_LARGE');
  t.equal(codeOf(() => parseBundle(Buffer.alloc(limits.bundleBytesMax + 1))), 'BUNDLE_TOO_LARGE');
  const many = Object.fromEntries(Array.from({ length: limits.bundleFilesMax }, (_, i) => [`m${i}.js`, '']));
  t.equal(codeOf(() => encodeBundle(files(many))), 'BUNDLE_TOO_LARGE');
});
