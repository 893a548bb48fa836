/**
 * CPU time of the engine per command, without sockets: real sandbox processes, the memory or the segment journal, commands
 * submitted in-process.
 *
 *   node runtime/actor/engine.bench.ts [commands in flight] [seconds] [memory|segment] [actors] [Counter|Fan]
 *
 * A Fan passes every command on to ten counters: what it costs beyond a command of a counter, divided by ten, is a message.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { packDirectory } from '../bundle/pack.ts';
import { WireWriter } from '../codec/wire.ts';
import type { Journal } from '../journal/journal.ts';
import { createMemoryJournal } from '../journal/memory/memory-journal.ts';
import { createSegmentJournal } from '../journal/segment/segment-journal.ts';
import { FORMAT_PROTO } from '../sandbox/sandbox.ts';
import { Address } from './engine.ts';
import type { AnswerError, CommandRequest } from './engine.ts';
import { startEngine } from './testing/harness.ts';

const [inFlightText = '1024', secondsText = '5', journalName = 'segment', actorsText = '10000', type = 'Counter'] = process.argv.slice(2);
const inFlight = Number(inFlightText);
const actors = Array.from({ length: Number(actorsText) }, (_, i) => new Address(`bench.v1.${type}:c-${i}`));

const folder = mkdtempSync(join(tmpdir(), 'troupe-engine-bench-'));
const journal: Journal = journalName === 'memory' ? createMemoryJournal() : createSegmentJournal({ directory: folder });
await journal.open();
const node = await startEngine({ journal, bucketBits: 8 });
await node.engine.deploy((await packDirectory(new URL('../../behaviors/bench', import.meta.url).pathname)).content);

const wire = new WireWriter(16);
wire.uint(1, 1);
const body = wire.copy();
let answered = 0;
let submitted = 0;
let ending = false;
let finished: () => void = () => {};
const done = new Promise<void>((resolve) => (finished = resolve));

class Request implements CommandRequest {
  readonly name = 'Increment';
  readonly format = FORMAT_PROTO;
  readonly body = body;
  readonly bodyFrom = 0;
  readonly bodyTo = body.length;
  readonly principal = '';
  readonly session = 'bench';
  readonly to: Address;
  readonly key: string;
  constructor(to: Address, key: string) {
    this.to = to;
    this.key = key;
  }

  done(): void {
    answered++;
    next();
  }

  failed(error: AnswerError): void {
    throw new Error(`${error.code} ${error.message}`);
  }
}

function next(): void {
  if (ending) {
    if (answered === submitted) finished();
    return;
  }
  const n = submitted++;
  node.engine.submit(new Request(actors[(n * 7919) % actors.length]!, `k-${n}`));
}

function takenIn(): number {
  return node.engine.stat().messages.taken;
}

for (let i = 0; i < inFlight; i++) next();
const seconds = Number(secondsText);
await new Promise((resolve) => setTimeout(resolve, seconds * 500));
const from = { answered, cpu: process.cpuUsage(), at: performance.now(), batches: node.engine.stat().batches, taken: takenIn() };
await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
const cpu = process.cpuUsage(from.cpu);
const commands = answered - from.answered;
const messages = takenIn() - from.taken;
const took = (performance.now() - from.at) / 1_000;
const batches = node.engine.stat().batches - from.batches;
ending = true;
await done;
console.log(
  `${journalName}: ${Math.round(commands / took)} commands/s, host ${((cpu.user + cpu.system) / commands).toFixed(2)} µs CPU a command ` +
    `(user ${(cpu.user / commands).toFixed(2)}), ${(commands / batches).toFixed(0)} commands a batch` +
    (messages === 0 ? '' : `, ${Math.round(messages / took)} messages/s, ${((cpu.user + cpu.system) / (commands + messages)).toFixed(2)} µs a record`),
);
await node.close();
await journal.close();
rmSync(folder, { recursive: true, force: true });
