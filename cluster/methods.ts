/** What nodes ask of each other: the transport's methods, and the shapes of their values. Bodies are the transport's bodies. */

import type { Format } from '../runtime/actor/engine.ts';
import type { BucketLoad, NodeLoad } from '../runtime/admin/operations.ts';

/**
 * Request. Answer: the seq, with the reply as body. `era`: see refusals.ts. `tried`, when an earlier try may have been recorded: see
 * `CommandRequest.triedSince` and `triedMs`. `sentMs`: when this was sent, by the sender's clock, see way-times.ts; nodes of before leave it out.
 */
export const COMMAND = 1;
export type CommandValue = [to: string, name: string, format: Format, key: string, principal: string, session: string, era: number, tried: Tried, sentMs?: number];
/** Where, or else so many milliseconds ago; null for a first try. */
export type Tried = [incarnationHi: number, incarnationLo: number, position: number] | number | null;

/** Request. Answer: the seq, with the state as body. */
export const GET = 2;
export type GetValue = [to: string, format: Format, era: number];

/** Stream. Events: `[WATCH_OPENED, seq]` once, then `[WATCH_EVENT, seq, name]` with the event as body. */
export const WATCH = 3;
export type WatchValue = [to: string, format: Format, from: number];
export const WATCH_OPENED = 0;
export const WATCH_EVENT = 1;
export type WatchEventValue = [what: typeof WATCH_OPENED, seq: number] | [what: typeof WATCH_EVENT, seq: number, name: string];

/** Request. Answer: the records as `troupe events` shows them. */
export const RECORDS = 4;
export type RecordsValue = [actor: string, fromSeq: number, recordsMax: number, areChangesWanted: boolean];

/** Request: these buckets were handed over to you. Answer: nothing, at once. */
export const TAKE = 5;
export type TakeValue = number[];

/** Request: put in service what is listed, up to this entry. Answer: nothing, when it is in service in every bucket of the node. */
export const SERVE = 6;
export type ServeValue = number;

/** Message: the bucket map has this version by now. */
export const MAP_CHANGED = 7;
export type MapChangedValue = number;

/** Message: messages between actors for buckets of the node, their bodies one behind the other as body. See message-courier.ts. */
export const DELIVER = 8;
export type DeliverValue = [source: number, incarnationHi: number, incarnationLo: number, destination: number, messages: DeliveredMessage[]][];
export type DeliveredMessage = [
  kind: number, number: number, position: number, entry: number, from: string, to: string, name: string, onReply: string, linkedNumber: number,
  bodyBytes: number,
];

/** Message: how far messages of the node's buckets were taken in. */
export const TAKEN = 9;
export type TakenValue = [source: number, incarnationHi: number, incarnationLo: number, destination: number, through: number, again: boolean][];

/** Request. Answer: a page of those who are linked to an actor. */
export const LINKED_TO = 10;
export type LinkedToValue = [actor: string, from: number, max: number];

/** Request. Answer: those that an actor is linked to. */
export const LINKS_OF = 11;
export type LinksOfValue = string;

/** Message: how far the logs of the node's buckets have come; the body is that of place-exchange.ts. The value is `sentMs`, as of a command. */
export const POSITIONS = 12;
export type PositionsValue = number | null;

/** Message: what helps to open this bucket, of which TAKE says soon that it was handed over; the body is that of `Journal.logIndexOf`. Nodes of before do not know it. */
export const LOG_INDEX = 13;
export type LogIndexValue = number;

// From 40 on: what operators ask.

/** Request: how the node is doing; with its buckets one by one, or without. */
export const LOAD = 40;
export type LoadValue = boolean;
/** Request. Answer: a DeadLetterPage of the buckets of the asked node. */
export const LETTERS = 41;
export type LettersValue = [type: string, afterBucket: number, afterPosition: number, max: number, actor: string];

/** Requests. Answer: a LetterOutcome. */
export const RETRY_LETTER = 42;
export const DROP_LETTER = 43;
export type PlaceValue = [bucket: number, position: number];

/** Request with an actor's address. Answer: its PendingTimers. */
export const TIMERS = 44;

/** Request. Answer: a CauseLink. */
export const EXPLAIN = 45;
export type ExplainValue = [actor: string, seq: number] | [actor: null, bucket: number, position: number];

export interface LoadAnswer {
  readonly node: NodeLoad;
  /** Null when they were not asked for. */
  readonly buckets: readonly BucketLoad[] | null;
}
