/**
 * The driver against a stand-in for the node that keeps counters in a map and speaks the protocol by protobufjs and the files in
 * proto/: so the hand-written frames are held against the schema, and the check of a run is seen to fail when the
 * stand-in loses or doubles an increment.
 */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import protobuf from 'protobufjs';
import t from 'tap';
import { WebSocketServer } from 'ws';

import { Connection } from './connection.ts';
import { local } from './endpoint.ts';
import { COUNTER_TYPE } from './format.ts';
import type { Driven, FrameFormat } from './format.ts';
import { jsonFormat } from './json-format.ts';
import { Load } from './load.ts';
import type { Loop } from './load.ts';
import { protoFormat } from './proto-format.ts';
import { verify } from './verify.ts';
import type { Verdict } from './verify.ts';

const ROOT = join(import.meta.dirname, '../../proto');
const proto = new protobuf.Root();
proto.resolvePath = (_origin, target) => join(ROOT, target);
await proto.load(['troupe/v1/gateway.proto', 'bench/v1/counter.proto']);
const Requests = proto.lookupType('troupe.v1.Requests');
const Answers = proto.lookupType('troupe.v1.Answers');
const Increment = proto.lookupType('bench.v1.Increment');
const CounterState = proto.lookupType('bench.v1.CounterState');

const ACTORS = 20;
const ENOUGH = 500;
const COUNTERS: Driven = { type: COUNTER_TYPE, actors: ACTORS, prefix: '', shape: { valueBytes: 0, fanOut: 0 } };

type Fault = 'none' | 'loseOne' | 'doubleOne' | 'loseEvent';
interface Counter {
  value: number;
  seq: number;
}
interface DecodedRequest {
  id: string;
  command?: { to: string; name: string; body: Uint8Array; key: string };
  get?: { actor: string };
}

/** Keeps counters as the node would, with one fault at the hundredth command. */
class StandIn {
  readonly counters = new Map<string, Counter>();
  readonly keys = new Set<string>();
  private commands = 0;
  private readonly fault: Fault;

  constructor(fault: Fault) {
    this.fault = fault;
  }

  increment(to: string, by: number, key: string): Counter {
    if (key !== '' && this.keys.has(key)) throw new Error(`the driver used the key ${key} twice`);
    this.keys.add(key);
    const counter = this.at(to);
    const faulty = ++this.commands === 100;
    const times = faulty && this.fault === 'loseOne' ? 0 : faulty && this.fault === 'doubleOne' ? 2 : 1;
    counter.value += times * by;
    counter.seq += faulty && this.fault === 'loseEvent' ? 0 : times;
    return counter;
  }

  at(actor: string): Counter {
    const found = this.counters.get(actor) ?? { value: 0, seq: 0 };
    this.counters.set(actor, found);
    return found;
  }
}

function answerProto(standIn: StandIn, data: Buffer): Buffer {
  const message = Requests.toObject(Requests.decode(data)) as { requests: DecodedRequest[] };
  const answers = message.requests.map(({ id, command, get }) => {
    if (get !== undefined) {
      const { value, seq } = standIn.at(get.actor);
      return { id, done: { seq, body: CounterState.encode({ value }).finish() } };
    }
    const { by } = Increment.toObject(Increment.decode(command!.body), { longs: Number }) as { by: number };
    return { id, done: { seq: standIn.increment(command!.to, by, command!.key ?? '').seq } };
  });
  return Buffer.from(Answers.encode(Answers.fromObject({ answers })).finish());
}

interface JsonRequest {
  id: string;
  key?: string;
  to: string;
  get?: string;
  body: { by: number };
}

function answerJson(standIn: StandIn, data: Buffer): string {
  const parsed = JSON.parse(data.toString()) as JsonRequest | JsonRequest[];
  const answers = (Array.isArray(parsed) ? parsed : [parsed]).map((request) => {
    if (request.get !== undefined) {
      const { value, seq } = standIn.at(request.get);
      return { id: request.id, ok: true, seq, state: { value } };
    }
    return { id: request.id, ok: true, seq: standIn.increment(request.to, request.body.by, request.key ?? '').seq, reply: {} };
  });
  return JSON.stringify(Array.isArray(parsed) ? answers : answers[0]);
}

