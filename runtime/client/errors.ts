import { catalogue } from '../codec/errors.ts';
import type { ErrorCode } from '../codec/errors.ts';

/** The error shape of the wire; see docs/GATEWAY.md. */
export interface WireErrorShape {
  readonly code: string;
  readonly message: string;
  readonly reason?: string;
  readonly hint?: string;
  readonly retryable?: boolean;
}

/** What every promise and iterable of the client fails with. */
export class TroupeClientError extends Error {
  /** Stable; the pages under docs/errors/ say more. A newer node may send codes this client does not know. */
  readonly code: string;
  /** The behaviour's own code, when `code` is REJECTED. */
  readonly reason: string | undefined;
  readonly hint: string;
  /** Whether sending the same command again, with the same key, may succeed. The client has tried as long as it was allowed to. */
  readonly retryable: boolean;

  constructor(shape: WireErrorShape) {
    super(shape.message);
    this.name = 'TroupeClientError';
    this.code = shape.code;
    this.reason = shape.reason;
    this.hint = shape.hint ?? '';
    this.retryable = shape.retryable ?? false;
  }
}

/** An error that the client itself found. */
export function localError(code: ErrorCode, message: string): TroupeClientError {
  return new TroupeClientError({ code, message, ...catalogue[code] });
}
