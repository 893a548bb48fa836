/**
 * Every order in which the messages, timers and customers of a small shop can come about: whenever it is at rest, nothing is missing, and
 * no unpaid order has outlived its product. Goes through all of them, with the behaviours as they are deployed.
 */

import t from 'tap';

import { conservationOf, reservationsOn } from './shop-conservation.ts';
import type { OrderStatus, PaymentStatus, ShopFacts } from './shop-conservation.ts';
import { ShopModel, typeOf } from './testing/shop-model.ts';
import type { World } from './testing/shop-model.ts';

t.setTimeout(1_200_000);

const NOW = 1_700_000_000_000;
const PAYMENT_TIME_SECONDS = 60;
const LATER = NOW + PAYMENT_TIME_SECONDS * 1_000;
const STATES_MAX = 2_000_000;

type Stimulus = readonly [actor: string, command: string, body: object, caller?: string] | 'time passes';

interface Shop {
  /** Stock by inventory; a product of the same id for each, at 100. */
  readonly stock: Readonly<Record<string, number>>;
  readonly order: readonly { readonly productId: string; readonly quantity: number; readonly unitPrice?: number }[];
  /** Each may happen at any moment after the order was placed, or never. Payments are captured only after they were authorised. */
  readonly stimuli: readonly Stimulus[];
}

const model = await ShopModel.load();
const order = 'shop.v1.Order:o';
const pay = (payment: string, amount: number, capture = false): Stimulus => [`shop.v1.Payment:${payment}`, 'AuthorisePayment', { orderId: 'o', amount, method: 'card', capture }];
const capture = (payment: string): Stimulus => [`shop.v1.Payment:${payment}`, 'CapturePayment', {}];
const offSale = (product: string): Stimulus => [`shop.v1.Product:${product}`, 'TakeOffSale', { reason: 'recalled' }];
const onSale = (product: string): Stimulus => [`shop.v1.Product:${product}`, 'PutOnSale', {}];
const byHand = (amount: number): Stimulus => [order, 'PayOrder', { amount }];
const calledOff: Stimulus = [order, 'VoidOrder', { reason: 'NOT_WANTED' }];

function opened({ stock, order: lines }: Shop): World {
  const world = model.world(NOW);
  for (const [id, quantity] of Object.entries(stock)) {
    model.command(world, `shop.v1.Product:${id}`, 'CreateProduct', { name: id, price: 100, onSale: true }, 'keeper');
    if (quantity > 0) model.command(world, `shop.v1.Inventory:${id}`, 'AddStock', { quantity }, 'keeper');
    else world.actors[`shop.v1.Inventory:${id}`] = model.state(world, `shop.v1.Inventory:${id}`);
  }
  model.command(world, order, 'PlaceOrder', { userId: 'u', lines: lines.map((line) => ({ unitPrice: 100, ...line })), paymentTimeSeconds: PAYMENT_TIME_SECONDS }, 'ada');
  return world;
}

interface Seen {
  readonly states: number;
  readonly rests: number;
  /** What it came to: outcome of the order, and of each payment. */
  readonly ends: Set<string>;
  readonly wrong: string[];
}

/** All worlds that can come of a shop. */
function explore(shop: Shop): Seen {
  model.hasLinks = shop.stimuli.some((stimulus) => stimulus[1] === 'TakeOffSale');
  const first = opened(shop);
  const seen = new Set([JSON.stringify(first)]);
  const todo = [...seen];
  const ends = new Set<string>();
  const wrong: string[] = [];
  let rests = 0;
  const found = (world: World): void => {
    const text = JSON.stringify(world);
    if (seen.has(text)) return;
    if (seen.size >= STATES_MAX) throw new Error(`more than ${STATES_MAX} states`);
    seen.add(text);
    todo.push(text);
  };
  for (let text = todo.pop(); text !== undefined; text = todo.pop()) {
    const from = JSON.parse(text) as World;
    if (Object.keys(from.channels).length === 0 && Object.keys(from.timers).length === 0) {
      rests++;
      ends.add(endOf(from));
      const { violations } = conservationOf(factsOf(from, shop));
      const twice = Object.entries(from.notable).filter(([, events]) => new Set(events).size !== events.length);
      for (const { what } of violations) wrong.push(what);
      for (const [actor, events] of twice) wrong.push(`${actor}: ${events.join(', ')}`);
    }
    if (Object.keys(from.channels).length === 0) wrong.push(...unpaidOffSale(from));
    for (const channel of Object.keys(from.channels)) {
      const world = JSON.parse(text) as World;
      model.deliver(world, channel);
      found(world);
    }
    for (const [timer, { due }] of Object.entries(from.timers)) {
      if (due > from.now) continue;
      const world = JSON.parse(text) as World;
      model.fire(world, timer);
      found(world);
    }
    for (const [i, stimulus] of shop.stimuli.entries()) {
      if ((from.happened & (1 << i)) !== 0) continue;
      const world = JSON.parse(text) as World;
      world.happened |= 1 << i;
      if (stimulus === 'time passes') world.now = LATER;
      else model.command(world, stimulus[0], stimulus[1], stimulus[2], stimulus[3] ?? 'ada');
      found(world);
    }
  }
  return { states: seen.size, rests, ends, wrong };
}

/** With no message on its way, no unpaid order refers to a product that is off sale. */
function unpaidOffSale(world: World): string[] {
  const { status, lines } = model.state(world, order) as { status: string; lines: { productId: string }[] };
  if (status !== 'ORDER_STATUS_AWAITING_PAYMENT') return [];
  const gone = lines.filter(({ productId }) => !model.state(world, `shop.v1.Product:${productId}`)['onSale']);
  return gone.map(({ productId }) => `the order is unpaid, and ${productId} is off sale`);
}

