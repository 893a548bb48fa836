/**
 * The shop, over all logs.
 *
 *  C7  Every event fits the state that the events before it make. No piece and no amount appears or vanishes between actors: at rest an
 *      order has one outcome, which its user and whoever was to be notified have noted once; its pieces are sold when it is confirmed and given
 *      back when it is not; what was captured and not refunded is what the orders were paid with; and an actor's state, read through a
 *      node, is the fold of its events.
 */

import { placeOf, typeOf } from './log-record.ts';
import type { Complain, LogRecord } from './log-record.ts';
import { AWAITING, CONFIRMED, PAID, VOID, applyEvent, isFolded, newState, wantedOf } from './shop-fold.ts';
import type { InventoryState, OrderState, PaymentState } from './shop-fold.ts';
import { decodeEvent, decodeState, sorted } from './shop-messages.ts';
import type { Fields } from './shop-messages.ts';

interface Page {
  readonly type: string;
  readonly state: Fields;
  seq: number;
}

const ORDER = 'shop.v1.Order:';
const CAPTURED = 'PAYMENT_STATUS_CAPTURED';
const NOTES = ['OrderNoted', 'OrderStatusNoted', 'Notified'];

export class ShopCheck {
  /** How the orders stood when they were settled last. */
  outcomes: Record<string, number> = {};
  private readonly pages = new Map<string, Page>();
  /** What others have noted of an order, in the order of noting, by who noted it and the order. */
  private readonly noted = new Map<string, string[]>();
  /** Pieces sold, by inventory and order. */
  private readonly sold = new Map<string, Map<string, number>>();
  private readonly complain: Complain;

  constructor(complain: Complain) {
    this.complain = complain;
  }

  record(record: LogRecord): void {
    const { actor, events } = record;
    if (events.length === 0 || !isFolded(typeOf(actor))) return;
    let page = this.pages.get(actor);
    if (page === undefined) this.pages.set(actor, (page = { type: typeOf(actor), state: newState(typeOf(actor)), seq: 0 }));
    for (const { name, data } of events) {
      page.seq++;
      const event = decodeEvent(page.type, name, data);
      if (event === null) {
        this.complain('C7', `${placeOf(record)}: ${actor} has an event ${name}, which is none of its type`);
        continue;
      }
      if (NOTES.includes(name)) this.notes(`${page.type} ${String(event['orderId'])}`, name === 'OrderNoted' ? AWAITING : String(event['status']));
      if (name === 'ReservationConfirmed') this.sells(actor, event as { orderId: string; quantity: number });
      const wrong = applyEvent(page.type, page.state, name, event, record.nowMs);
      if (wrong !== null) this.complain('C7', `${placeOf(record)}: ${actor} ${wrong}`);
    }
  }

  get actors(): string[] {
    return [...this.pages.keys()];
  }

  /** An actor's state as a node gives it, at rest. */
  compare(actor: string, seq: number, bytes: Uint8Array): void {
    const page = this.pages.get(actor);
    if (page === undefined) throw new Error(`${actor} has no events`);
    if (seq !== page.seq) this.complain('C7', `${actor} is at seq ${seq}, the log has ${page.seq} events of it`);
    const [given, wanted] = [JSON.stringify(sorted(decodeState(page.type, bytes))), JSON.stringify(sorted(page.state))];
    if (given !== wanted) this.complain('C7', `the state of ${actor} is ${given}, its events make ${wanted}`);
  }

  /** C7, at rest. */
  settle(): void {
    const orders = this.statesOf<OrderState>('shop.v1.Order');
    this.outcomes = {};
    for (const [actor, state] of orders) this.order(actor, state);
    for (const [actor, { reservations, available }] of this.statesOf<InventoryState>('shop.v1.Inventory')) {
      if (available < 0) this.complain('C7', `${actor} has ${available} available`);
      for (const id of Object.keys(reservations)) {
        if (orders.get(ORDER + id)?.status !== AWAITING) this.complain('C7', `${actor} holds a reservation for order ${id}, which is ${orders.get(ORDER + id)?.status ?? 'not placed'}`);
      }
      for (const id of this.sold.get(actor)?.keys() ?? []) {
        if (orders.get(ORDER + id)?.status !== CONFIRMED) this.complain('C7', `${actor} has sold to order ${id}, which is ${orders.get(ORDER + id)?.status ?? 'not placed'}`);
      }
    }
    this.payments(orders);
  }

  private order(actor: string, state: OrderState): void {
    const { status, openOffers, openReservations } = state;
    const id = actor.slice(ORDER.length);
    this.outcomes[status] = (this.outcomes[status] ?? 0) + 1;
    const open = openOffers.length + openReservations.length;
    if (status === PAID) this.complain('C7', `${actor} is paid and neither confirmed nor void`);
    if (status === AWAITING && open > 0) this.complain('C7', `${actor} waits for ${open} answers that do not come`);
    const told = this.noted.get(`shop.v1.User ${id}`) ?? [];
    if (told[0] !== AWAITING || (status !== AWAITING && told.at(-1) !== status)) this.complain('C7', `${actor} is ${status}, and its user has noted [${told.join()}]`);
    const notices = (this.noted.get(`shop.v1.Notification ${id}`) ?? []).filter((notice) => notice !== AWAITING);
    if (state.notify !== '' && status !== AWAITING && notices.join() !== status) this.complain('C7', `${actor} is ${status}, and who was to be notified has noted [${notices.join()}]`);
    for (const [inventory, quantity] of wantedOf(state)) {
      const sold = this.sold.get(`shop.v1.Inventory:${inventory}`)?.get(id) ?? 0;
      const due = status === CONFIRMED ? quantity : 0;
      if (sold !== due) this.complain('C7', `${actor} is ${status}, and inventory ${inventory} has sold it ${sold} pieces instead of ${due}`);
    }
  }

  private payments(orders: ReadonlyMap<string, OrderState>): void {
    let kept = 0;
    for (const [actor, { status, orderId, amount }] of this.statesOf<PaymentState>('shop.v1.Payment')) {
      const order = orders.get(ORDER + orderId);
      const isTaken = order !== undefined && order.paymentId !== '' && `shop.v1.Payment:${order.paymentId}` === actor;
      const isKept = isTaken && order.status !== VOID;
      // What is not kept has failed, or was refunded where it had come already.
      const due = isKept ? [CAPTURED] : ['PAYMENT_STATUS_FAILED', 'PAYMENT_STATUS_REFUNDED'];
      if (!due.includes(status)) this.complain('C7', `${actor} for order ${orderId}, which is ${order?.status ?? 'not placed'}, is ${status} instead of ${due.join(' or ')}`);
      if (status === CAPTURED) kept += amount;
    }
    let paid = 0;
    for (const { status, paymentId, total } of orders.values()) if (paymentId !== '' && status !== VOID) paid += total;
    if (kept !== paid) this.complain('C7', `${kept} are captured and not refunded, ${paid} were paid for orders`);
  }

  private notes(what: string, status: string): void {
    const list = this.noted.get(what);
    if (list === undefined) this.noted.set(what, [status]);
    else list.push(status);
  }

  private sells(inventory: string, { orderId, quantity }: { orderId: string; quantity: number }): void {
    let sold = this.sold.get(inventory);
    if (sold === undefined) this.sold.set(inventory, (sold = new Map()));
    sold.set(orderId, (sold.get(orderId) ?? 0) + quantity);
  }

  private statesOf<State>(type: string): Map<string, State> {
    return new Map([...this.pages].filter(([, page]) => page.type === type).map(([actor, { state }]) => [actor, state as State]));
  }
}
