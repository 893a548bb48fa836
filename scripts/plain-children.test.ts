import { execFileSync, spawnSync } from 'node:child_process';

import t from 'tap';

t.test('a process that a test starts runs as it does in life, without the loader of the test runner', async (t) => {
  const says = 'Object.keys(process.env).filter((name) => /^NODE_OPTIONS$|PROCESSINFO/.test(name)).join() || "plain"';
  t.equal(execFileSync(process.execPath, ['-p', says], { encoding: 'utf8' }), 'plain\n');
  t.equal(spawnSync(process.execPath, ['-p', says], { encoding: 'utf8', env: { PATH: process.env['PATH'] } }).stdout, 'plain\n');
});
