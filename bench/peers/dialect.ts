/** How a peer is asked over HTTP: an increment of a counter, and its value. Both are answered with the value in the body. */

import { request } from './http-connection.ts';

export type DialectName = 'restate' | 'workerd';

export interface Dialect {
  increment(actor: number, by: number): string;
  read(actor: number): string;
}

export const dialects: Readonly<Record<DialectName, Dialect>> = {
  restate: {
    increment: (actor, by) => request('POST', `/Counter/c-${actor}/increment`, String(by)),
    read: (actor) => request('POST', `/Counter/c-${actor}/read`, ''),
  },
  workerd: {
    increment: (actor, by) => request('POST', `/c-${actor}`, String(by)),
    read: (actor) => request('GET', `/c-${actor}`, ''),
  },
};