function factsOf(world: World, { stock }: Shop): ShopFacts {
  const of = (type: string): [id: string, state: any][] => Object.entries(world.actors).filter(([actor]) => typeOf(actor) === type).map(([actor, state]) => [actor.slice(type.length + 1), state]);
  const outcomes: Record<string, string> = { OrderConfirmed: 'CONFIRMED', OrderExpired: 'EXPIRED', OrderVoided: 'VOID' };
  return {
    inventories: of('shop.v1.Inventory').map(([id, state]) => ({ ...state, id, stocked: stock[id]!, reservations: reservationsOn(state.shelves) })),
    orders: of('shop.v1.Order').map(([id, state]) => ({
      ...state, id, status: state.status.replace('ORDER_STATUS_', '') as OrderStatus, told: (world.notable[`shop.v1.Order:${id}`] ?? []).map((event) => outcomes[event]!),
    })),
    payments: of('shop.v1.Payment').filter(([, state]) => state.orderId !== '').map(([id, state]) => ({ ...state, id, status: state.status.replace('PAYMENT_STATUS_', '') as PaymentStatus })),
  };
}

function endOf(world: World): string {
  return Object.entries(world.actors).filter(([actor]) => /Order:|Payment:/.test(actor)).map(([actor, { status }]) => `${actor.slice('shop.v1.'.length)} ${status.replace(/^[A-Z]+_STATUS_/, '')}`).sort().join(', ');
}

const shops: readonly [name: string, shop: Shop, ends: readonly string[]][] = [
  ['a card and a transfer for the same order, which may expire', {
    stock: { tea: 5 },
    order: [{ productId: 'tea', quantity: 2 }],
    stimuli: [pay('card', 200), pay('transfer', 200, true), 'time passes'],
  }, [
    'Order:o CONFIRMED, Payment:card CAPTURED, Payment:transfer REFUNDED', 'Order:o CONFIRMED, Payment:card FAILED, Payment:transfer CAPTURED',
    'Order:o EXPIRED, Payment:card FAILED, Payment:transfer REFUNDED',
  ]],
  ['a payment captured by hand, while the product goes off sale', {
    stock: { tea: 5 },
    order: [{ productId: 'tea', quantity: 2 }],
    stimuli: [pay('card', 200), capture('card'), offSale('tea'), 'time passes'],
  }, ['Order:o CONFIRMED, Payment:card CAPTURED', 'Order:o VOID, Payment:card REFUNDED', 'Order:o VOID, Payment:card FAILED', 'Order:o EXPIRED, Payment:card REFUNDED', 'Order:o EXPIRED']],
  ['off sale and back again', {
    stock: { tea: 5 },
    order: [{ productId: 'tea', quantity: 2 }],
    stimuli: [pay('transfer', 200, true), offSale('tea'), onSale('tea')],
  }, ['Order:o CONFIRMED, Payment:transfer CAPTURED', 'Order:o VOID, Payment:transfer REFUNDED']],
  ['called off, off sale and out of time at once', {
    stock: { tea: 5 },
    order: [{ productId: 'tea', quantity: 2 }],
    stimuli: [pay('transfer', 200, true), calledOff, offSale('tea'), 'time passes'],
  }, ['Order:o CONFIRMED, Payment:transfer CAPTURED', 'Order:o VOID, Payment:transfer REFUNDED', 'Order:o EXPIRED, Payment:transfer REFUNDED']],
  ['nothing left of the one product, the other is reserved', {
    stock: { tea: 5, cup: 0 },
    order: [{ productId: 'tea', quantity: 2 }, { productId: 'cup', quantity: 1 }],
    stimuli: [pay('card', 300), 'time passes'],
  }, ['Order:o VOID, Payment:card REFUNDED', 'Order:o VOID, Payment:card FAILED', 'Order:o EXPIRED, Payment:card FAILED']],
  ['an old price, paid before anybody notices', {
    stock: { tea: 5 },
    order: [{ productId: 'tea', quantity: 2, unitPrice: 99 }],
    stimuli: [pay('transfer', 198, true), pay('card', 198), 'time passes'],
  }, ['Order:o VOID, Payment:card FAILED, Payment:transfer REFUNDED', 'Order:o VOID, Payment:card REFUNDED, Payment:transfer REFUNDED', 'Order:o EXPIRED, Payment:card FAILED, Payment:transfer REFUNDED']],
  ['by hand, by transfer and with the wrong amount', {
    stock: { tea: 5 },
    order: [{ productId: 'tea', quantity: 2 }],
    stimuli: [byHand(200), pay('transfer', 200, true), pay('wrong', 201, true), 'time passes'],
  }, ['Order:o CONFIRMED, Payment:transfer REFUNDED, Payment:wrong REFUNDED', 'Order:o CONFIRMED, Payment:transfer CAPTURED, Payment:wrong REFUNDED', 'Order:o EXPIRED, Payment:transfer REFUNDED, Payment:wrong REFUNDED']],
];

for (const [name, shop, ends] of shops) {
  t.test(name, async (t) => {
    const seen = explore(shop);
    t.comment(`${seen.states} states, ${seen.rests} at rest`);
    t.same([...new Set(seen.wrong)].slice(0, 5), [], 'nothing is missing at rest');
    t.same(ends.filter((end) => !seen.ends.has(end)), [], `it came to all these ends: ${[...seen.ends].join('; ')}`);
  });
}
