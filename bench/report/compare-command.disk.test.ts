import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import t from 'tap';

import { benchCompare } from './compare-command.ts';
import { sampleReport, type SampleCase } from './testing/sample.ts';

const ours: SampleCase = { subject: 'embedded', load: '64x16', speed: 40_000 };

function file(directory: string, name: string, content: unknown): string {
  const path = join(directory, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

t.test('exit codes: nothing worse, something worse, cannot be compared', async (t) => {
  const directory = t.testdir();
  const [out, err] = [t.capture(process.stdout, 'write', () => true), t.capture(process.stderr, 'write', () => true)];
  const run = async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    const code = await benchCompare(args);
    const text = (calls: { args: unknown[] }[]): string => calls.map((call) => String(call.args[0])).join('');
    return { code, out: text(out()), err: text(err()) };
  };
  const fast = file(directory, 'fast.json', sampleReport({ cases: [ours], noise: 0 }));
  const slow = file(directory, 'slow.json', sampleReport({ cases: [{ ...ours, speed: 34_000 }], noise: 0 }));
  const other = file(directory, 'other.json', sampleReport({ cases: [{ ...ours, load: '1x1' }] }));
  const broken = file(directory, 'broken.json', '{');
  const results = {
    same: await run(fast, fast), worse: await run(fast, slow), better: await run(slow, fast), tolerant: await run('--noise', '20', fast, slow), json: await run('--json', fast, slow), help: await run('--help'),
    other: await run(fast, other), broken: await run(fast, broken), missing: await run(fast, join(directory, 'none.json')), one: await run(fast), three: await run(fast, fast, fast), option: await run('--loud', fast, fast), noise: await run('--noise', 'some', fast, fast),
  };
  t.same(Object.fromEntries(Object.entries(results).map(([name, { code }]) => [name, code])), {
    same: 0, worse: 1, better: 0, tolerant: 0, json: 1, help: 0, other: 2, broken: 2, missing: 2, one: 2, three: 2, option: 2, noise: 2,
  });
  t.match(results.worse.out, /WORSE than before/);
  t.equal(results.worse.err, '');
  t.match(JSON.parse(results.json.out), { format: 'troupe-bench-comparison/1', cases: [{ id: 'counter/64x16/embedded', verdict: 'worse' }] });
  t.match(results.help.out, /Usage: troupe bench compare/);
  t.match(results.other.err, /no case is in both reports/);
  t.match(results.broken.err, /broken\.json: not JSON/);
  t.equal(results.broken.out, '', 'data alone goes to stdout');
});
