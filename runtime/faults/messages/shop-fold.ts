/**
 * States of the shop's actors out of their events, computed here and not by the behaviours; and which event may follow which. An event
 * that could not have been emitted in the state before it was applied twice, or out of order, or stands for one that is lost.
 */

import { initialState } from './shop-messages.ts';
import type { Fields } from './shop-messages.ts';

export interface Line {
  productId: string;
  quantity: number;
  unitPrice: number;
  inventoryId: string;
}

export interface OrderState {
  status: string;
  userId: string;
  lines: Line[];
  total: number;
  payBeforeMs: number;
  openOffers: string[];
  openReservations: string[];
  paymentId: string;
  voidReason: string;
  notify: string;
}

export interface InventoryState {
  available: number;
  reserved: number;
  sold: number;
  reservations: Record<string, number>;
}

export interface PaymentState {
  status: string;
  orderId: string;
  amount: number;
  method: string;
  reason: string;
}

export interface ProductState {
  created: boolean;
  name: string;
  description: string;
  price: number;
  inventoryId: string;
  onSale: boolean;
}

/** Applies an event to a state; answers what is wrong with it there. */
type Apply = (state: never, event: never, nowMs: number) => string | null | undefined | false;

export const AWAITING = 'ORDER_STATUS_AWAITING_PAYMENT';
export const PAID = 'ORDER_STATUS_PAID';
export const CONFIRMED = 'ORDER_STATUS_CONFIRMED';
export const EXPIRED = 'ORDER_STATUS_EXPIRED';
export const VOID = 'ORDER_STATUS_VOID';

/** Pieces that an order wants, by inventory. */
export function wantedOf({ lines }: OrderState): Map<string, number> {
  const wanted = new Map<string, number>();
  for (const { inventoryId, quantity } of lines) wanted.set(inventoryId, (wanted.get(inventoryId) ?? 0) + quantity);
  return wanted;
}

const order: Record<string, Apply> = {
  OrderPlaced(state: OrderState, { userId, lines, total, payBeforeMs, notify }: OrderState) {
    const wrong = state.status !== 'ORDER_STATUS_UNSPECIFIED' && 'is placed twice';
    Object.assign(state, { status: AWAITING, userId, lines, total, payBeforeMs, notify, openOffers: lines.map(({ productId }) => productId) });
    state.openReservations = [...wantedOf(state).keys()];
    return wrong;
  },
  OfferConfirmed: (state: OrderState, { productId }: { productId: string }) => close(state, state.openOffers, productId),
  LinesReserved: (state: OrderState, { inventoryId }: { inventoryId: string }) => close(state, state.openReservations, inventoryId),
  OrderReserved: (state: OrderState) => state.openOffers.length + state.openReservations.length > 0 && 'is reserved with open answers',
  OrderPaid(state: OrderState, { amount, paymentId }: { amount: number; paymentId: string }, nowMs: number) {
    const wrong = state.status !== AWAITING ? `is paid as ${state.status}` : amount !== state.total ? `of ${state.total} is paid with ${amount}` : nowMs >= state.payBeforeMs && 'is paid too late';
    Object.assign(state, { status: PAID, paymentId });
    return wrong;
  },
  OrderConfirmed(state: OrderState) {
    const wrong = state.status !== PAID ? `is confirmed as ${state.status}` : state.openOffers.length + state.openReservations.length > 0 && 'is confirmed with open answers';
    state.status = CONFIRMED;
    return wrong;
  },
  OrderExpired(state: OrderState, _event: object, nowMs: number) {
    const wrong = state.status !== AWAITING ? `expires as ${state.status}` : nowMs < state.payBeforeMs && 'expires too early';
    state.status = EXPIRED;
    return wrong;
  },
  OrderVoided(state: OrderState, { reason }: { reason: string }) {
    const wrong = state.status !== AWAITING && state.status !== PAID && `is void as ${state.status}`;
    Object.assign(state, { status: VOID, voidReason: reason });
    return wrong;
  },
};

function close(state: OrderState, open: string[], id: string): string | false {
  const at = open.indexOf(id);
  if (at >= 0) open.splice(at, 1);
  return at < 0 ? `takes the answer of ${id}, which is not open` : state.status !== AWAITING && state.status !== PAID && `takes the answer of ${id} as ${state.status}`;
}

interface Pieces {
  orderId: string;
  quantity: number;
}

const inventory: Record<string, Apply> = {
  StockAdded(state: InventoryState, { quantity }: Pieces) {
    state.available += quantity;
    return null;
  },
  StockRemoved(state: InventoryState, { quantity }: Pieces) {
    state.available -= quantity;
    return state.available < 0 && 'has fewer than no pieces';
  },
  StockReserved(state: InventoryState, { orderId, quantity }: Pieces) {
    const wrong = state.reservations[orderId] !== undefined ? `reserves twice for order ${orderId}` : state.available < quantity && `reserves ${quantity} of ${state.available} for order ${orderId}`;
    state.available -= quantity;
    state.reserved += quantity;
    state.reservations[orderId] = quantity;
    return wrong;
  },
  ReservationConfirmed(state: InventoryState, pieces: Pieces) {
    state.sold += pieces.quantity;
    return ends(state, pieces, 'sells');
  },
  ReservationReleased(state: InventoryState, pieces: Pieces) {
    state.available += pieces.quantity;
    return ends(state, pieces, 'releases');
  },
};

