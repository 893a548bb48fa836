/** Whether there can be such an actor at all: an empty answer about one of a type that nobody has deployed is a slip of the pen. */

import { parseAddress } from '../codec/address.ts';
import { TroupeError } from '../codec/errors.ts';
import { meant } from '../codec/nearest.ts';
import type { AdminClient } from './admin-client.ts';

/** Of the actor's type, see `checkType`. */
export function checkTypeOf(admin: Pick<AdminClient, 'behaviors'>, actor: string): Promise<void> {
  return checkType(admin, parseAddress(actor).type);
}

/** To be asked when an answer was empty: what is there may be shown also of a type that is out of service. @throws TroupeError UNKNOWN_ACTOR_TYPE */
export async function checkType(admin: Pick<AdminClient, 'behaviors'>, type: string): Promise<void> {
  const known = (await admin.behaviors()).map((behavior) => behavior.type);
  if (known.includes(type)) return;
  throw new TroupeError('UNKNOWN_ACTOR_TYPE', `no behaviour in service for actor type ${type}${meant(type, known)}`);
}
