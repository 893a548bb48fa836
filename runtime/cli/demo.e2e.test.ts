/** `troupe demo shop` against a real node; and against one whose shop has a hole in it. */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';
import type { Test } from 'tap';

import { bucketIndex, hashText, shardKey, splitAddress } from '../codec/address.ts';

t.setTimeout(1_200_000);
const main = join(import.meta.dirname, 'main.ts');
const shop = join(import.meta.dirname, '../../behaviors/shop');
const folder = await mkdtemp(join(tmpdir(), 'troupe-demo-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A node of its own, and the command line that talks to it. */
async function node(t: Test, data: string): Promise<(...args: string[]) => Promise<Ran>> {
  const child = start(['start', '--data', join(folder, data), '--port', '0', '--admin-port', '0']);
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout!.on('data', (chunk: Buffer) => (said += chunk.toString()));
  while (!/^durability/m.test(said)) {
    if (child.exitCode !== null) throw new Error(`the node ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const env = { TROUPE_URL: /ws:\/\/\S+/.exec(said)![0], TROUPE_ADMIN: /http:\/\/\S+/.exec(said)![0] };
  return async (...args) => {
    const running = start(args, env);
    let out = '';
    let err = '';
    running.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()));
    running.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const [code] = (await once(running, 'close')) as [number | null];
    return { code, out, err };
  };
}

t.test('the whole story: nothing is missing at its end', async (t) => {
  const troupe = await node(t, 'whole');
  const ran = await troupe('demo', 'shop', '--seconds', '6', '--json');
  t.equal(ran.code, 0, ran.err);
  t.match(ran.err, /behaviors\/shop is in service now: 7 actor types/);
  t.match(ran.err, /goes off sale/);
  const { run, holds, totals, violations } = JSON.parse(ran.out) as { run: string; holds: boolean; totals: any; violations: unknown[] };
  t.same(violations, []);
  t.equal(holds, true);
  const { orders, money, payments, stock } = totals;
  t.ok(orders.CONFIRMED > 0 && orders.EXPIRED > 0 && orders.VOID > 0, `all that can become of an order: ${JSON.stringify(orders)}`);
  t.ok(payments.REFUNDED >= 3, 'who paid for what was off sale got it back');
  t.ok(money.captured > money.refunded && stock.sold > 0);

  const user = `shop.v1.User:{u-${run}-0}`;
  const { state } = JSON.parse((await troupe('get', user, '--json')).out) as { state: { orders: { orderId: string; status: string }[]; addressNames: string[] } };
  t.same(state.addressNames, ['home'], 'the user knows of the address that is an actor of its own');
  t.ok(state.orders.length > 0 && state.orders.length <= 100);
  for (const { orderId, status } of state.orders.slice(0, 5)) {
    const order = JSON.parse((await troupe('get', `shop.v1.Order:${orderId}`, '--json')).out) as { state: { status: string; userId: string } };
    t.match(order.state, { status, userId: `{u-${run}-0}` }, 'and how each order has ended');
  }
  const bucketOf = (address: string): number => bucketIndex(hashText(shardKey(splitAddress(address))), 8);
  t.equal(bucketOf(`shop.v1.Address:{u-${run}-0}/home`), bucketOf(user), 'root and child are in one bucket');
  const records = (await troupe('events', `shop.v1.Address:{u-${run}-0}/home`, '--json')).out.trim().split('\n').map((line) => JSON.parse(line) as { bucket: number });
  t.ok(records.length > 0 && records.every(({ bucket }) => bucket === bucketOf(user)), 'as the node has it');

  const again = await troupe('demo', 'shop', '--seconds', '1');
  t.equal(again.code, 0, again.err);
  t.notMatch(again.err, /in service now/, 'what is in service stays');
  t.match(again.out, /^ +IN +OUT +DIFFERENCE\n[^]*\nnothing is missing\n$/);
});

t.test('a shop that keeps the money for what it cannot sell is found out', async (t) => {
  const troupe = await node(t, 'hole');
  const copy = join(folder, 'behaviors', 'shop');
  await cp(shop, copy, { recursive: true });
  await cp(join(shop, '../../proto'), join(folder, 'proto'), { recursive: true });
  const file = join(copy, 'payment.js');
  const source = await readFile(file, 'utf8');
  const right = 'if (refusal) return { status: giveBack(state, refusal.code, ctx) };';
  t.ok(source.includes(right));
  await writeFile(file, source.replace(right, 'if (refusal) return { status: state.status };'));
  t.equal((await troupe('deploy', copy)).code, 0);
  const ran = await troupe('demo', 'shop', '--seconds', '1', '--settle', '1');
  t.equal(ran.code, 1, ran.err);
  t.match(ran.out, /violations:\n/);
  t.match(ran.out, /\n {2}money +payment \S+ keeps \d+, and order \S+ is not paid by it/);
});

t.test('no node is exit code 3', async (t) => {
  const child = start(['demo', 'shop'], { TROUPE_URL: 'ws://127.0.0.1:1', TROUPE_ADMIN: 'http://127.0.0.1:1' });
  const [code] = (await once(child, 'close')) as [number | null];
  t.equal(code, 3);
});
