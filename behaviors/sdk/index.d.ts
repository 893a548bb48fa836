/**
 * What a behaviour sees: the module `troupe` of the sandbox. Types only; there is nothing to install or to import at run
 * time. docs/BEHAVIORS.md is the guide.
 */

/** The messages of an actor type, as `troupe types` writes them. */
export interface ActorTypes {
  readonly type: string;
  readonly state: object;
  /** Command name to its message and its reply. */
  readonly commands: { readonly [name: string]: { readonly command: object; readonly reply: object } };
  /** Event name to its message. */
  readonly events: { readonly [name: string]: object };
}

type Name<T> = Extract<keyof T, string>;

/**
 * What a behaviour may leave out when it makes a message: every field, at every depth, has a default. What it is given is
 * complete.
 */
export type Draft<T> = T extends string | number | bigint | boolean | Uint8Array | null | undefined
  ? T
  : T extends readonly (infer E)[]
    ? readonly Draft<E>[]
    : { readonly [K in keyof T]?: Draft<T[K]> | undefined };

/**
 * Milliseconds since 1970, or a distance from `ctx.now`; or a calendar of five fields (minute, hour, day of month, month, day of week) in a time
 * zone such as "Europe/Berlin", default UTC, by which the timer repeats.
 */
export type When = number | { readonly in: number } | { readonly cron: string; readonly zone?: string };

/** The timer that has brought a command. */
export interface Firing {
  readonly name: string;
  /** When it was due, in milliseconds since 1970. */
  readonly due: number;
  /** Of a repeating timer: times between `due` and now that have passed without a firing, of a calendar at most 100. */
  readonly missed: number;
  /** It comes more than a second after its time. */
  readonly late: boolean;
}

/** What `decide` may read and ask for. Nothing here acts at once: all of it becomes part of one record, or of none. */
export interface Context<A extends ActorTypes = ActorTypes> {
  /** The actor's id, without its type. */
  readonly id: string;
  /** Time of this decision in milliseconds since 1970; never goes back for an actor. */
  readonly now: number;
  /** Who sent the command: the principal of the client's token, or the address of the sending actor; of a timer's command, the actor's own. */
  readonly caller: string;
  /** Set while a timer's command is decided. */
  readonly firing: Firing | undefined;
  /** A number in [0, 1), the same again when the decision is run again. */
  random(): number;
  /** Decides an event. It is checked against its message at once and folded into the state after `decide` has returned. */
  emit<N extends Name<A['events']>>(name: N, body: Draft<A['events'][N]>): void;
  /** Refuses the command and ends `decide`; whatever was emitted, sent or armed before is discarded. */
  reject(code: string, message?: string): never;
  /** Sends a command to another actor, "<actor type>:<actor id>". `onReply` names the own command that takes the answer: { from, reply, refusal }. */
  send(actor: string, name: string, body: object, options?: { readonly onReply?: Name<A['commands']> }): void;
  /** Has a command of this actor come later. A timer of the same name is replaced. `every` repeats it, in milliseconds, 1000 at least. */
  timer<N extends Name<A['commands']>>(
    name: string,
    when: When,
    command: N,
    body: Draft<A['commands'][N]['command']>,
    options?: { readonly every?: number },
  ): void;
  /** From this decision on the timer does not fire, not even if it is due already. */
  cancelTimer(name: string): void;
  /** Asks to be told what the other actor broadcasts from then on. */
  link(actor: string): void;
  /**
   * As `link` and `send`: the other actor gets the command when it has the link already. Its answer says what no later broadcast will tell, that
   * a product is off sale for example.
   */
  link(actor: string, name: string, body: object, options?: { readonly onReply?: Name<A['commands']> }): void;
  /** No longer. What was broadcast before the other actor has heard of it still comes. */
  unlink(actor: string): void;
  /** Sends a command to every actor that is linked to this one, of the types that have it. */
  broadcast(name: string, body: object): void;
}

/** The actor that emitted an event. */
export interface Source {
  /** Its id, without type. */
  readonly id: string;
  readonly address: string;
  /** Time of the decision in milliseconds since 1970. */
  readonly now: number;
}

/** A command that an event leads to. */
export type Delivery<A extends ActorTypes> = {
  [N in Name<A['commands']>]: {
    /** Id, or address, of an actor of the own type. */
    readonly to: string;
    readonly command: N;
    readonly body?: Draft<A['commands'][N]['command']>;
  };
}[Name<A['commands']>];

/** What an event leads to; null: nothing. */
export type Deliveries<A extends ActorTypes> = Delivery<A> | readonly Delivery<A>[] | null | undefined;

/** Of each other type of the bundle, what its events lead to. */
export type Subscriptions<A extends ActorTypes, All> = {
  readonly [T in Exclude<Name<All>, A['type']>]?: All[T] extends ActorTypes
    ? { readonly [E in Name<All[T]['events']>]?: (event: All[T]['events'][E], source: Source) => Deliveries<A> }
    : never;
};

/** Without the types of the others, their events are not checked. */
export interface AnySubscriptions<A extends ActorTypes> {
  readonly [type: string]: { readonly [event: string]: (event: any, source: Source) => Deliveries<A> };
}

/**
 * @typeParam A the types of this actor
 * @typeParam All those of all actors of the bundle, `Actors` of `troupe types`: checks what `subscribe` says about the others
 */
export interface Behavior<A extends ActorTypes, All = never> {
  /** The state before the first event. */
  initialState: () => Draft<A['state']>;
  /** One function a command: reads, decides, returns the reply. It changes nothing itself. */
  decide: {
    [N in Name<A['commands']>]: (
      state: A['state'],
      command: A['commands'][N]['command'],
      ctx: Context<A>,
    ) => Draft<A['commands'][N]['reply']>;
  };
  /** One function an event: returns the next state. It cannot refuse, and sees nothing but its arguments. */
  evolve: {
    [N in Name<A['events']>]: (state: A['state'], event: A['events'][N]) => Draft<A['state']>;
  };
  /** Events of other types of the bundle that become commands of this one. Runs in the decision that emits the event, without ctx or state. */
  subscribe?: [All] extends [never] ? AnySubscriptions<A> : Subscriptions<A, All>;
  /** Carries a state of an older schema over, given as that schema had it. */
  migrate?: (oldState: any) => Draft<A['state']>;
}

/** Any behaviour, for modules that are written without types. */
export interface AnyBehavior {
  initialState: () => object;
  decide: { [command: string]: (state: any, command: any, ctx: Context<any>) => object };
  evolve: { [event: string]: (state: any, event: any) => object };
  subscribe?: { [type: string]: { [event: string]: (event: any, source: Source) => object | null | undefined } };
  migrate?: (oldState: any) => object;
}

/** Defines the behaviour of an actor type; the default export of its module. */
export function defineActor<A extends ActorTypes, All = never>(type: A['type'], behavior: Behavior<A, All>): unknown;
export function defineActor(type: string, behavior: AnyBehavior): unknown;
