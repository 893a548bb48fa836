/**
 * What the engine offers to the gateway, the admin port and the composition root. The implementation is in this folder;
 * consumers import only this file.
 */

import type { ErrorCode } from '../codec/errors.ts';
import type { Hash64 } from '../codec/hash64.ts';
import type { Address } from '../codec/names.ts';
import type { Format } from '../sandbox/sandbox.ts';

export { Address } from '../codec/names.ts';
export type { Format };
export { FORMAT_JSON, FORMAT_PROTO } from '../sandbox/sandbox.ts';

/** An error as a client sees it; hint and retryable come from the catalogue. */
export interface AnswerError {
  readonly code: ErrorCode;
  readonly message: string;
  /** The behaviour's own code, with REJECTED. */
  readonly reason?: string;
}

/** A place in a bucket's log, which says nothing about a log with another incarnation. */
export interface LogPlace {
  readonly incarnation: Hash64;
  readonly position: number;
}

/**
 * A command on its way. The gateway makes one per request; the engine answers it exactly once, by `done` or by `failed`,
 * never before everything the answer depends on is durable, and always in a later turn of the event loop than `submit`.
 */
export interface CommandRequest {
  readonly to: Address;
  readonly name: string;
  readonly format: Format;
  /** The body is `body[bodyFrom, bodyTo)`, and stays as it is until answered. */
  readonly body: Buffer;
  readonly bodyFrom: number;
  readonly bodyTo: number;
  /** Idempotency key; '' when the client sent none. */
  readonly key: string;
  /**
   * Set when an earlier try of a command with a key may have been recorded, at this position of its bucket's log or behind it: it is applied once, even when
   * the actor does not remember the key any more.
   */
  readonly triedSince?: LogPlace | undefined;
  /** The same, as the client says it: the first try was so many milliseconds ago. 0 or nothing for a first one. */
  readonly triedMs?: number;
  /** For so long it was on its way here, at most: its client may have got it done elsewhere meanwhile. 0 or nothing for one that came in time. */
  readonly waitedMs?: number;
  /** Who sends; '' only with --auth none. */
  readonly principal: string;
  /** The connection, for causation. */
  readonly session: string;
  /** `buffer[from, to)` is the reply in `format`; copy it before returning. `seq` is the actor's newest event. */
  done(seq: number, buffer: Buffer, from: number, to: number): void;
  failed(error: AnswerError): void;
}

export interface GetRequest {
  readonly to: Address;
  readonly format: Format;
  /** As `CommandRequest.done`, with the state. `seq` 0: the actor has no events and shows its initial state. */
  done(seq: number, buffer: Buffer, from: number, to: number): void;
  failed(error: AnswerError): void;
}

export interface WatchRequest {
  readonly to: string;
  readonly format: Format;
  /** First event wanted; 0 means from now on. */
  readonly from: number;
  /** The watch stands; its events follow. `seq` is the actor's newest event at that moment. */
  opened(seq: number): void;
  /** The next event, in order, without gap; `buffer[from, to)` is its body, copy it. False asks for a pause until `resume`. */
  event(seq: number, name: string, buffer: Buffer, from: number, to: number): boolean;
  /** The watch is over. */
  failed(error: AnswerError): void;
}

export interface Watch {
  resume(): void;
  close(): void;
}

export interface ServedBehavior {
  readonly type: string;
  /** SHA-256, hex. */
  readonly bundle: string;
  readonly foldHash: string;
  readonly commands: readonly string[];
  readonly events: readonly string[];
  /** Reason, when the type is quarantined under this bundle. */
  readonly quarantined: string | null;
}

export interface Deployed {
  readonly bundle: string;
  readonly types: readonly string[];
  /** False when this bundle was the one in service for all its types. */
  readonly changed: boolean;
}

/** What a record came of: a session of a client, or the record that sent the message. */
export interface RecordCause extends RecordPlace {
  /** Of a client; '' for a message. */
  readonly session: string;
  /** Of the log that holds the record; '' for a client. */
  readonly incarnation: string;
  /** Index among the sends of that record; of a LINKED record, among its links. */
  readonly entry: number;
  /** On the channel between the two buckets; 0 when the message was taken up again. */
  readonly number: number;
}

