/**
 * What must hold in the shop when everything has come to rest, as arithmetic over final states. It does not care how these were come by:
 * by reading actors, or by folding a log.
 *
 *  Q1  stock        What was put into an inventory is available, reserved or sold; what is reserved is the sum of its reservations, what is sold
 *                   is what the confirmed orders have bought of it. Nothing is below zero.
 *  Q2  reservation  A reservation belongs to an open order, and is for the pieces that this order wants.
 *  Q3  outcome      Every order has one outcome, and was told of one.
 *  Q4  money        An order that is paid through a payment has its total captured by that one. Every other payment has kept nothing. So captured
 *                   minus refunded is the sum of what is paid.
 */

export interface InventoryFacts {
  readonly id: string;
  /** Put in from outside, less what was written off. */
  readonly stocked: number;
  readonly available: number;
  readonly reserved: number;
  readonly sold: number;
  /** Pieces by order. */
  readonly reservations: Readonly<Record<string, number>>;
}

/** As an inventory's state has them. */
export type Shelves = Readonly<Record<string, { readonly reservations: Readonly<Record<string, number>> }>>;

/** The reservations of all shelves; one that lies on two of them counts twice in `reserved`, and is found by Q1. */
export function reservationsOn(shelves: Shelves): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.values(shelves).flatMap(({ reservations }) => Object.entries(reservations)));
}

export type Outcome = 'CONFIRMED' | 'EXPIRED' | 'VOID';
export type OrderStatus = 'UNSPECIFIED' | 'AWAITING_PAYMENT' | 'PAID' | Outcome;

export interface OrderFacts {
  readonly id: string;
  readonly status: OrderStatus;
  readonly lines: readonly { readonly inventoryId: string; readonly quantity: number }[];
  readonly total: number;
  /** '' while unpaid, and when it was paid by hand. */
  readonly paymentId: string;
  /** Every outcome that anybody was told of, in the order of telling; null: nobody listened. */
  readonly told: readonly string[] | null;
}

export type PaymentStatus = 'UNSPECIFIED' | 'AUTHORISED' | 'CAPTURED' | 'REFUNDED' | 'FAILED';

export interface PaymentFacts {
  readonly id: string;
  readonly orderId: string;
  readonly status: PaymentStatus;
  readonly amount: number;
}

export interface ShopFacts {
  readonly inventories: readonly InventoryFacts[];
  readonly orders: readonly OrderFacts[];
  readonly payments: readonly PaymentFacts[];
}

export interface Violation {
  readonly rule: 'stock' | 'reservation' | 'outcome' | 'money';
  readonly what: string;
}

export interface Totals {
  readonly stock: { readonly stocked: number; readonly available: number; readonly reserved: number; readonly sold: number };
  readonly orders: Readonly<Record<OrderStatus, number>>;
  /** In minor units; `paid` is what orders were paid with through payments, `byHand` without. */
  readonly money: { readonly captured: number; readonly refunded: number; readonly paid: number; readonly byHand: number };
  readonly payments: Readonly<Record<PaymentStatus, number>>;
}

export interface Conservation {
  readonly totals: Totals;
  /** Empty: it holds. */
  readonly violations: readonly Violation[];
}

const OUTCOMES: readonly string[] = ['CONFIRMED', 'EXPIRED', 'VOID'] satisfies Outcome[];

export function conservationOf(facts: ShopFacts): Conservation {
  return { totals: totalsOf(facts), violations: [...stock(facts), ...reservations(facts), ...outcomes(facts), ...money(facts)] };
}

/** Q1 */
function stock({ inventories, orders }: ShopFacts): Violation[] {
  const found: Violation[] = [];
  const wrong = (what: string): number => found.push({ rule: 'stock', what });
  const bought = new Map<string, number>();
  for (const { status, lines } of orders) {
    if (status !== 'CONFIRMED') continue;
    for (const { inventoryId, quantity } of lines) bought.set(inventoryId, (bought.get(inventoryId) ?? 0) + quantity);
  }
  for (const { id, stocked, available, reserved, sold, reservations: held } of inventories) {
    if (Math.min(available, reserved, sold) < 0) wrong(`inventory ${id} has ${available} available, ${reserved} reserved, ${sold} sold: less than nothing`);
    if (available + reserved + sold !== stocked) wrong(`inventory ${id} was given ${stocked} and has ${available} available + ${reserved} reserved + ${sold} sold`);
    const sum = sumOf(Object.values(held));
    if (sum !== reserved) wrong(`inventory ${id} has ${reserved} reserved, its reservations come to ${sum}`);
    const confirmed = bought.get(id) ?? 0;
    if (sold !== confirmed) wrong(`inventory ${id} has sold ${sold}, confirmed orders have bought ${confirmed} of it`);
    bought.delete(id);
  }
  for (const [id, quantity] of bought) wrong(`confirmed orders have bought ${quantity} of inventory ${id}, which nobody knows`);
  return found;
}

