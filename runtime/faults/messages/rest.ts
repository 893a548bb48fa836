/** When a shop is at rest, and what its actors' states are then. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { CarefulClient } from './careful-client.ts';
import { typeOf } from './log-record.ts';
import type { MessagesCheck } from './messages-check.ts';
import { decodeState } from './shop-messages.ts';
import type { Fields } from './shop-messages.ts';

const ANSWERS_MAX_MS = 60_000;
const REST_MAX_MS = 120_000;
const POLL_MS = 200;
/** Logs that have not grown for so long grow no more, unless there is something on its way: */
const STILL_MS = 1_000;
/** it may wait for as long before it is sent again (messageRetryMsMax). */
const RETRY_MS = 6_000;
/** Longer than a message is on its way, and than a timer is late, on the slowest machine. */
const LATE_MS = 20_000;
/** States that are looked at together. */
const GETS = 64;

const SETTLED = ['ORDER_STATUS_CONFIRMED', 'ORDER_STATUS_EXPIRED', 'ORDER_STATUS_VOID', 'ORDER_STATUS_UNSPECIFIED'];
const PAYMENT_SETTLED = ['PAYMENT_STATUS_CAPTURED', 'PAYMENT_STATUS_REFUNDED', 'PAYMENT_STATUS_FAILED', 'PAYMENT_STATUS_UNSPECIFIED'];

/** Whoever has made the shop busy. */
export interface Restful {
  /** Resolves when nobody sends any more, and everything is answered; false when that takes too long. */
  close(withinMs: number): Promise<boolean>;
  /** What is not at rest yet, by its state as a node gives it; empty when everything is. */
  restless(): Promise<string[]>;
}

export interface Resting {
  readonly load: Restful;
  readonly client: CarefulClient;
  readonly check: MessagesCheck;
  /** Says how far the logs have come. */
  positions(): Promise<string>;
  /** Reads the logs on, into `check`. */
  read(): Promise<void>;
}

/**
 * Resolves when the shop is closed, every order has its outcome, the logs do not grow any more, and they are read. What keeps it from its rest
 * is in the logs, too: they are read even when it does not come, for the messages and timers that are overdue.
 * @throws Error with what is not at rest in time
 */
export async function atRest(resting: Resting): Promise<void> {
  const { check } = resting;
  const positions = (): Promise<string> => resting.positions();
  try {
    await ended(resting);
    await logsStill(positions, REST_MAX_MS, STILL_MS);
    await resting.read();
    if (check.channels.inFlight === 0) return;
    await logsStill(positions, REST_MAX_MS, RETRY_MS);
    await resting.read();
  } catch (error) {
    await resting.read();
    check.late(Date.now() - LATE_MS);
    throw error;
  }
}

/** Nobody is inside, and every order and payment has its outcome. */
async function ended({ load, client }: Resting): Promise<void> {
  if (!(await load.close(ANSWERS_MAX_MS))) throw new Error(`rest: ${client.open} commands are not answered ${ANSWERS_MAX_MS} ms after the last was sent, the oldest for ${Math.round(client.oldestMs)} ms`);
  const until = performance.now() + REST_MAX_MS;
  for (let restless = await inTime(load.restless()); restless.length > 0; restless = await inTime(load.restless())) {
    if (performance.now() > until) throw new Error(`rest: after ${REST_MAX_MS} ms ${restless.length} actors have come to no end, among them ${restless.slice(0, 3).join(', ')}`);
    await sleep(POLL_MS);
  }
}

/** @throws Error when the logs go on growing */
export async function logsStill(positions: () => Promise<string>, withinMs: number, ms = STILL_MS): Promise<void> {
  const until = performance.now() + withinMs;
  let before = await positions();
  // Looks, not time: a machine that stands still between two of them shows nothing.
  for (let alike = 0; alike * POLL_MS < ms; alike++) {
    await sleep(POLL_MS);
    const now = await positions();
    if (now !== before) alike = -1;
    before = now;
    if (performance.now() > until) throw new Error('rest: nothing is left to be done, and the logs go on growing');
  }
}

/** C7: every actor's state, as a node gives it, against the fold of its events. */
export async function compareStates({ shop }: MessagesCheck, client: CarefulClient): Promise<void> {
  const actors = shop.actors;
  for (let at = 0; at < actors.length; at += GETS) {
    await inTime(Promise.all(actors.slice(at, at + GETS).map(async (actor) => {
      const { seq, body } = await client.get(actor);
      shop.compare(actor, seq, body);
    })));
  }
}

/** A client asks until it is answered, which a node that has ended never does. */
async function inTime<T>(asked: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(ANSWERS_MAX_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`rest: states of actors are not answered within ${ANSWERS_MAX_MS} ms`);
  });
  try {
    return await Promise.race([asked, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
}

/** What of the shop is not at rest; orders and payments that have come to their end leave `unsettled`. */
export async function restlessOf(client: CarefulClient, unsettled: Set<string>, inventories: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const actors = [...unsettled, ...inventories];
  for (let at = 0; at < actors.length; at += GETS) {
    await Promise.all(actors.slice(at, at + GETS).map(async (actor) => {
      const why = restlessness(decodeState(typeOf(actor), (await client.get(actor)).body), typeOf(actor));
      if (why === null) unsettled.delete(actor);
      else found.push(`${actor} ${why}`);
    }));
  }
  return found;
}

function restlessness(state: Fields, type: string): string | null {
  const status = String(state['status']);
  if (type === 'shop.v1.Order') return SETTLED.includes(status) ? null : `is ${status}`;
  if (type === 'shop.v1.Payment') return PAYMENT_SETTLED.includes(status) ? null : `is ${status}`;
  return state['reserved'] === 0 ? null : `has ${String(state['reserved'])} reserved`;
}
