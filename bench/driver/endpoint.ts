/** Where a node's gateway is. */

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export const LOOPBACK = '127.0.0.1';

export function local(port: number): Endpoint {
  return { host: LOOPBACK, port };
}
