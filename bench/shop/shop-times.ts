/**
 * How much went on in the shop, and when, by the records of its logs. A record has the wall clock of its turn.
 *
 * A *turn* is a decision of a behaviour that became a record: a client's command or a message between actors, whether it was accepted, refused or has
 * failed. Records of what buckets note for themselves (links taken in, how far a broadcast has come) are records and no turns.
 */

import type { LogRecord } from '../../runtime/faults/messages/log-record.ts';
import { DECISION, FAILED, REJECTION, typeOf } from '../../runtime/faults/messages/log-record.ts';

const TURNS: readonly number[] = [DECISION, REJECTION, FAILED];
const PRODUCT = 'shop.v1.Product:';

export interface Amount {
  readonly records: number;
  readonly turns: number;
}

export interface OffSale {
  readonly product: string;
  /** Of the turn in which it went off sale. */
  readonly atMs: number;
  /** Of the last order that its broadcast made void; `atMs` when there was none. */
  lastVoidMs: number;
  voids: number;
}

export class ShopTimes {
  /** In the order in which they happened, as far as the logs tell. */
  readonly offSales = new Map<string, OffSale>();
  refunds = 0;
  /** Orders that were refused by a product that was off sale already. */
  tooLate = 0;
  /** Of turns, and of other records with a time. */
  private readonly turnMs: number[] = [];
  private readonly otherMs: number[] = [];
  /** By product, of orders that its broadcast made void: a log may be read in front of that of the product. */
  private readonly voidMs: [product: string, atMs: number][] = [];

  record({ kind, actor, principal, name: command, nowMs, events }: LogRecord): void {
    (TURNS.includes(kind) ? this.turnMs : this.otherMs).push(nowMs);
    for (const { name } of events) {
      if (name === 'ProductTakenOffSale') this.offSales.set(actor, { product: actor, atMs: nowMs, lastVoidMs: nowMs, voids: 0 });
      else if (name === 'PaymentRefunded') this.refunds++;
      else if (name === 'OrderVoided' && command === 'VoidOrder' && typeOf(actor) === 'shop.v1.Order') this.voidMs.push([principal, nowMs]);
      else if (name === 'OrderVoided') this.tooLate++;
    }
  }

  /** When all logs were read. @throws Error for a void that no product has caused */
  settle(): void {
    for (const [product, atMs] of this.voidMs.splice(0)) {
      const offSale = this.offSales.get(product);
      if (offSale === undefined) throw new Error(`an order was made void by ${product || 'nobody'}, which did not go off sale`);
      offSale.voids++;
      offSale.lastVoidMs = Math.max(offSale.lastVoidMs, atMs);
    }
  }

  /** In `[fromMs, toMs)` of the wall clock; all of it when they are left out. */
  amount(fromMs = -Infinity, toMs = Infinity): Amount {
    const within = (times: readonly number[]): number => times.reduce((sum, ms) => (ms >= fromMs && ms < toMs ? sum + 1 : sum), 0);
    const turns = within(this.turnMs);
    return { turns, records: turns + within(this.otherMs) };
  }

  productOf(id: string): OffSale | undefined {
    return this.offSales.get(PRODUCT + id);
  }
}
