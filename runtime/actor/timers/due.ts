/** When timers are due. */

import type { ArmedTimer } from '../../codec/record-messages.ts';

/** When a timer that was armed at `nowMs` is due first; 0 when there is no such time. */
export function firstDue(armed: ArmedTimer, _nowMs: number): number {
  return armed.dueMs;
}
