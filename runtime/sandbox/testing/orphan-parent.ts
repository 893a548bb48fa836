/** A node that hangs a script in its sandbox, writes the ids of its sandbox processes, and waits to be killed. */

import { createSandboxPool } from '../pool.ts';
import { bundle, counterProto, Driver } from './bundles.ts';

const module = `import { defineActor } from 'troupe';
export default defineActor('test.v1.Counter', { initialState: () => ({}), decide: { Add() { for (;;); } }, evolve: { Added: (s) => s } });
`;
const pool = createSandboxPool();
const driver = new Driver(pool);
await pool.start();
await pool.install(1, bundle(module, counterProto));
await driver.activate(1, 'test.v1.Counter', 'a', 1);
const { activePid, sparePid } = pool.stat();
process.stdout.write(`${JSON.stringify([activePid, sparePid])}\n`);
// The script hangs from here on; the event loop of this process is blocked, so that it cannot keep the deadline either.
driver.decide(1, 1, 0, { amount: 1 }).catch(() => {});
setImmediate(() => {
  for (;;);
});
