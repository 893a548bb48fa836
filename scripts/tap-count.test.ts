import t from 'tap';

import { countTap } from './tap-count.ts';

t.test('leaves count, summaries do not', async (t) => {
  const text = [
    'TAP version 14',
    '# Subtest: runtime/a.test.ts',
    '    # Subtest: inner',
    '        ok 1 - one',
    '        ok 2 - two',
    '        1..2',
    '    ok 1 - inner # time=1ms',
    '    ok 2 - three',
    '    1..2',
    'ok 1 - runtime/a.test.ts # time=20ms',
    '1..1',
  ].join('\n');
  t.strictSame(countTap(text), { passed: 3, failed: 0, skipped: 0 });
});

t.test('a failed assertion counts once, not again for what contains it', async (t) => {
  const text = ['    ok 1 - one', '    not ok 2 - two', '      ---', '      diff: |', '        ok 1 - no test point', '      ...', '    1..2', 'not ok 1 - file'].join('\n');
  t.strictSame(countTap(text), { passed: 1, failed: 1, skipped: 0 });
});

t.test('a file that crashed after good assertions counts as failed', async (t) => {
  t.strictSame(countTap(['    ok 1 - one', '    1..1', 'not ok 1 - file # exitCode=1'].join('\n')), { passed: 1, failed: 1, skipped: 0 });
  t.strictSame(countTap('not ok 1 - file # no tests found'), { passed: 0, failed: 1, skipped: 0 });
});

t.test('skipped and todo are neither', async (t) => {
  t.strictSame(countTap('ok 1 - a # SKIP no disk\nnot ok 2 - b # TODO\nok 3 - c'), { passed: 1, failed: 0, skipped: 2 });
});

t.test('a run that gave up is not a pass', async (t) => {
  t.strictSame(countTap('ok 1 - a\nBail out! no more'), { passed: 1, failed: 1, skipped: 0 });
});
