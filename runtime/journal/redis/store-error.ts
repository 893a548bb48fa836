/** How a call to the store can fail, told apart by what may have happened there. */

import { TroupeError } from '../../codec/errors.ts';

/**
 * - `refused`: nothing was executed; asking again may help when `retryable`.
 * - `unknown`: it may have been executed, or may still be (J6).
 */
export class StoreError extends Error {
  readonly kind: 'refused' | 'unknown';
  /** The first word of the server's answer, such as BUSY or OOM; UNREACHABLE, TIMEOUT or LOST without one. */
  readonly code: string;
  readonly retryable: boolean;

  constructor(kind: 'refused' | 'unknown', code: string, message: string, retryable = true) {
    super(message);
    this.name = 'StoreError';
    this.kind = kind;
    this.code = code;
    this.retryable = retryable;
  }
}

/**
 * Answers that Redis gives in place of executing a call. ERR is not among them: a script that fails half-way answers so, too.
 * Source: the error replies of Redis 7.0 and Valkey 8 in server.c, script.c and cluster.c.
 */
const refusals = new Map<string, boolean>([
  ['BUSY', true],
  ['OOM', true],
  ['LOADING', true],
  ['READONLY', true],
  ['MISCONF', true],
  ['MASTERDOWN', true],
  ['NOREPLICAS', true],
  ['MOVED', true],
  ['ASK', true],
  ['TRYAGAIN', true],
  ['CLUSTERDOWN', true],
  ['CROSSSLOT', false],
  ['NOAUTH', false],
  ['WRONGPASS', false],
  ['NOPERM', false],
]);

const FUNCTION_MISSING = 'ERR Function not found';

/** What the client library calls a call whose connection has ended. */
const LOST = 'MaxRetriesPerRequestError';

export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === LOST ? 'the connection was lost before the answer came' : error.message;
}

/** What an error of the client library means for the call that was on its way. */
export function storeErrorOf(error: unknown, where: string): StoreError {
  const message = textOf(error);
  if (error instanceof Error && error.name === 'ReplyError') {
    const code = /^[A-Z]+/.exec(message)?.[0] ?? 'ERR';
    if (message.startsWith(FUNCTION_MISSING)) return new StoreError('refused', 'NOFUNCTION', `${where}: ${message}`);
    const retryable = refusals.get(code);
    if (retryable !== undefined) return new StoreError('refused', code, `${where}: ${message}`, retryable);
    return new StoreError('unknown', code, `${where}: ${message}`);
  }
  return new StoreError('unknown', 'LOST', `${where}: ${message}`);
}

/** What leaves the adapter: a call that failed is an unavailable store; everything else is what it was. */
export function asTroupeError(error: unknown): unknown {
  return error instanceof StoreError ? new TroupeError('STORE_UNAVAILABLE', error.message, { cause: error }) : error;
}
