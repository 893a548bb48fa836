/** From a record back to what began it, link by link, wherever the next one lies. */

import { TroupeError } from '../../codec/errors.ts';
import type { CauseChain, CauseLink, Causes, RecordRef } from '../engine.ts';

export async function chainOf(causes: Causes, ref: RecordRef, linksMax: number): Promise<CauseChain> {
  const links = [await causes.explain(ref)];
  for (;;) {
    const { place, incarnation } = links.at(-1)!.cause;
    if (place === null) return { links, broken: '' };
    const text = `${place.bucket}/${place.position}`;
    if (links.length >= linksMax) return { links, broken: `it goes on at ${text}: ask from there, or for more links` };
    let next: CauseLink;
    try {
      next = await causes.explain(place);
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      return { links, broken: `${text} cannot be read: ${error.code}: ${error.message}` };
    }
    // The log was cut off there once, and has grown again differently.
    if (incarnation !== '' && next.record.incarnation !== incarnation) return { links, broken: `${text} is lost: its log has gone on without it since` };
    links.push(next);
  }
}
