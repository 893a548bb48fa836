/**
 * Exit codes, stable: scripts depend on them. They follow from the code of the error, so that a new error cannot forget its own.
 */

import type { ErrorCode } from '../codec/errors.ts';

export const exitCodes = {
  ok: 0,
  /** What was asked for was refused or failed; asking again gives the same. */
  failed: 1,
  /** The command line, a setting or an input is wrong; nothing was asked of a node. */
  usage: 2,
  /** No node answered, or not now; asking again, with the same key, may succeed. */
  unreachable: 3,
  /** The token is missing, wrong, or does not allow this. */
  notAllowed: 4,
  /** The node cannot start or go on with this data folder or these ports. */
  cannotStart: 5,
  /** A defect of Troupe. */
  defect: 70,
} as const;

const byCode: Partial<Record<ErrorCode, number>> = {
  CONFIG_INVALID: exitCodes.usage,
  BAD_ADDRESS: exitCodes.usage,
  BAD_KEY: exitCodes.usage,
  BAD_REQUEST: exitCodes.usage,
  UNREACHABLE: exitCodes.unreachable,
  DISCONNECTED: exitCodes.unreachable,
  DEADLINE_EXCEEDED: exitCodes.unreachable,
  NOT_READY: exitCodes.unreachable,
  MAILBOX_FULL: exitCodes.unreachable,
  OVERLOADED: exitCodes.unreachable,
  TOO_MANY_IN_FLIGHT: exitCodes.unreachable,
  SLOW_READER: exitCodes.unreachable,
  SANDBOX_LOST: exitCodes.unreachable,
  UNKNOWN_OUTCOME: exitCodes.unreachable,
  STORE_UNAVAILABLE: exitCodes.unreachable,
  NOT_OWNER: exitCodes.unreachable,
  FENCED: exitCodes.unreachable,
  UNAUTHENTICATED: exitCodes.notAllowed,
  FORBIDDEN: exitCodes.notAllowed,
  ORIGIN_REFUSED: exitCodes.notAllowed,
  ADDRESS_IN_USE: exitCodes.cannotStart,
  JOURNAL_LOCKED: exitCodes.cannotStart,
  JOURNAL_DAMAGED: exitCodes.cannotStart,
  JOURNAL_VERSION: exitCodes.cannotStart,
  JOURNAL_FAILED: exitCodes.cannotStart,
  JOURNAL_FULL: exitCodes.cannotStart,
  ROLLED_BACK: exitCodes.cannotStart,
  BUNDLE_MISSING: exitCodes.cannotStart,
  INTERNAL: exitCodes.defect,
};

export function exitCodeOf(code: ErrorCode): number {
  return byCode[code] ?? exitCodes.failed;
}