/** One record as `troupe events` shows it. Bodies are ProtoJSON values. */
export interface RecordView {
  readonly position: number;
  readonly bucket: number;
  readonly incarnation: string;
  readonly epoch: number;
  readonly kind: string;
  readonly actor: string;
  /** Whom a message is for that was parked, failed or dropped: such a record is not in the actor's history. */
  readonly addressee: string;
  /** null when a timer has brought it, when it goes on with something, and for what nobody asked for. */
  readonly cause: RecordCause | null;
  /** The timer that has brought the command; null when none has. `nextDueMs` is 0 when it is over. */
  readonly firing: { readonly timer: { readonly position: number; readonly index: number }; readonly name: string; readonly dueMs: number; readonly missed: number; readonly nextDueMs: number } | null;
  /** Position of the parked or failed record whose message it takes up again, or drops; 0 for none. */
  readonly resumes: number;
  readonly onReply: string;
  readonly firstSeq: number;
  readonly command: string;
  readonly key: string;
  readonly principal: string;
  readonly nowMs: number;
  readonly bundle: string;
  readonly payload: unknown;
  readonly events: readonly { readonly seq: number; readonly name: string; readonly body: unknown; readonly changes?: readonly FieldChange[] }[];
  readonly sends: readonly { readonly to: string; readonly name: string; readonly body: unknown; readonly number: number; readonly onReply: string }[];
  readonly timers: readonly RecordTimer[];
  readonly links: readonly RecordLink[];
  readonly broadcasts: readonly { readonly name: string; readonly body: unknown }[];
  readonly linkTaken: { readonly target: string; readonly actor: string; readonly unlink: boolean; readonly linkedNumber: number } | null;
  readonly cursor: { readonly position: number; readonly index: number; readonly through: number; readonly done: boolean; readonly actor: string } | null;
  readonly reply: unknown;
  readonly rejection: { readonly code: string; readonly message: string } | null;
  readonly failure: { readonly code: string; readonly message: string } | null;
}

/** Armed: with `dueMs` and `command`, and with `everyMs` or `cron` and `zone` when it repeats; or cancelled. */
export interface RecordTimer {
  readonly name: string;
  readonly cancelled?: true;
  /** The timer that it takes the place of. */
  readonly replaces?: { readonly position: number; readonly index: number };
  readonly dueMs?: number;
  readonly everyMs?: number;
  readonly cron?: string;
  readonly zone?: string;
  readonly command?: string;
  readonly body?: unknown;
}

/** `number` and `linkedNumber`: of the message that says so to `actor`. */
export interface RecordLink {
  readonly actor: string;
  readonly unlink: boolean;
  readonly number: number;
  readonly linkedNumber: number;
}

/** One field of a state before and after an event; left out where there was none. */
export interface FieldChange {
  /** `lines[2].quantity`, `stock["tea"]`. */
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/**
 * Where in the scripts a decision asked for what it did: "<file>:<line>:<column>" in the bundle, found out by deciding once more on the state
 * before it. One for each event, send, timer, link and broadcast of the record, in order; the reply to a message, a send that no line asks
 * for, has none. `problem`: why there are no lines, or why they may not be trusted.
 */
export interface DecisionTrace {
  readonly problem: string;
  readonly events: readonly string[];
  readonly sends: readonly string[];
  readonly timers: readonly string[];
  readonly links: readonly string[];
  readonly broadcasts: readonly string[];
  readonly refusal: string;
}

/**
 * - `client`: a session; the chain begins here.
 * - `message`, `link`: the record that sent it, by the entry among its sends or links.
 * - `timer`: the record that armed it. `broadcast`: the record with the broadcast. `again`: the record that it was parked or had failed in.
 * - `none`: nobody asked for it.
 */
export type CauseKind = 'client' | 'message' | 'link' | 'timer' | 'broadcast' | 'again' | 'none';

export interface CauseLink {
  readonly record: RecordView;
  /** null where no behaviour ran. */
  readonly trace: DecisionTrace | null;
  readonly cause: { readonly kind: CauseKind; readonly place: RecordPlace | null; readonly entry: number; readonly incarnation: string };
}

/** From a record back to what began it, which comes last. */
export interface CauseChain {
  readonly links: readonly CauseLink[];
  /** Why it does not go back to its beginning; '' when it does. */
  readonly broken: string;
}

/** Which record: at a place, or the one with an event of an actor; seq 0 is the actor's newest record. */
export type RecordRef = RecordPlace | { readonly actor: string; readonly seq: number };

export interface Causes {
  /** One link. @throws TroupeError BAD_ADDRESS, BAD_REQUEST when there is no such record, NOT_READY when nobody serves its bucket */
  explain(ref: RecordRef): Promise<CauseLink>;
}

/** A record, by its place: the only name that it has for ever. */
export interface RecordPlace {
  readonly bucket: number;
  readonly position: number;
}

/** A message that was taken in and has had no effect: parked, because its actor could not take it, or failed. Known by its record. */
export interface DeadLetter extends RecordPlace {
  readonly state: 'parked' | 'failed';
  /** Why. */
  readonly code: string;
  readonly message: string;
  readonly nowMs: number;
  /** Under which it failed; '' when no behaviour was in service. */
  readonly bundle: string;
  /** The sending actor. */
  readonly from: string;
  readonly to: string;
  readonly command: string;
  /** A ProtoJSON value, or base64 where no bundle tells what it is. */
  readonly body: unknown;
  /** The sender's command that takes the reply; '' when nobody waits for one. */
  readonly onReply: string;
  /** Name of the timer that brought it; '' for none. */
  readonly timer: string;
  /** Position of the record of the failure before, when it was retried; 0 for none. */
  readonly resumes: number;
}

export interface DeadLetterQuery {
  /** Only messages to actors of this type; '' for all. */
  readonly type: string;
  /** Only messages to this actor, which all lie in its bucket; without it, to all. */
  readonly actor?: string;
  /** Only those behind this one. They are ordered by bucket, and within it by position. */
  readonly after: RecordPlace;
  readonly max: number;
}

export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  /** Where to go on; null when these were all. */
  readonly next: RecordPlace | null;
  /** Nodes that did not answer: their buckets are missing. */
  readonly missing: readonly string[];
}

