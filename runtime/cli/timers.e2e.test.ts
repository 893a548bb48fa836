/** `troupe timers` as a process, against the admin port of a real engine. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

import t from 'tap';

import { clock, startClock } from '../actor/testing/timer-actor.ts';
import { createAdmin } from '../admin/admin.ts';
import { createMetrics } from '../admin/metrics.ts';
import { createAuthenticator } from '../gateway/auth.ts';

t.setTimeout(1_200_000);

const program = path.join(import.meta.dirname, 'main.ts');

t.test('listed as a table, and as JSON', async (t) => {
  const rig = await startClock();
  t.teardown(() => rig.close());
  const { engine } = rig;
  const admin = createAdmin({ engine, timers: engine.messages.pending, auth: await createAuthenticator({ kind: 'none' }), host: '127.0.0.1', port: 0, metrics: createMetrics({}) });
  const { port } = await admin.listen();
  t.teardown(() => admin.close());
  const troupe = async (...args: string[]): Promise<{ code: number | null; out: string; err: string }> => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args], { env: { TROUPE_ADMIN: `http://127.0.0.1:${port}` }, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out, err };
  };

  t.strictSame(await troupe('timers', clock('a')), { code: 0, out: '', err: `no timer of ${clock('a')} is armed\n` });
  await rig.arm('a', 'once', { in: 7_500_000, word: 'x' });
  await rig.arm('a', 'again', { in: 3_800_000, every: 60_000 });
  await rig.arm('a', 'daily', { cron: '0 9 * * 1-5', zone: 'Europe/Berlin' });
  const { code, out } = await troupe('timers', clock('a'));
  t.equal(code, 0);
  const lines = out.trim().split('\n');
  t.equal(lines.length, 4);
  t.match(lines.find((line) => line.startsWith('again')), /^again +\d{4}-\d\d-\d\dT[\d:.]+Z +in 1 h +every 60000 ms +Sound +\{/);
  t.match(lines.find((line) => line.startsWith('once')), /in 2 h +- +Sound +\{"word":"x"\}/);
  t.match(lines.find((line) => line.startsWith('daily')), /0 9 \* \* 1-5 Europe\/Berlin +Sound/);
  const listed = await troupe('timers', clock('a'), '--json');
  t.same(listed.out.trim().split('\n').map((line) => JSON.parse(line) as unknown), await engine.messages.pending.pendingTimers(clock('a')));
  t.match(await troupe('timers', 'nonsense'), { code: 2 });
  t.match(await troupe('timers', clock('a').replace(':', 'x:')), { code: 1, out: '', err: /error UNKNOWN_ACTOR_TYPE: .*did you mean/ });
});
