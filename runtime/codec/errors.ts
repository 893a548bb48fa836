/**
 * The catalogue of errors: every failure that a client, an operator or a behaviour's author can meet has one stable code
 * here, a hint, and a page under docs/errors/. Tests assert codes, never texts.
 *
 * An error is an outcome. A broken assumption of our own is an assertion (`assert` from node:assert/strict), not an error.
 */

interface CatalogueEntry {
  /** What to do about it, one sentence. */
  readonly hint: string;
  /** Whether sending the same again, with the same key, may succeed. */
  readonly retryable: boolean;
}

function entry(hint: string, retryable = false): CatalogueEntry {
  return { hint, retryable };
}

export const catalogue = {
  // What came in.
  BAD_FRAME: entry('Send one JSON object or an array of them (troupe.v1.json), or one troupe.v1.Requests message (troupe.v1.proto).'),
  FRAME_TOO_LARGE: entry('Send smaller frames; the limit is in docs/OPERATING.md.'),
  BAD_REQUEST: entry('The message says what is wrong; docs/GATEWAY.md has the fields of a request, docs/CLI.md what a command takes.'),
  BAD_ADDRESS: entry('An address is "<actor type>:<actor id>", for example shop.v1.Order:o-1.'),
  UNKNOWN_ACTOR_TYPE: entry('Deploy a bundle that defines this type, or list those in service with `troupe behaviors`.'),
  UNKNOWN_COMMAND: entry('`troupe behaviors` lists the commands of each type.'),
  BAD_BODY: entry('The body must match the command\'s message: unknown fields and wrong types are refused.'),
  BODY_TOO_LARGE: entry('Send a smaller body; the limit is in docs/OPERATING.md.'),
  BAD_KEY: entry('A key is 1 to 128 bytes of UTF-8 without control characters.'),
  KEY_CONFLICT: entry('This key was used with another command or body; use a new key for a new command.'),
  DUPLICATE_ID: entry('Use an id that no open request or watch of this connection has.'),
  UNKNOWN_WATCH: entry('No watch with this id is open on this connection.'),
  // What a behaviour answered or did.
  REJECTED: entry('The behaviour refused the command; `reason` is its own code.'),
  BEHAVIOR_ERROR: entry('The behaviour threw; the message names file and line. Nothing was written.'),
  BEHAVIOR_TIMEOUT: entry('The behaviour ran too long; its sandbox was replaced.', true),
  BEHAVIOR_MEMORY: entry('The behaviour used too much memory; its sandbox was replaced.', true),
  BEHAVIOR_FAILED: entry('This command ended the sandbox until its last strike and is recorded as failed; fix the behaviour and send it with a new key.'),
  BAD_EVENT: entry('An emitted event must be one of the type\'s events and match its message exactly.'),
  BAD_STATE: entry('evolve and initialState must return a value that matches the state message exactly.'),
  BAD_REPLY: entry('decide must return a value that matches the command\'s reply message.'),
  BAD_OUTPUT: entry('A send, timer, link or broadcast of this decision is not well formed; the message says which. docs/BEHAVIORS.md has the shapes.'),
  OUTPUT_TOO_LARGE: entry('The decision produced more events or bytes than the limits in docs/OPERATING.md allow.'),
  MIGRATION_FAILED: entry('The stored state cannot be carried to the new schema; add or fix `migrate`.'),
  QUARANTINED: entry('The actor or its type was taken out of service after repeated failures; deploy a fixed bundle.'),
  MESSAGE_DROPPED: entry('An operator has dropped the message, which waited or had failed; its sender decides what to do without it.'),
  // Load and life.
  MAILBOX_FULL: entry('The actor has too many commands waiting; slow down and send again.', true),
  OVERLOADED: entry('The node has too many commands waiting; slow down and send again.', true),
  TOO_MANY_IN_FLIGHT: entry('This connection has too many requests open; wait for answers.', true),
  SLOW_READER: entry('This connection does not read its answers fast enough and was closed; read faster or watch less.', true),
  DEADLINE_EXCEEDED: entry('The outcome is not known yet; send the same key again to learn it.', true),
  DISCONNECTED: entry('The connection was lost; send the same key again to learn the outcome.', true),
  NOT_READY: entry('The node is starting, draining or stopping; try again.', true),
  SANDBOX_LOST: entry('The sandbox was replaced while it worked on this; send the same key again.', true),
  // Identity.
  UNAUTHENTICATED: entry('Give a bearer token: header "Authorization: Bearer ...", or subprotocol "troupe.bearer.<token>"; on the command line, --token or TROUPE_TOKEN.'),
  FORBIDDEN: entry('The token does not allow this.'),
  ORIGIN_REFUSED: entry('Add the page\'s origin with --origin.'),
  // Bundles.
  BUNDLE_INVALID: entry('The bundle was refused and nothing changed; the message names file, line and reason.'),
  BUNDLE_TOO_LARGE: entry('A bundle is limited in bytes and files; see docs/OPERATING.md.'),
  BUNDLE_MISSING: entry('The history names a bundle that is not in the data directory; restore its file.'),
  STATE_INCOMPATIBLE: entry('The state message changed in a way that stored states do not survive; add `migrate`.'),
  // Journal.
  JOURNAL_LOCKED: entry('Another process has this data directory open; stop it or choose another --data.'),
  JOURNAL_DAMAGED: entry('Acknowledged records cannot be read. Restore the named file from a copy; do not delete it.'),
  JOURNAL_VERSION: entry('The data was written by a newer version; start that version.'),
  JOURNAL_FAILED: entry('The disk refused a write or a sync; the node stops. Check the disk, then start again.', true),
  JOURNAL_FULL: entry('The disk is full; free space, then start again.', true),
  STORE_UNAVAILABLE: entry('The store does not answer or refuses to write; the node goes on by itself as soon as it does.', true),
  UNKNOWN_OUTCOME: entry('Whether the command took effect is not known; send the same key again to learn it.', true),
  FENCED: entry('Another owner has taken the bucket; send again.', true),
  NOT_OWNER: entry('Another node owns the actor; send again, and it is passed on to that node.', true),
  ROLLED_BACK: entry('The log is behind what was acknowledged. `troupe journal accept-loss` shows what is lost, and serves again without it.'),
  // Settings and command line.
  CONFIG_INVALID: entry('See `troupe start --help` and docs/OPERATING.md for the settings.'),
  ADDRESS_IN_USE: entry('Something else listens there; choose another port.'),
  UNREACHABLE: entry('No node answers there: is the address right, and does the node run? (`npm start` starts one.)', true),
  SCENARIO_FAILED: entry('The difference above shows what was expected and what came.'),
  INTERNAL: entry('This is a defect of Troupe; please report it with the node\'s log.'),
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;

export interface TroupeErrorDetails {
  /** The behaviour's own code, with REJECTED. */
  readonly reason?: string;
  /** "<file>:<line>:<column>" or "<file>@<offset>". */
  readonly location?: string;
  /** What to do about it here, where the catalogue's hint does not fit the situation. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The one error class that crosses module boundaries. */
export class TroupeError extends Error {
  readonly code: ErrorCode;
  readonly reason: string | undefined;
  readonly location: string | undefined;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, details: TroupeErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'TroupeError';
    this.code = code;
    this.reason = details.reason;
    this.location = details.location;
    this.hint = details.hint ?? catalogue[code].hint;
  }

  get retryable(): boolean {
    return catalogue[this.code].retryable;
  }
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(catalogue, code);
}
