/** What differs between the two subprotocols: reading frames and writing answers. */

import type { AnswerError, Format, Routes } from '../actor/engine.ts';
import type { Connection } from './connection.ts';
import type { Outgoing } from './outgoing.ts';
import type { Incoming } from './requests.ts';

/** Which answer: of a command (its reply), of a get (the state), or of watch and unwatch (no body). */
export const REPLY = 0;
export const STATE = 1;
export const NOTHING = 2;
export type AnswerKind = typeof REPLY | typeof STATE | typeof NOTHING;

export interface FrameFault {
  readonly code: 'BAD_FRAME' | 'FRAME_TOO_LARGE';
  readonly message: string;
}

export interface Codec {
  readonly subprotocol: string;
  readonly format: Format;
  readonly isBinary: boolean;

  /**
   * Reads the requests of the frame in `buffer[from, to)` into `into`, whose bodies stay views on it. A fault means that the frame as a whole cannot be read: what is in `into`
   * then is not to be started, so that a broken frame has no effect at all.
   */
  read(buffer: Buffer, from: number, to: number, connection: Connection, into: Incoming[]): FrameFault | null;

  /** `listed`: the request came in a list, so the answer may come in one. */
  done(out: Outgoing, id: string, listed: boolean, kind: AnswerKind, seq: number, body: Buffer, from: number, to: number): void;
  /** `id` null: the frame or its id could not be read. */
  failed(out: Outgoing, id: string | null, listed: boolean, error: AnswerError): void;
  /** `routes` null: there is no other than the client knows. */
  map(out: Outgoing, id: string, listed: boolean, node: string, routes: Routes | null): void;
  event(out: Outgoing, id: string, seq: number, name: string, body: Buffer, from: number, to: number): void;
}
