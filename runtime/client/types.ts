/** Types of the client's public surface. */

/** What an app may give to have its commands checked: by actor type, by command, what goes in and what comes back. */
export type CommandMap = Record<string, Record<string, { readonly body: unknown; readonly reply: unknown }>>;

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyCommands = Record<string, Record<string, { readonly body: any; readonly reply: any }>>;

export type AddressOf<C extends CommandMap> = string extends keyof C ? string : `${keyof C & string}:${string}`;
export type TypeOf<C extends CommandMap, A extends string> =
  string extends keyof C ? string : A extends `${infer T}:${string}` ? T & keyof C : never;
export type CommandOf<C extends CommandMap, A extends string> = keyof C[TypeOf<C, A>] & string;

export interface Sent<R> {
  /** Number of the actor's newest event after the command. */
  readonly seq: number;
  readonly reply: R;
}

export interface Got<S> {
  /** Number of the actor's newest event at the read; 0: it has none. */
  readonly seq: number;
  readonly state: S;
}

export interface WatchedEvent<B = unknown> {
  readonly seq: number;
  readonly event: string;
  readonly body: B;
}

export interface SendOptions {
  /** Idempotency key; a random one by default. The same key with the same command and body is applied once. */
  readonly key?: string;
  /** Over all attempts. */
  readonly deadlineMs?: number;
  /**
   * With a key: how long ago the first try was, when somebody has sent this command before and does not know what became of it. It is then applied once even
   * when its actor has taken more commands since than it remembers. For its own retries the client does so by itself.
   */
  readonly triedMs?: number;
}

export interface WatchOptions {
  /** First event wanted, 1 is the actor's first; 0 (the default) means from now on. */
  readonly from?: number;
}

export interface ConnectOptions {
  /** Bearer token, or how to get a fresh one: asked before every connection. */
  readonly token?: string | (() => string | Promise<string>);
  /** Over all attempts of a command or read; 30,000 by default. */
  readonly deadlineMs?: number;
  /** Attempts of one command or read; 10 by default. */
  readonly attemptsMax?: number;
  /**
   * Commands to one actor that may be under way at once; 1 by default, which keeps their order whatever happens. With more,
   * one that is refused for a while (MAILBOX_FULL, NOT_READY, ...) and then retried can be overtaken by those sent behind it.
   * Commands to different actors never wait for each other.
   */
  readonly inFlightPerActorMax?: number;
  /**
   * Whether to go straight to the nodes that own the actors, once the node reached first has told which they are; true by default. Without,
   * everything takes one connection, and nodes pass on what is not their own.
   */
  readonly direct?: boolean;
  /** How old the knowledge of who owns what may become while requests flow; 3,000 ms by default. */
  readonly mapAgeMaxMs?: number;
  /** A connection that was asked something and stays silent for so long is taken for lost; 10,000 ms by default. */
  readonly silenceMaxMs?: number;
  /** Requests under way on a connection; 512 by default, a node allows 1,024. Others wait. */
  readonly inFlightMax?: number;
  /** Requests that may wait for their answer in all; 100,000 by default. */
  readonly waitingMax?: number;
  /** Events that a watch holds for a slow consumer; 4,096 by default. Above it the watch pauses and later goes on. */
  readonly watchBufferMax?: number;
  /** Delay before a retry or a new connection; doubles from the first to the largest, with jitter. */
  readonly backoffFirstMs?: number;
  readonly backoffMaxMs?: number;
  /** For tests. */
  readonly random?: () => number;
  readonly WebSocket?: typeof WebSocket;
}
