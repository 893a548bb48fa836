/** Parameters of the admin port's paths. */

import { TroupeError } from '../codec/errors.ts';

/** @throws TroupeError BAD_REQUEST */
export function countOf(query: Record<string, unknown>, name: string, byDefault: number, max: number): number {
  const text = query[name];
  if (text === undefined) return byDefault;
  const value = typeof text === 'string' && /^[0-9]{1,16}$/.test(text) ? Number(text) : -1;
  if (value < 1 || value > max) throw new TroupeError('BAD_REQUEST', `the parameter ${name} is a whole number from 1 to ${max}`);
  return value;
}
