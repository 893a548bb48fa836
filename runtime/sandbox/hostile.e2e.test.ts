/** Every hostile behaviour ends in its own error, and the next good command of another actor works. */

import t from 'tap';

import { createSandboxPool } from './pool.ts';
import { STATUS_OK, STATUS_REJECTED } from './sandbox.ts';
import { bundle, counterBundle, Driver, json } from './testing/bundles.ts';
import { hostile, hostileModule, hostileProto, refused } from './testing/hostile.ts';

const COUNTER = 1;
t.setTimeout(1_200_000);

async function outcome(driver: Driver, bundleNumber: number): Promise<string> {
  try {
    const activated = await driver.activate(7, 'test.v1.Victim', 'v', bundleNumber);
    if (activated.error !== null) return `activation: ${activated.error.code}`;
    const body = '{"text":"x","parts":{"__proto__":{"n":1},"constructor":{"n":2}}}';
    const answer = await driver.decide(7, bundleNumber, 0, Buffer.from(body));
    if (answer.status === STATUS_OK) return 'OK';
    return answer.status === STATUS_REJECTED ? 'REJECTED' : `${answer.error!.code}`;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

function fits(found: string, code: string): boolean {
  const lost = ['BEHAVIOR_TIMEOUT', 'BEHAVIOR_MEMORY', 'SANDBOX_LOST'].includes(found);
  if (code === 'LOST') return lost;
  if (code === 'ANY') return lost || found === 'BEHAVIOR_ERROR' || found === 'BAD_REPLY' || found === 'OUTPUT_TOO_LARGE';
  if (code === 'BAD_REPLY_OR_EMPTY') return found === 'OK' || found === 'BAD_REPLY';
  return found === code;
}

t.test('hostile behaviours', async (t) => {
  t.setTimeout(1_200_000);
  const pool = createSandboxPool();
  const driver = new Driver(pool);
  await pool.start();
  await pool.install(COUNTER, counterBundle);
  let count = 0;
  let number = COUNTER;
  for (const item of hostile) {
    await pool.install(++number, bundle(hostileModule(item), hostileProto));
    const found = await outcome(driver, number);
    t.ok(fits(found, item.code), `${item.name}: ${found}, expected ${item.code}`);
    // A lost process takes every state with it; the engine brings it back from the log.
    await driver.activate(1, 'test.v1.Counter', 'good', COUNTER);
    const good = await driver.decide(1, COUNTER, 0, { amount: 1 });
    t.same(json(good), { count: 1 }, 'the next good command works');
    count++;
  }
  t.ok(count >= 60, `${count} snippets`);
  t.ok(pool.stat().losses > 0 && pool.stat().generation === pool.stat().losses + 1);
  await pool.close();
});

t.test('modules that are refused name file, line and column', async (t) => {
  t.setTimeout(1_200_000);
  const pool = createSandboxPool();
  await pool.start();
  for (const { name, module, at, reason } of refused) {
    const expected = { code: 'BUNDLE_INVALID', location: `actor.js:${at}`, message: reason ?? /./ };
    await t.rejects(pool.check(bundle(module, hostileProto)), expected, name);
  }
  await t.rejects(pool.check(bundle(`import { defineActor } from 'troupe';\nfor (;;);`, hostileProto)), { code: 'BUNDLE_INVALID' }, 'a loop at load');
  await t.rejects(pool.check(bundle(`const a = []; for (;;) a.push([a]);`, hostileProto)), { code: 'BUNDLE_INVALID' }, 'memory at load');
  await t.rejects(pool.check(bundle(hostileModule(hostile[0]!), 'syntax = "proto3"; package test.v1; message X {')), { code: 'BUNDLE_INVALID' }, 'broken schema');
  await t.rejects(pool.check(Buffer.from('{')), { code: 'BUNDLE_INVALID' }, 'broken bundle');
  await t.resolves(pool.check(counterBundle), 'a good bundle is still taken');
  t.equal(pool.stat().generation, 1, 'the active process took no part');
  await pool.close();
});
