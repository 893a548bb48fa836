/** What the harness and the shop's customers say to each other; they are a process of their own. */

import type { ClientLoop } from '../client-driver/protocol.ts';
import type { Measure } from '../driver/recorder.ts';
import type { AnsweredCommand } from '../../runtime/faults/messages/messages-check.ts';
import type { Totals } from '../../runtime/demo/shop-conservation.ts';

export interface ShopJob {
  readonly urls: readonly string[];
  /** How many of our clients the customers share. */
  readonly clients: number;
  /** Of orders: each one is a whole story. */
  readonly loop: ClientLoop;
  readonly products: number;
  readonly users: number;
  /** Of the orders, in percent: nobody pays; somebody pays by transfer, in time or behind it. */
  readonly unpaidPercent: number;
  readonly latePercent: number;
  readonly paymentTimeSeconds: number;
  readonly seed: number;
}

export type ToCustomers =
  /** Stock is filled up, and the shop opens. */
  | { readonly do: 'start'; readonly job: ShopJob }
  | { readonly do: 'begin' }
  | { readonly do: 'end' }
  /** Nobody orders it from the moment in which it is acknowledged. */
  | { readonly do: 'offSale'; readonly product: number }
  /** Nobody comes in any more; when everybody has sent what he wanted. */
  | { readonly do: 'close' }
  /** When all orders have come to their end: what there is then. */
  | { readonly do: 'settle'; readonly withinMs: number };

export interface CustomersTotals {
  /** Commands, each from when it was sent. */
  readonly commands: Measure;
  /** Orders that were paid at once and confirmed, from when they were placed or, in an open loop, due, until the customer was told. */
  readonly orders: Measure;
  /** Of all orders, from the opening. */
  readonly placed: number;
  /** Of those, in the measured time. */
  readonly placedInTime: number;
  readonly answered: readonly AnsweredCommand[];
  /** Commands that should not have been refused, by code. */
  readonly errors: readonly (readonly [string, number])[];
  /** Sends beyond the first of a command. */
  readonly retries: number;
  readonly unanswered: number;
}

export interface Settled {
  readonly totals: Totals;
  readonly violations: readonly string[];
}

export type FromCustomers =
  | { readonly is: 'started' }
  /** By the wall clock, which the records of the logs have, too. */
  | { readonly is: 'begun'; readonly wallMs: number }
  | { readonly is: 'ended'; readonly wallMs: number }
  | { readonly is: 'offSale'; readonly wallMs: number }
  | { readonly is: 'closed'; readonly totals: CustomersTotals }
  | ({ readonly is: 'settled' } & Settled)
  | { readonly is: 'failed'; readonly message: string };
