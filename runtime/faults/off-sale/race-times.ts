/**
 * When what happened in the race for a product, by the records of the logs. A record has the wall clock of its turn; it is durable, and told to
 * others, a synchronised write later.
 */

import type { LogRecord } from '../messages/log-record.ts';
import { typeOf } from '../messages/log-record.ts';
import { decodeEvent } from '../messages/shop-messages.ts';
import { quantile } from '../waiter.ts';
import { INVENTORY, PRODUCT } from './race.ts';

export interface RaceFigures {
  /** By what became of them, and whether that was before the product went off sale or behind it. */
  readonly paidBefore: number;
  readonly paidBehind: number;
  readonly expiredBefore: number;
  readonly expiredBehind: number;
  /** Told by the product's broadcast; and refused by it, because they came when it was off sale already. */
  readonly void: number;
  readonly refused: number;
  /** Orders whose time to pay ended between the off-sale and the last void, whatever became of them. */
  readonly dueMeanwhile: number;
  /** Payments that were authorised when the product went off sale, and had no answer of their order yet. */
  readonly paymentsInFlight: number;
  readonly payments: { readonly captured: number; readonly refunded: number; readonly failed: number };
  /** Payments that were refunded more than once: a finding, too. */
  readonly refundedTwice: number;
  /** From the acknowledged off-sale to each void by the broadcast. */
  readonly voidLagMs: Lag;
  /** From the same moment to when the last piece was given back. */
  readonly lastReleaseMs: number;
  /** From a payment to its refund. */
  readonly refundLagMs: Lag;
}

export interface Lag {
  readonly p50: number;
  readonly p99: number;
  readonly last: number;
}

interface PaymentTimes {
  authorisedMs: number;
  answeredMs: number;
  isCaptured: boolean;
  hasFailed: boolean;
  refunds: number;
}

export class RaceTimes {
  private offSaleMs = Infinity;
  private readonly paid: number[] = [];
  private readonly expired: number[] = [];
  private readonly voided: number[] = [];
  private refused = 0;
  private readonly due: number[] = [];
  private lastReleaseMs = 0;
  private readonly refundLags: number[] = [];
  private readonly payments = new Map<string, PaymentTimes>();

  record(record: LogRecord): void {
    const type = typeOf(record.actor);
    if (type === 'shop.v1.Payment') this.payment(record);
    for (const { name, data } of record.events) {
      const at = record.nowMs;
      if (record.actor === PRODUCT && name === 'ProductTakenOffSale') this.offSaleMs = at;
      else if (record.actor === INVENTORY && name === 'ReservationReleased') this.lastReleaseMs = Math.max(this.lastReleaseMs, at);
      else if (type === 'shop.v1.Order') this.order(record, name, data, at);
    }
  }

  /** `acknowledgedMs`: when whoever took the product off sale was answered, by the same wall clock. */
  figures(acknowledgedMs: number): RaceFigures {
    const { offSaleMs, voided, payments } = this;
    const isBefore = (ms: number): boolean => ms <= offSaleMs;
    const before = (times: readonly number[]): number => times.filter(isBefore).length;
    const voidLagMs = lagOf(voided.map((ms) => ms - acknowledgedMs));
    const lastMs = acknowledgedMs + voidLagMs.last;
    const all = [...payments.values()];
    const [paidBefore, expiredBefore] = [before(this.paid), before(this.expired)];
    return {
      paidBefore, paidBehind: this.paid.length - paidBefore,
      expiredBefore, expiredBehind: this.expired.length - expiredBefore,
      void: voided.length, refused: this.refused,
      dueMeanwhile: this.due.filter((ms) => !isBefore(ms) && ms <= lastMs).length,
      paymentsInFlight: all.filter(({ authorisedMs, answeredMs }) => isBefore(authorisedMs) && !isBefore(answeredMs)).length,
      payments: {
        captured: all.filter(({ isCaptured, refunds }) => isCaptured && refunds === 0).length,
        refunded: all.filter(({ refunds }) => refunds > 0).length,
        failed: all.filter(({ hasFailed }) => hasFailed).length,
      },
      refundedTwice: all.filter(({ refunds }) => refunds > 1).length,
      voidLagMs, refundLagMs: lagOf(this.refundLags),
      lastReleaseMs: this.lastReleaseMs === 0 ? 0 : this.lastReleaseMs - acknowledgedMs,
    };
  }

  private order({ actor, name: command }: LogRecord, event: string, data: Buffer, at: number): void {
    if (event === 'OrderPlaced') this.due.push(Number(decodeEvent(typeOf(actor), event, data)!['payBeforeMs']));
    else if (event === 'OrderPaid') this.paid.push(at);
    else if (event === 'OrderExpired') this.expired.push(at);
    else if (event === 'OrderVoided' && command === 'VoidOrder') this.voided.push(at);
    else if (event === 'OrderVoided') this.refused++;
  }

  /** The order's answer may come to nothing but a record: the money was there already. */
  private payment({ actor, name, nowMs, events }: LogRecord): void {
    let times = this.payments.get(actor);
    if (times === undefined) this.payments.set(actor, (times = { authorisedMs: nowMs, answeredMs: Infinity, isCaptured: false, hasFailed: false, refunds: 0 }));
    if (name === 'TakeOrderAnswer') times.answeredMs = Math.min(times.answeredMs, nowMs);
    for (const event of events) {
      if (event.name === 'PaymentCaptured') times.isCaptured = true;
      else if (event.name === 'PaymentFailed') times.hasFailed = true;
      else if (event.name === 'PaymentRefunded') {
        times.refunds++;
        this.refundLags.push(nowMs - times.authorisedMs);
      }
    }
  }
}

function lagOf(times: readonly number[]): Lag {
  const sorted = [...times].sort((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), last: sorted.at(-1) ?? 0 };
}
