/**
 * What an app's own command map must and must not allow. Never run: `portable.test.ts` has it checked by the compiler, where an
 * expected error that does not come is an error.
 */

import { connect } from './client.ts';

export async function typed(): Promise<void> {
  const client = connect<{
    'shop.v1.Order': { Place: { body: { quantity: number }; reply: { total: string } }; Pay: { body: { amount: string }; reply: object } };
    'shop.v1.User': { Register: { body: { email: string }; reply: object } };
  }>('ws://localhost:7070');

  const { reply, seq } = await client.send('shop.v1.Order:o-1', 'Place', { quantity: 1 });
  const total: string = reply.total;
  const after: number = seq;
  // @ts-expect-error wrong body
  await client.send('shop.v1.Order:o-1', 'Place', { quantity: '1' });
  // @ts-expect-error a command of another type
  await client.send('shop.v1.Order:o-1', 'Register', { email: 'a@b.example' });
  // @ts-expect-error no such type
  await client.send('shop.v1.Basket:b-1', 'Place', { quantity: 1 });
  // @ts-expect-error not an address
  await client.get('shop.v1.Order');

  const anything = connect('ws://localhost:7070');
  const id: string = `x.Y:${total}${after}`;
  await anything.send(id, 'Whatever', { at: 'all' });
  let sum = 0;
  for await (const { body } of anything.watch<{ n: number }>(id, { from: 1 })) sum += body.n;
  await anything.send(id, 'Whatever', { sum });
}