/** Q2 */
function reservations({ inventories, orders }: ShopFacts): Violation[] {
  const found: Violation[] = [];
  const byId = new Map(orders.map((order) => [order.id, order]));
  for (const { id, reservations: held } of inventories) {
    for (const [orderId, quantity] of Object.entries(held)) {
      const order = byId.get(orderId);
      const wanted = order === undefined ? 0 : sumOf(order.lines.filter(({ inventoryId }) => inventoryId === id).map((line) => line.quantity));
      if (order === undefined || !isOpen(order)) {
        found.push({ rule: 'reservation', what: `inventory ${id} holds ${quantity} for order ${orderId}, which is ${order?.status ?? 'unknown'}` });
      } else if (quantity !== wanted) {
        found.push({ rule: 'reservation', what: `inventory ${id} holds ${quantity} for order ${orderId}, which wants ${wanted}` });
      }
    }
  }
  return found;
}

/** Q3 */
function outcomes({ orders }: ShopFacts): Violation[] {
  const found: Violation[] = [];
  for (const { id, status, told } of orders) {
    if (!OUTCOMES.includes(status)) found.push({ rule: 'outcome', what: `order ${id} is ${status}` });
    else if (told !== null && (told.length !== 1 || told[0] !== status)) {
      found.push({ rule: 'outcome', what: `order ${id} is ${status}, and was told to be ${told.length === 0 ? 'nothing' : told.join(', ')}` });
    }
  }
  return found;
}

/** Q4 */
function money({ orders, payments }: ShopFacts): Violation[] {
  const found: Violation[] = [];
  const wrong = (what: string): number => found.push({ rule: 'money', what });
  const paidBy = new Map(orders.filter(isPaidFor).map((order) => [order.paymentId, order]));
  for (const { id, orderId, status, amount } of payments) {
    const order = paidBy.get(id);
    paidBy.delete(id);
    if (order === undefined) {
      if (status === 'CAPTURED') wrong(`payment ${id} keeps ${amount}, and order ${orderId} is not paid by it`);
      else if (status === 'AUTHORISED') wrong(`payment ${id} has not heard of order ${orderId}`);
    } else if (status !== 'CAPTURED') wrong(`order ${order.id} is paid by payment ${id}, which is ${status}`);
    else if (amount !== order.total || orderId !== order.id) wrong(`order ${order.id} costs ${order.total}, payment ${id} has ${amount} for order ${orderId}`);
  }
  for (const [id, order] of paidBy) wrong(`order ${order.id} is paid by payment ${id}, which nobody knows`);
  const { captured, refunded, paid } = moneyOf({ orders, payments });
  if (captured - refunded !== paid) wrong(`${captured} captured less ${refunded} refunded is not the ${paid} that orders were paid with`);
  return found;
}

const isOpen = ({ status }: OrderFacts): boolean => status === 'AWAITING_PAYMENT' || status === 'PAID';
const isPaid = ({ status }: OrderFacts): boolean => status === 'PAID' || status === 'CONFIRMED';
const isPaidFor = (order: OrderFacts): boolean => isPaid(order) && order.paymentId !== '';

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

function moneyOf({ orders, payments }: Pick<ShopFacts, 'orders' | 'payments'>): Totals['money'] {
  const amounts = (...of: PaymentStatus[]): number => sumOf(payments.filter(({ status }) => of.includes(status)).map(({ amount }) => amount));
  const totals = (which: (order: OrderFacts) => boolean): number => sumOf(orders.filter(which).map(({ total }) => total));
  return {
    // What failed was given back before any money had moved.
    captured: amounts('CAPTURED', 'REFUNDED'),
    refunded: amounts('REFUNDED'),
    paid: totals(isPaidFor),
    byHand: totals((order) => isPaid(order) && order.paymentId === ''),
  };
}

function totalsOf(facts: ShopFacts): Totals {
  const { inventories, orders, payments } = facts;
  const stockOf = (part: 'stocked' | 'available' | 'reserved' | 'sold'): number => sumOf(inventories.map((inventory) => inventory[part]));
  const ordersOf = (status: OrderStatus): number => orders.filter((order) => order.status === status).length;
  const paymentsOf = (status: PaymentStatus): number => payments.filter((payment) => payment.status === status).length;
  return {
    stock: { stocked: stockOf('stocked'), available: stockOf('available'), reserved: stockOf('reserved'), sold: stockOf('sold') },
    orders: {
      UNSPECIFIED: ordersOf('UNSPECIFIED'), AWAITING_PAYMENT: ordersOf('AWAITING_PAYMENT'), PAID: ordersOf('PAID'),
      CONFIRMED: ordersOf('CONFIRMED'), EXPIRED: ordersOf('EXPIRED'), VOID: ordersOf('VOID'),
    },
    money: moneyOf(facts),
    payments: {
      UNSPECIFIED: paymentsOf('UNSPECIFIED'), AUTHORISED: paymentsOf('AUTHORISED'), CAPTURED: paymentsOf('CAPTURED'),
      REFUNDED: paymentsOf('REFUNDED'), FAILED: paymentsOf('FAILED'),
    },
  };
}
