/** Errors of a folder of behaviours that no node has seen: the catalogue's hints speak of one that refused a bundle. */

import { TroupeError, type ErrorCode } from '../codec/errors.ts';
import { withHint } from './terminal.ts';

const hints: Partial<Record<ErrorCode, string>> = {
  BUNDLE_INVALID: 'Nothing was sent to a node. The message names the file; docs/BEHAVIORS.md says what a folder of behaviours holds, first of all its troupe.json.',
  SCENARIO_FAILED: 'The scenarios of order.js lie beside it in order.scenarios.js; docs/BEHAVIORS.md shows one.',
};

/** What `work` gives, or its error with the hint that fits before anything was sent. */
export async function localFolder<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof TroupeError)) throw error;
    const hint = hints[error.code];
    throw hint === undefined ? error : withHint(error, hint);
  }
}
