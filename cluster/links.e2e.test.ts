/** Associations over two real nodes on a real Redis: who is linked is seen through either node, and a broadcast reaches them on both. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';

import { connect } from '../runtime/client/client.ts';
import { NodeProcess } from '../runtime/faults/node-process.ts';
import { freePort } from '../runtime/testing/ports.ts';
import { startRedis } from '../runtime/testing/redis-server.ts';

const ROOT = path.join(import.meta.dirname, '..');
const CLI = path.join(ROOT, 'runtime/cli/main.ts');
const ORDERS = 40;
const WAIT_MAX_MS = 20_000;

/** What `troupe links ...` prints. */
async function links(node: NodeProcess, ...args: string[]): Promise<string[]> {
  const child = spawn(process.execPath, ['--no-node-snapshot', CLI, 'links', ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], env: { TROUPE_ADMIN: node.admin } });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`troupe links ended with ${code}`);
  return out.split('\n').filter((line) => line !== '');
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + WAIT_MAX_MS; !(await holds()); await sleep(50)) if (performance.now() > end) throw new Error('it does not come about');
}

t.setTimeout(1_200_000);
const data = t.testdir();
const redis = await startRedis();
t.teardown(() => redis.remove());
const inCluster = ['--redis', redis.url, '--cluster-port', '0', '--lease-ttl-ms', '15000', '--buckets', '32'];
async function start(id: string): Promise<NodeProcess> {
  const node = new NodeProcess({ data, port: await freePort(), adminPort: await freePort(), startArgs: ['--node', id, ...inCluster] });
  t.teardown(() => node.kill());
  await node.ready();
  return node;
}
const n1 = await start('n1');
await n1.deploy(path.join(ROOT, 'behaviors/shop'));
const n2 = await start('n2');

t.test('the orders of a user, and those of a product that goes off sale', async (t) => {
  const client = connect(`ws://127.0.0.1:${n1.port}`);
  t.teardown(() => client.close());
  const orders = Array.from({ length: ORDERS }, (_, i) => `shop.v1.Order:o-${i}`);
  await client.send('shop.v1.Product:tea', 'CreateProduct', { name: 'Tea', price: 350, onSale: true });
  await client.send('shop.v1.Inventory:tea', 'AddStock', { quantity: 1_000 });
  for (const order of orders) await client.send(order, 'PlaceOrder', { userId: 'u-1', lines: [{ productId: 'tea', quantity: 1, unitPrice: 350 }] });

  await until(async () => (await links(n1, 'shop.v1.User:u-1')).length === ORDERS);
  for (const node of [n1, n2]) {
    t.strictSame((await links(node, 'shop.v1.User:u-1')).sort(), [...orders].sort());
    t.strictSame(await links(node, orders[3]!, '--held'), ['shop.v1.User:u-1', 'shop.v1.Product:tea']);
    const [first] = await links(node, 'shop.v1.Product:tea', '--json');
    t.match(JSON.parse(first!), { actor: /^shop\.v1\.Order:o-\d+$/, position: Number });
    t.strictSame(await links(node, 'shop.v1.User:u-2'), []);
  }

  await client.send('shop.v1.Product:tea', 'TakeOffSale', { reason: 'no more' });
  await until(async () => (await links(n2, 'shop.v1.Product:tea')).length === 0);
  for (const order of orders) t.match((await client.get(order)).state, { status: 'ORDER_STATUS_VOID' });
});
