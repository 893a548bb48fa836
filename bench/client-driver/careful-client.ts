/**
 * Our client, used as docs/GATEWAY.md asks of whoever wants each command applied once.
 *
 * A1  A command has one key for good. When the client gives it up without knowing its outcome, the same command goes on with the same key, and
 *     says how long ago it was sent first, until the outcome is known or the client is closed.
 * A2  What the client gave up is counted by code, even when it succeeds in the end: for an app that does not go on by itself it has failed.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { connect, TroupeClientError } from '../../runtime/client/client.ts';
import type { Client, ConnectOptions } from '../../runtime/client/client.ts';
import { Sends } from './sends.ts';

export type Outcome<R> =
  | { readonly is: 'done'; readonly seq: number; readonly reply: R; readonly key: string }
  /** It certainly had no effect. */
  | { readonly is: 'refused'; readonly error: TroupeClientError }
  /** The client was closed before it was known. */
  | { readonly is: 'unknown' };

const PAUSE_MS = 20;

export class CarefulClient {
  readonly client: Client;
  readonly sends = new Sends();
  /** A2 */
  readonly givenUp = new Map<string, number>();
  private readonly keyPrefix: string;
  private keys = 0;
  private isClosed = false;

  /** `keyPrefix` is nobody else's, now or later, on the same cluster. */
  constructor(urls: readonly string[], keyPrefix: string, options: ConnectOptions = {}) {
    this.keyPrefix = keyPrefix;
    this.client = connect(urls, { ...options, WebSocket: this.sends.WebSocket });
  }

  /** A1 */
  async send<R = unknown>(to: string, command: string, body: object): Promise<Outcome<R>> {
    const key = `${this.keyPrefix}.${(this.keys++).toString(36)}`;
    const since = performance.now();
    for (let tries = 0; ; tries++) {
      try {
        const triedMs = tries === 0 ? undefined : Math.ceil(performance.now() - since);
        const { seq, reply } = await this.client.send(to, command, body, triedMs === undefined ? { key } : { key, triedMs });
        return { is: 'done', seq, reply: reply as R, key };
      } catch (error) {
        if (!(error instanceof TroupeClientError)) throw error;
        if (this.isClosed) return { is: 'unknown' };
        if (!error.retryable) return { is: 'refused', error };
        this.givenUp.set(error.code, (this.givenUp.get(error.code) ?? 0) + 1);
        await sleep(PAUSE_MS);
      }
    }
  }

  close(): void {
    this.isClosed = true;
    this.client.close();
  }
}
