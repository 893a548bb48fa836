/** What the author's guide says in numbers and names is what the code says. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import t from 'tap';

import { catalogue, isErrorCode } from '../codec/errors.ts';
import { limits } from '../limits.ts';

const docs = join(import.meta.dirname, '..', '..', 'docs');
const guide = readFileSync(join(docs, 'BEHAVIORS.md'), 'utf8');

t.test('limits', async (t) => {
  const rows = [...guide.matchAll(/\(`(\w+)`\) \| (\d+)/g)];
  t.ok(rows.length >= 14, 'the table is found');
  for (const [, name = '', value] of rows) t.equal(Number(value), (limits as Record<string, unknown>)[name], name);
});

t.test('errors', async (t) => {
  const pages = new Set([...guide.matchAll(/errors\/(\w+)\.md/g)].map(([, code]) => code!));
  for (const code of pages) {
    t.ok(isErrorCode(code), code);
    t.ok(existsSync(join(docs, 'errors', `${code}.md`)), `${code}.md`);
  }
  const authors = Object.keys(catalogue).filter((code) => /^(BAD_(EVENT|STATE|REPLY|OUTPUT)|BEHAVIOR_|BUNDLE_(INVALID|TOO)|STATE_|MIGRATION_|SCENARIO_)/.test(code));
  for (const code of authors) t.ok(pages.has(code), `the guide explains ${code}`);
});
