/** Where a node's gateway is. */

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Nobody answers there, or no longer: no defect of the driver. */
export class NoConnection extends Error {
  constructor({ host, port }: Endpoint, reason: string) {
    super(`no connection to ${host}:${port}: ${reason}`);
  }
}

export const LOOPBACK = '127.0.0.1';

export function local(port: number): Endpoint {
  return { host: LOOPBACK, port };
}