function ends(state: InventoryState, { orderId, quantity }: Pieces, what: string): string | false {
  const held = state.reservations[orderId] ?? 0;
  state.reserved -= quantity;
  delete state.reservations[orderId];
  return held !== quantity && `${what} ${quantity} for order ${orderId}, which has ${held} reserved`;
}

const payment: Record<string, Apply> = {
  PaymentAuthorised(state: PaymentState, { orderId, amount, method }: PaymentState) {
    const wrong = state.status !== 'PAYMENT_STATUS_UNSPECIFIED' && 'is authorised twice';
    Object.assign(state, { status: 'PAYMENT_STATUS_AUTHORISED', orderId, amount, method });
    return wrong;
  },
  PaymentCaptured: (state: PaymentState, { amount }: PaymentState) => settles(state, 'AUTHORISED', 'CAPTURED', amount),
  PaymentRefunded(state: PaymentState, { amount, reason }: PaymentState) {
    state.reason = reason;
    return settles(state, 'CAPTURED', 'REFUNDED', amount);
  },
  PaymentFailed(state: PaymentState, { reason }: PaymentState) {
    state.reason = reason;
    return settles(state, 'AUTHORISED', 'FAILED', state.amount);
  },
};

function settles(state: PaymentState, from: string, to: string, amount: number): string | false {
  const wrong = state.status !== `PAYMENT_STATUS_${from}` ? `becomes ${to} as ${state.status}` : amount !== state.amount && `of ${state.amount} becomes ${to} with ${amount}`;
  state.status = `PAYMENT_STATUS_${to}`;
  return wrong;
}

const product: Record<string, Apply> = {
  ProductCreated(state: ProductState, { name, description, price, inventoryId }: ProductState) {
    const wrong = state.created && 'is created twice';
    Object.assign(state, { created: true, name, description, price, inventoryId });
    return wrong;
  },
  PriceChanged(state: ProductState, { oldPrice, newPrice }: { oldPrice: number; newPrice: number }) {
    const wrong = state.price !== oldPrice && `has its price of ${state.price} changed from ${oldPrice}`;
    state.price = newPrice;
    return wrong;
  },
  ProductPutOnSale(state: ProductState) {
    const wrong = state.onSale && 'is put on sale twice';
    state.onSale = true;
    return wrong;
  },
  ProductTakenOffSale(state: ProductState) {
    const wrong = !state.onSale && 'is taken off sale twice';
    state.onSale = false;
    return wrong;
  },
};

interface NotedOrder {
  orderId: string;
  status: string;
  total: number;
  placedMs: number;
}

/** How many a user, and a notification, remember. */
const ORDERS_MAX = 100;
const NOTICES_MAX = 20;

const user: Record<string, Apply> = {
  OrderNoted(state: { orders: NotedOrder[] }, { orderId, total, placedMs }: NotedOrder) {
    const wrong = state.orders.some((noted) => noted.orderId === orderId) && `notes order ${orderId} twice`;
    state.orders = [...state.orders, { orderId, status: AWAITING, total, placedMs }].slice(-ORDERS_MAX);
    return wrong;
  },
  OrderStatusNoted(state: { orders: NotedOrder[] }, { orderId, status }: NotedOrder) {
    const noted = state.orders.find((order) => order.orderId === orderId);
    if (noted === undefined) return `notes order ${orderId}, which it does not know, as ${status}`;
    const isNext = noted.status === AWAITING ? status !== CONFIRMED : noted.status === PAID && (status === CONFIRMED || status === VOID);
    const wrong = !isNext && `notes order ${orderId}, which is ${noted.status}, as ${status}`;
    noted.status = status;
    return wrong;
  },
};

const notification: Record<string, Apply> = {
  Notified(state: { notices: object[] }, notice: object) {
    state.notices = [...state.notices, notice].slice(-NOTICES_MAX);
    return null;
  },
};

const folds: Record<string, Record<string, Apply>> = {
  'shop.v1.Order': order,
  'shop.v1.Inventory': inventory,
  'shop.v1.Payment': payment,
  'shop.v1.Product': product,
  'shop.v1.User': user,
  'shop.v1.Notification': notification,
};

export function isFolded(actorType: string): boolean {
  return Object.hasOwn(folds, actorType);
}

export function newState(actorType: string): Fields {
  return initialState(actorType);
}

/** Folds an event in; answers what is wrong with it, for a sentence that begins with the actor. */
export function applyEvent(actorType: string, state: Fields, name: string, event: Fields, nowMs: number): string | null {
  const apply = folds[actorType]?.[name];
  if (apply === undefined) return `has an event ${name}, which this check does not know`;
  return apply(state as never, event as never, nowMs) || null;
}
