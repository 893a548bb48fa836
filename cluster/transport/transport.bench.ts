/**
 * Requests over one connection between two transports of this process: 1,024 in flight, bodies of 64 bytes, values as a command's.
 * CPU is that of both sides together, kernel included. Arguments: seconds, bytes of a body, in flight.
 */

import type { IncomingRequest, Pending } from './transport.ts';
import { createTransport } from './tcp-transport.ts';

const [seconds = 3, bodyBytes = 64, inFlight = 1_024] = process.argv.slice(2).map(Number);
const COMMAND = 1;
const body = Buffer.alloc(bodyBytes, 1);
const reply = Buffer.alloc(bodyBytes, 2);

function start(node: string): ReturnType<typeof createTransport> {
  const log = { info: () => {}, warn: () => {}, error: (fields: object, message: string) => { console.error(message, fields); } };
  return createTransport({
    cluster: 'bench', self: { node, incarnation: 'i1' }, listen: { host: '127.0.0.1', port: 0 }, secret: Buffer.alloc(32, 7), log,
  });
}

const [a, b] = [start('a'), start('b')];
b.handle(COMMAND, (request: IncomingRequest) => request.answer(7, reply));
const peer = a.peer('b', await b.listen());

let done = 0;
let failed = 0;
let isOver = false;
const command: Pending = {
  answered: () => {
    done++;
    if (!isOver) send();
  },
  failed: () => { failed++; },
};
let key = 0;
function send(): void {
  peer.request(command, COMMAND, ['bench.v1.Counter:c-1234', 'Increment', 2, `k${key++}`, 'somebody', 'session-1'], body);
}

for (let i = 0; i < inFlight; i++) send();
await new Promise((resolve) => { setTimeout(resolve, 500); });
const before = { cpu: process.cpuUsage(), at: performance.now(), done, bytes: a.stats.bytesOut + b.stats.bytesOut };
await new Promise((resolve) => { setTimeout(resolve, seconds * 1_000); });
const cpu = process.cpuUsage(before.cpu);
const count = done - before.done;
const took = (performance.now() - before.at) / 1_000;
const bytes = a.stats.bytesOut + b.stats.bytesOut - before.bytes;
isOver = true;
console.log(
  `${inFlight} in flight, ${bodyBytes} bytes: ${Math.round(count / took)} requests/s, ${((cpu.user + cpu.system) / count).toFixed(2)} µs CPU each, ` +
  `${(bytes / count).toFixed(0)} bytes each, ${failed} failed`,
);
await a.close();
await b.close();
