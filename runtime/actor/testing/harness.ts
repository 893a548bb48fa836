/** A whole engine for tests: real sandbox processes, a real journal adapter, commands as promises. */

import { createHash } from 'node:crypto';

import { bundleHash, encodeBundle } from '../../bundle/bundle.ts';
import { checkStateCompatible } from '../../bundle/compatibility.ts';
import { MemoryBundleStore } from '../../bundle/memory-store.ts';
import { createSandboxPool } from '../../sandbox/pool.ts';
import { FORMAT_JSON } from '../../sandbox/sandbox.ts';
import type { SandboxPool } from '../../sandbox/sandbox.ts';
import type { Journal } from '../../journal/journal.ts';
import type { BundleStore } from '../bundles.ts';
import type { EngineLimits } from '../engine-limits.ts';
import { Address } from '../engine.ts';
import type { AnswerError, Elsewhere } from '../engine.ts';
import type { Courier } from '../messages/outbox.ts';
import { NodeEngine } from '../node-engine.ts';
import type { Clock, Log, Scheduler } from '../seams.ts';
import { systemClock, systemEntropy, systemScheduler } from '../seams-node.ts';

export interface Answer {
  readonly seq: number;
  readonly body: any;
  readonly error: AnswerError | null;
}

export interface TestEngine {
  readonly engine: NodeEngine;
  readonly pool: SandboxPool;
  readonly store: BundleStore;
  readonly lines: { level: string; message: string; fields: object }[];
  send(to: string, name: string, body?: unknown, key?: string, principal?: string): Promise<Answer>;
  get(to: string): Promise<Answer>;
  /** Ends engine and sandboxes; the journal stays open. */
  close(): Promise<void>;
}

export interface TestEngineOptions {
  readonly journal: Journal;
  readonly store?: BundleStore;
  readonly limits?: Partial<EngineLimits>;
  readonly bucketBits?: number;
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
  readonly pool?: SandboxPool;
  readonly elsewhere?: Elsewhere;
  readonly courier?: Courier;
}

export async function startEngine(options: TestEngineOptions): Promise<TestEngine> {
  const pool = options.pool ?? createSandboxPool();
  if (options.pool === undefined) await pool.start();
  const store = options.store ?? new MemoryBundleStore();
  const lines: TestEngine['lines'] = [];
  const log: Log = {
    info: (fields, message) => lines.push({ level: 'info', message, fields }),
    warn: (fields, message) => lines.push({ level: 'warn', message, fields }),
    error: (fields, message) => lines.push({ level: 'error', message, fields }),
  };
  const engine = new NodeEngine({
    journal: options.journal,
    pool,
    store,
    checks: { hash: bundleHash, compatible: checkStateCompatible },
    clock: options.clock ?? systemClock,
    entropy: systemEntropy(),
    scheduler: options.scheduler ?? systemScheduler,
    log,
    bucketBits: options.bucketBits ?? 3,
    ...(options.elsewhere === undefined ? {} : { elsewhere: options.elsewhere }),
    ...(options.courier === undefined ? {} : { courier: options.courier }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  await engine.start();
  return {
    engine, pool, store, lines,
    send: (to, name, body = {}, key = '', principal = '') =>
      new Promise((resolve) => {
        const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
        engine.submit({
          to: new Address(to), name, key, principal,
          session: 's-test',
          format: FORMAT_JSON,
          body: bytes,
          bodyFrom: 0,
          bodyTo: bytes.length,
          done: (seq, buffer, from, end) => resolve({ seq, body: parse(buffer, from, end), error: null }),
          failed: (error) => resolve({ seq: 0, body: null, error }),
        });
      }),
    get: (to) =>
      new Promise((resolve) => {
        engine.get({
          to: new Address(to),
          format: FORMAT_JSON,
          done: (seq, buffer, from, end) => resolve({ seq, body: parse(buffer, from, end), error: null }),
          failed: (error) => resolve({ seq: 0, body: null, error }),
        });
      }),
    close: async () => {
      await engine.close();
      await pool.close();
    },
  };
}

function parse(buffer: Buffer, from: number, to: number): unknown {
  return from === to ? null : JSON.parse(buffer.toString('utf8', from, to));
}

/** A bundle of one proto file and one module, or of several by name. */
export function makeBundle(proto: string, module: string, name = 'test', modules: Readonly<Record<string, string>> = { 'main.js': module }): Buffer {
  return encodeBundle(
    new Map([
      ['troupe.json', JSON.stringify({ name, modules: Object.keys(modules) })],
      ...Object.entries(modules),
      ['proto/test/v1/test.proto', proto],
    ]),
  );
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** An account that must never be overdrawn, and commands that end the sandbox. */
export const accountProto = `
syntax = "proto3";
package test.v1;
message AccountState { int64 balance = 1 [jstype = JS_NUMBER]; uint32 withdrawals = 2; }
message Open { int64 amount = 1 [jstype = JS_NUMBER]; }
message OpenReply {}
message Withdraw { int64 amount = 1 [jstype = JS_NUMBER]; }
message WithdrawReply { int64 left = 1 [jstype = JS_NUMBER]; }
message Loop {}
message LoopReply {}
message Opened { int64 amount = 1 [jstype = JS_NUMBER]; }
message Withdrawn { int64 amount = 1 [jstype = JS_NUMBER]; }
message AccountEvent { oneof event { Opened opened = 1; Withdrawn withdrawn = 2; } }
service AccountCommands {
  rpc Open(Open) returns (OpenReply);
  rpc Withdraw(Withdraw) returns (WithdrawReply);
  rpc Loop(Loop) returns (LoopReply);
}
`;

export const accountModule = `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Account', {
  initialState: () => ({ balance: 0, withdrawals: 0 }),
  decide: {
    Open(state, command, ctx) { ctx.emit('Opened', { amount: command.amount }); return {}; },
    Withdraw(state, command, ctx) {
      if (command.amount > state.balance) ctx.reject('OVERDRAWN', 'only ' + state.balance + ' left');
      ctx.emit('Withdrawn', { amount: command.amount });
      return { left: state.balance - command.amount };
    },
    Loop() { for (;;) {} },
  },
  evolve: {
    Opened: (state, event) => ({ ...state, balance: state.balance + event.amount }),
    Withdrawn: (state, event) => ({ balance: state.balance - event.amount, withdrawals: state.withdrawals + 1 }),
  },
});
`;

export function accountBundle(): Buffer {
  return makeBundle(accountProto, accountModule);
}
