/** The main job from outside: a real process, a client that knows nothing of this project, kill -9, and everything is there. */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { packDirectory } from './bundle/pack.ts';

const main = join(import.meta.dirname, 'cli/main.ts');
const folder = mkdtempSync(join(tmpdir(), 'troupe-node-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

interface Node {
  readonly child: ChildProcess;
  readonly gateway: string;
  readonly admin: string;
}

async function start(...flags: string[]): Promise<Node> {
  const child = spawn(process.execPath, [main, 'start', '--data', join(folder, 'data'), '--port', '0', '--admin-port', '0', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()));
  await new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (/^durability/m.test(out)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`exit ${code}: ${err}`)));
  });
  return { child, gateway: /ws:\/\/\S+/.exec(out)![0], admin: /http:\/\/\S+/.exec(out)![0] };
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => (child.exitCode === null && child.signalCode === null ? child.once('exit', resolve) : resolve(child.exitCode)));
}

/** The platform's WebSocket, JSON text, nothing of ours. */
async function ask(gateway: string, frames: unknown[]): Promise<any[]> {
  const socket = new WebSocket(gateway);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const answers: any[] = [];
  for (const frame of frames) {
    const answer = new Promise((resolve) => (socket.onmessage = (event) => resolve(JSON.parse(String(event.data)))));
    socket.send(JSON.stringify(frame));
    answers.push(await answer);
  }
  socket.close();
  return answers;
}

const order = 'shop.v1.Order:o-1';

t.test('a generic WebSocket client places and pays an order, and kill -9 takes nothing of it', async (t) => {
  const node = await start('--demo');
  t.teardown(() => node.child.kill('SIGKILL'));
  const answers = await ask(node.gateway, [
    { id: 'p', to: 'shop.v1.Product:p-1', command: 'CreateProduct', body: { name: 'Lamp', price: 1250, onSale: true } },
    { id: 's', to: 'shop.v1.Inventory:p-1', command: 'AddStock', body: { quantity: 5 } },
    { id: '2', key: 'k-place', to: order, command: 'PlaceOrder', body: { userId: 'u-1', lines: [{ productId: 'p-1', quantity: 2, unitPrice: 1250 }] } },
  ]);
  t.match(answers[2], { id: '2', ok: true, seq: 1 });
  // Product and inventory have answered.
  const open = async (): Promise<number> => (await ask(node.gateway, [{ id: 'g', get: order }]))[0].seq;
  while (await open() < 4) await new Promise((resolve) => setTimeout(resolve, 5));
  answers.push(...await ask(node.gateway, [
    { id: '3', key: 'k-pay', to: order, command: 'PayOrder', body: { amount: 2500 } },
    { id: '4', get: order },
    { id: '5', to: order, command: 'PayOrder', body: { amount: 1 } },
  ]));
  t.match(answers[3], { id: '3', ok: true, seq: 6, reply: { status: 'ORDER_STATUS_CONFIRMED' } });
  t.match(answers[4], { id: '4', ok: true, seq: 6, state: { total: '2500' } });
  t.match(answers[5], { id: '5', ok: false, error: { code: 'REJECTED' } });

  node.child.kill('SIGKILL');
  await ended(node.child);
  const again = await start();
  t.teardown(() => again.child.kill('SIGKILL'));
  const after = await ask(again.gateway, [
    { id: '4', get: order },
    { id: '3', key: 'k-pay', to: order, command: 'PayOrder', body: { amount: 2500, paymentId: '' } },
    { id: '6', key: 'k-pay', to: order, command: 'PayOrder', body: { amount: 2501 } },
    { id: '7', to: 'shop.v1.Nothing:x', command: 'PayOrder' },
    { id: '8', to: order, command: 'Nonsense' },
    { id: '9', map: 0 },
    { id: '10', map: 1 },
  ]);
  t.same(after[0], answers[4], 'the same state');
  t.same(after[1], answers[3], 'the same key gets the first answer');
  t.match(after[2], { ok: false, error: { code: 'KEY_CONFLICT' } });
  t.match(after[3], { ok: false, error: { code: 'UNKNOWN_ACTOR_TYPE' } });
  t.match(after[4], { ok: false, error: { code: 'UNKNOWN_COMMAND' } });
  const owners = Buffer.alloc(256).toString('base64');
  t.same(after[5], { id: '9', ok: true, node: 'node-1', map: { version: 1, bits: 8, nodes: [{ id: 'node-1', url: '' }], owners } }, 'a node by itself owns everything');
  t.same(after[6], { id: '10', ok: true, node: 'node-1', map: null });

  await t.test('records show what was decided and what is to be sent', async (t) => {
    const { records } = (await (await fetch(`${again.admin}/v1/records?actor=${encodeURIComponent(order)}`)).json()) as { records: any[] };
    const { hash } = await packDirectory(join(import.meta.dirname, '../behaviors/shop'));
    const decisions = records.filter((record) => record.kind === 'decision');
    t.same(decisions.map((record) => record.command).sort(), ['PayOrder', 'PlaceOrder', 'TakeOffer', 'TakeReservation']);
    t.ok(decisions.every((record) => record.bundle === hash), 'every record names its bundle');
    t.ok(decisions[0].sends.some((send: any) => send.to.startsWith('shop.v1.Inventory:') && send.number >= 1), 'sends have channel numbers');
    t.ok(decisions[0].timers.length > 0 && decisions[0].links.length > 0);
    t.same(records.at(-1).kind, 'rejection');
  });

  await t.test('a second node on the same folder is refused', async (t) => {
    await t.rejects(start(), /JOURNAL_LOCKED/);
  });

  again.child.kill('SIGTERM');
  t.equal(await ended(again.child), 0, 'SIGTERM ends it in order');
});