async function drive(fault: Fault, json: boolean, perFrame: number, loop: Loop = { kind: 'closed', inFlight: 8 }): Promise<{ verdict: Verdict; load: Load }> {
  const standIn = new StandIn(fault);
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: (names) => [...names][0]! });
  await once(server, 'listening');
  server.on('connection', (client) => {
    client.on('message', (data: Buffer) => client.send(json ? answerJson(standIn, data) : answerProto(standIn, data)));
  });
  const format: FrameFormat = json ? jsonFormat(COUNTERS) : protoFormat(COUNTERS);
  const endpoint = local((server.address() as AddressInfo).port);
  const connections = await Promise.all([1, 2, 3].map(() => Connection.open(endpoint, format.subprotocol, json)));
  const load = new Load([connections], format, { loop, request: 'increment', distribution: 'uniform', actors: ACTORS, perFrame, keys: true, seed: 7 });
  load.recorder.begin(performance.now());
  load.start();
  while (load.recorder.acknowledged < ENOUGH && !load.isSwept) await sleep(5);
  load.recorder.end(performance.now());
  load.stop();
  while (load.outstanding + load.waiting > 0) await sleep(5);
  const verdict = await verify(connections[0]!, format, load.counts, load.sums);
  for (const connection of connections) connection.close();
  for (const client of server.clients) client.terminate();
  server.close();
  return { verdict, load };
}

for (const json of [false, true]) {
  for (const perFrame of [1, 5]) {
    t.test(`${json ? 'JSON' : 'protobuf'} frames of up to ${perFrame} commands: what was acknowledged is there`, async (t) => {
      const { verdict, load } = await drive('none', json, perFrame);
      t.same(verdict.mismatches, []);
      t.same(verdict.failures, []);
      t.equal(verdict.actorsChecked, ACTORS);
      t.ok(load.recorder.acknowledged >= ENOUGH);
    });
  }
}

for (const fault of ['loseOne', 'doubleOne', 'loseEvent'] as const) {
  t.test(`the check fails when the server does ${fault}`, async (t) => {
    const { verdict } = await drive(fault, false, 1);
    t.equal(verdict.mismatches.length, 1);
  });
}

t.test('an open loop sends what is due, and counts from when it was due', async (t) => {
  const { verdict, load } = await drive('none', false, 1, { kind: 'open', perSecond: 2_000, inFlightMax: 8 });
  t.same([verdict.mismatches, verdict.failures], [[], []]);
  const { histogram, late, timeline } = load.recorder.dump();
  t.equal(histogram.total, late.total, 'all that was due in the window was sent, and answered, be it later');
  t.ok(histogram.sumMs >= late.sumMs, 'being late is part of the latency');
  t.ok(timeline.commands.length > 0);
});

t.test('in a sweep every actor has its turn once', async (t) => {
  const { verdict, load } = await drive('none', false, 1, { kind: 'sweep', inFlight: 2 });
  t.same([verdict.mismatches, verdict.failures], [[], []]);
  t.ok(load.counts.every((count) => count === 1));
});

t.test('a read that does not answer what the actor holds is counted', async (t) => {
  const standIn = new StandIn('none');
  for (let i = 0; i < ACTORS; i++) standIn.increment(`${COUNTER_TYPE}:c-${i}`, 3, '');
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: (names) => [...names][0]! });
  await once(server, 'listening');
  t.teardown(() => server.close());
  server.on('connection', (client) => client.on('message', (data: Buffer) => client.send(answerProto(standIn, data))));
  const format = protoFormat(COUNTERS);
  const connection = await Connection.open(local((server.address() as AddressInfo).port), format.subprotocol, false);
  t.teardown(() => connection.close());
  // Of two actors another value or another number is expected than they have.
  const expected = { counts: new Float64Array(ACTORS).fill(1), sums: new Float64Array(ACTORS).fill(3) };
  expected.sums[4] = 2;
  expected.counts[7] = 2;
  const load = new Load([[connection]], format, { loop: { kind: 'sweep', inFlight: 4 }, request: 'get', distribution: 'uniform', actors: ACTORS, perFrame: 1, keys: true, seed: 7 }, null, expected);
  load.start();
  while (!load.isSwept) await sleep(5);
  t.equal(load.wrong, 2);
});
