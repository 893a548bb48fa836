/**
 * Decisions per second and CPU of the sandbox process per decision, for a counter; and the round trip of one decision.
 * Run: node --no-node-snapshot runtime/sandbox/batch.bench.ts [seconds]
 */

import fs from 'node:fs';

import { BatchWriter } from './batch.ts';
import { createSandboxPool } from './pool.ts';
import { FORMAT_JSON, FORMAT_PROTO } from './sandbox.ts';
import type { Format } from './sandbox.ts';
import { bundle } from './testing/bundles.ts';

const proto = `syntax = "proto3";
package bench.v1;
message CounterState { int64 count = 1 [jstype = JS_NUMBER]; }
message Add { int32 amount = 1; }
message AddReply { int64 count = 1 [jstype = JS_NUMBER]; }
message Added { int32 amount = 1; }
message CounterEvent { oneof event { Added added = 1; } }
service CounterCommands { rpc Add(Add) returns (AddReply); }
`;
const module = `import { defineActor } from 'troupe';
export default defineActor('bench.v1.Counter', {
  initialState: () => ({ count: 0 }),
  decide: { Add(state, command, ctx) { ctx.emit('Added', { amount: command.amount }); return { count: state.count + command.amount }; } },
  evolve: { Added: (state, event) => ({ ...state, count: state.count + event.amount }) },
});
`;

const seconds = Number(process.argv[2] ?? '1');
const TICKS_PER_SECOND = 100;
const actors = 1_000;

/** CPU seconds of a process, user and system. */
function cpuSeconds(pid: number): number {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

const pool = createSandboxPool();
await pool.start();
await pool.install(1, bundle(module, proto));

let answered: () => void = () => {};
pool.onResults = (results) => {
  while (results.next()) if (results.error !== null) throw new Error(`${results.error.code} ${results.error.message}`);
  answered();
};
pool.onLost = (loss) => {
  throw new Error(loss.message);
};

const writer = new BatchWriter();
let nextId = 1;
writer.begin(nextId++, pool.generation);
for (let i = 0; i < actors; i++) writer.activate(i + 1, 'bench.v1.Counter', `c-${i}`, 1, null, []);
await new Promise<void>((resolve) => {
  answered = resolve;
  pool.send(writer);
});

let turn = 0;
function sendBatch(size: number, format: Format, body: Buffer): void {
  writer.begin(nextId++, pool.generation);
  for (let i = 0; i < size; i++) writer.decide((turn++ % actors) + 1, 1, 0, format, body, 1_700_000_000_000, turn, 1, '', false);
  pool.send(writer);
}

async function run(size: number, inFlight: number, format: Format, ms: number): Promise<{ decisions: number; elapsed: number; cpu: number }> {
  const body = format === FORMAT_JSON ? Buffer.from('{"amount":1}') : Buffer.from([8, 1]);
  const { activePid } = pool.stat();
  const cpu = cpuSeconds(activePid);
  const from = performance.now();
  let decisions = 0;
  let open = 0;
  await new Promise<void>((resolve) => {
    answered = () => {
      decisions += size;
      open--;
      if (performance.now() - from < ms) {
        open++;
        sendBatch(size, format, body);
      } else if (open === 0) resolve();
    };
    for (let i = 0; i < inFlight; i++) {
      open++;
      sendBatch(size, format, body);
    }
  });
  return { decisions, elapsed: performance.now() - from, cpu: cpuSeconds(activePid) - cpu };
}

await run(256, 2, FORMAT_PROTO, 500);
for (const format of [FORMAT_PROTO, FORMAT_JSON] as const) {
  for (const size of [1, 16, 256, 1024]) {
    const { decisions, elapsed, cpu } = await run(size, 2, format, seconds * 1_000);
    const rate = Math.round((decisions / elapsed) * 1_000);
    const micros = ((cpu * 1e6) / decisions).toFixed(2);
    process.stdout.write(`${format === FORMAT_PROTO ? 'proto' : 'json '} batch ${String(size).padStart(4)}  ${String(rate).padStart(8)} decisions/s  ${micros.padStart(6)} µs CPU in the sandbox\n`);
  }
}

const times: number[] = [];
for (let i = 0; i < 2_000 * seconds; i++) {
  const from = performance.now();
  await new Promise<void>((resolve) => {
    answered = resolve;
    sendBatch(1, FORMAT_PROTO, Buffer.from([8, 1]));
  });
  times.push((performance.now() - from) * 1_000);
}
times.sort((a, b) => a - b);
process.stdout.write(`round trip of one decision: median ${times[times.length >> 1]!.toFixed(0)} µs, p99 ${times[Math.floor(times.length * 0.99)]!.toFixed(0)} µs\n`);
await pool.close();