/**
 * What has become of a message that was retried or dropped. `failed` and `parked`: it is listed again, by the record that `record` names; a
 * parked one that still cannot be taken keeps its own.
 */
export interface LetterOutcome {
  readonly became: 'decision' | 'rejection' | 'failed' | 'parked' | 'dropped';
  readonly record: RecordPlace;
  readonly code: string;
  readonly message: string;
}

export interface DeadLetters {
  deadLetters(query: DeadLetterQuery): Promise<DeadLetterPage>;

  /**
   * A failed message comes to its actor once more, behind what is there. Of a parked one its actor's messages are tried in their order.
   * @throws TroupeError BAD_REQUEST when there is none at this place (any more), NOT_READY while somebody else is busy with it or its bucket
   * does not serve, UNKNOWN_OUTCOME; doing it twice does no harm
   */
  retry(place: RecordPlace): Promise<LetterOutcome>;

  /** It is taken out of the way for good; whoever waits for its reply gets the refusal MESSAGE_DROPPED. @throws as `retry` */
  drop(place: RecordPlace): Promise<LetterOutcome>;
}

/** A timer that is still to fire. */
export interface PendingTimer {
  readonly name: string;
  /** When it is due next. */
  readonly dueMs: number;
  /** 0: it does not repeat, or by a calendar. */
  readonly everyMs: number;
  /** '' without a calendar. */
  readonly cron: string;
  readonly zone: string;
  readonly command: string;
  readonly body: unknown;
  readonly armedMs: number;
  /** The record that armed it. */
  readonly record: RecordPlace;
}

export interface ActorTimers {
  /**
   * The next one first, 1,000 at most; of what is durable.
   * @throws TroupeError BAD_ADDRESS, NOT_OWNER, NOT_READY
   */
  pendingTimers(actor: string): Promise<readonly PendingTimer[]>;
}

/** Takes the requests that an engine got and whose actor another node owns. Must not throw. */
export interface Elsewhere {
  /** Nobody else can have recorded it in front of `since`, whoever may have sent it there meanwhile; null when this engine does not know the log. */
  command(request: CommandRequest, since: LogPlace | null): void;
  get(request: GetRequest): void;
}

/**
 * Which node owns which bucket, as the asked node knows it: what clients need to go straight to the owner. A hint; a request that goes to
 * another node is passed on by that one. Immutable: the same object as long as nothing has changed.
 */
export interface Routes {
  /** Equal versions are equal maps; never 0. */
  readonly version: number;
  /** There are 2^bits buckets. */
  readonly bits: number;
  /** Those that own a bucket. `url` is where clients reach their gateway; '' when only they know. */
  readonly nodes: readonly { readonly id: string; readonly url: string }[];
  /** By bucket: the index of its owner in `nodes`, -1 for none. */
  readonly owners: Int16Array;
}

/** Who is linked to an actor, the oldest link first; of all of them a part. */
export interface LinkedPage {
  /** Of all of them. */
  readonly count: number;
  /** Who is linked, and the position of the link in the log of the other's bucket. */
  readonly links: readonly { readonly actor: string; readonly position: number }[];
  /** `from` of the next page; 0: there is none. */
  readonly next: number;
}

/** Associations, as they stand in the durable log. */
export interface Links {
  /**
   * The actors that are linked to this one, whom its broadcasts reach: links with a position from `from` on, at most `max`.
   * @throws TroupeError BAD_ADDRESS, NOT_READY
   */
  linkedTo(actor: string, from: number, max: number): Promise<LinkedPage>;

  /** The actors that this one is linked to. @throws TroupeError BAD_ADDRESS */
  linksOf(actor: string): Promise<readonly string[]>;
}

export interface Engine {
  submit(request: CommandRequest): void;
  get(request: GetRequest): void;
  watch(request: WatchRequest): Watch;

  /**
   * Checks a bundle, makes it durable, and puts it in service between two turns.
   * @throws TroupeError BUNDLE_INVALID, BUNDLE_TOO_LARGE, STATE_INCOMPATIBLE; nothing has changed then
   */
  deploy(content: Buffer): Promise<Deployed>;

  behaviors(): readonly ServedBehavior[];

  /**
   * Durable records of an actor that hold an event with seq >= fromSeq, or have no event and lie behind such a one; the oldest first. With what
   * each event changed in the state, when that is wanted: every event is folded once more for it.
   * @throws TroupeError BAD_ADDRESS
   */
  records(actor: string, fromSeq: number, recordsMax: number, areChangesWanted?: boolean): Promise<readonly RecordView[]>;

  readonly links?: Links;

  /** null when the node can serve; otherwise why not. */
  notReady(): string | null;

  /** The name of this node, and where actors are; `routes` is null when it does not know. */
  place?(): { readonly node: string; readonly routes: Routes | null };
}
