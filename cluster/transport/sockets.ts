/** Plain and TLS sockets, made and listened for in one way, and the handshake on either. */

import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, TLSSocket } from 'node:tls';

import type { Handshake, Step } from './handshake.ts';
import type { TlsSettings, TransportLimits } from './settings.ts';
import type { NodeAddress } from './transport.ts';

const NOTHING = Buffer.alloc(0);
const BINDING_BYTES = 32;

/** What both ends of a TLS session know and nobody between two sessions can; empty without TLS. */
export function bindingOf(socket: Socket): Buffer {
  return socket instanceof TLSSocket ? socket.exportKeyingMaterial(BINDING_BYTES, 'EXPORTER-troupe-node', NOTHING) : NOTHING;
}

/** `onReady` is called once the handshake may begin. */
export function dialSocket({ host, port }: NodeAddress, tls: TlsSettings | undefined, onReady: () => void): Socket {
  if (tls === undefined) return connect({ host, port, noDelay: true }, onReady);
  const { ca, cert, key, serverName } = tls;
  const named = serverName === undefined ? {} : { servername: serverName };
  return connectTls({ host, port, ca, cert, key, minVersion: 'TLSv1.3', ...named }, onReady);
}

export interface ServerEvents {
  /** A stranger, before TLS. */
  connected(socket: Socket): void;
  /** The handshake may begin; the socket has the address and port of the one before TLS. */
  ready(socket: Socket): void;
}

export function createSocketServer(tls: TlsSettings | undefined, limits: TransportLimits, events: ServerEvents): Server {
  if (tls === undefined) {
    return createServer({ noDelay: true }, (socket) => {
      events.connected(socket);
      events.ready(socket);
    });
  }
  const { ca, cert, key } = tls;
  const server = createTlsServer({
    ca, cert, key, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3', handshakeTimeout: limits.handshakeTimeMaxMs,
  }, (socket) => events.ready(socket));
  server.on('connection', (socket: Socket) => events.connected(socket));
  return server;
}

/** Calls `onGone` once, when nothing can come any more, with what the socket said about it. */
export function whenGone(socket: Socket, onGone: (message: string) => void): void {
  let message = 'the other side closed the connection';
  socket.on('error', (error: Error) => { message = error.message; });
  socket.on('close', () => onGone(message));
}

export type LastStep = Exclude<Step, { kind: 'more' }>;

/** Runs a handshake; `onLast` writes the reply of the last step itself. Who dials has to say the first word before. */
export function shakeHands(socket: Socket, handshake: Handshake, onLast: (step: LastStep) => void): void {
  const take = (chunk: Buffer): void => {
    const step = handshake.take(chunk);
    if (step.kind === 'more') {
      if (step.reply.length > 0) socket.write(step.reply);
      return;
    }
    socket.off('data', take);
    onLast(step);
  };
  socket.on('data', take);
}
