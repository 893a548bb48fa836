/**
 * The WebSocket gateway: listens, decides who may connect, and hands each connection to its `Connection`.
 *
 * G1  Nothing of a client reaches the engine before its handshake is complete and its token was accepted.
 * G2  A client that may not in is told why in a way it can see: by HTTP status before the upgrade (origin, host, load),
 *     by close code after it (token, subprotocol), because a browser shows its page the code but not the status. Of a
 *     subprotocol that does not fit only a client hears that accepts a handshake without one, which browsers do not.
 */

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';

import { catalogue, TroupeError } from '../codec/errors.ts';
import type { Identity } from './auth.ts';
import { systemClock } from './clock.ts';
import type { Codec } from './codec.ts';
import {
  CLOSE_FORBIDDEN, CLOSE_GOING_AWAY, CLOSE_SUBPROTOCOL, CLOSE_UNAUTHENTICATED, Connection,
} from './connection.ts';
import type { ConnectionHost } from './connection.ts';
import { Flusher } from './flusher.ts';
import { readOffer, refuseForeign } from './handshake.ts';
import type { Offer, Refusal } from './handshake.ts';
import { isLoopbackHost } from './loopback.ts';
import { gatewayLimits, newStats } from './settings.ts';
import type { GatewayLimits, GatewaySettings, GatewayStats } from './settings.ts';
import { Timers } from './timers.ts';

export interface Gateway {
  readonly stats: GatewayStats;
  /** @throws TroupeError ADDRESS_IN_USE */
  listen(): Promise<{ readonly host: string; readonly port: number }>;
  /** Accepts nobody any more, says 1001 to everybody after what they were to be told, and waits a bounded time for them. */
  close(): Promise<void>;
}

/** @throws TroupeError CONFIG_INVALID when the settings would leave the node open */
export function createGateway(settings: GatewaySettings): Gateway {
  return new WebSocketGateway(settings);
}

class WebSocketGateway implements Gateway, ConnectionHost {
  readonly engine;
  readonly limits: GatewayLimits;
  readonly stats = newStats();
  readonly timers: Timers;
  readonly flusher = new Flusher();
  private readonly settings: GatewaySettings;
  private readonly clock;
  private readonly origins: ReadonlySet<string>;
  private readonly http;
  private readonly webSockets: WebSocketServer;
  private readonly connections = new Map<WebSocket, Connection>();
  /** Sockets between their upgrade request and its answer. */
  private readonly handshakes = new Set<Duplex>();
  private stopIdleChecks: (() => void) | null = null;
  private isClosing = false;

  constructor(settings: GatewaySettings) {
    this.settings = settings;
    this.engine = settings.engine;
    this.clock = settings.clock ?? systemClock;
    this.limits = gatewayLimits(settings.limits);
    this.origins = new Set(settings.origins ?? []);
    this.timers = new Timers(this.clock);
    checkSettings(settings);
    const { limits } = this;
    this.http = createServer({
      headersTimeout: limits.handshakeTimeMaxMs,
      requestTimeout: limits.handshakeTimeMaxMs,
      connectionsCheckingInterval: Math.max(100, Math.floor(limits.handshakeTimeMaxMs / 4)),
      maxHeaderSize: limits.handshakeBytesMax,
    }, answerPlainHttp);
    // Room for those that are refused, so that they can be told.
    this.http.maxConnections = limits.connectionsMax + 64;
    this.http.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      void this.onUpgrade(request, socket, head);
    });
    this.webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.frameBytesMax,
      maxFragments: limits.frameFragmentsMax,
      maxBufferedChunks: limits.frameChunksMax,
      closeTimeout: limits.closeTimeMaxMs,
      handleProtocols: (_offered, request) => readOffer(request).subprotocol ?? false,
    } as ConstructorParameters<typeof WebSocketServer>[0]);
  }

  now(): number {
    return this.clock.now();
  }

  onCommandTime(ms: number): void {
    this.settings.onCommandTime?.(ms);
  }

  onDefect(error: unknown): void {
    this.settings.onDefect?.(error);
  }

  async listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.settings;
    await new Promise<void>((resolve, reject) => {
      this.http.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
      this.http.listen({ host, port }, resolve);
    });
    this.http.removeAllListeners('error');
    this.http.on('error', (error) => this.onDefect(error));
    this.stopIdleChecks = this.clock.every(this.limits.idlePingMs, () => {
      for (const connection of this.connections.values()) connection.checkIdle();
    });
    return { host, port: (this.http.address() as AddressInfo).port };
  }

  async close(): Promise<void> {
    if (this.isClosing) return;
    this.isClosing = true;
    this.stopIdleChecks?.();
    const stopped = new Promise<void>((resolve) => { this.http.close(() => resolve()); });
    this.http.closeAllConnections();
    for (const socket of this.handshakes) socket.destroy();
    const gone = [...this.connections.keys()].map((webSocket) => new Promise((resolve) => { webSocket.once('close', resolve); }));
    for (const connection of this.connections.values()) connection.close(CLOSE_GOING_AWAY, 'the node is stopping');
    // ws ends a socket by force closeTimeMaxMs after the close frame.
    await Promise.all(gone);
    this.timers.close();
    await stopped;
  }

  private async onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const destroy = (): void => { socket.destroy(); };
    socket.on('error', destroy);
    this.handshakes.add(socket);
    try {
      const refusal = this.refuse(request);
      if (refusal !== null) {
        this.stats.connectionsRefused++;
        answerRefusal(socket, refusal);
        return;
      }
      const offer = readOffer(request);
      const identity = await this.identify(offer);
      if (socket.destroyed || this.isClosing) {
        socket.destroy();
        return;
      }
      socket.off('error', destroy);
      this.webSockets.handleUpgrade(request, socket, head, (webSocket) => this.admit(webSocket, socket, offer, identity));
    } catch (error) {
      this.onDefect(error);
      socket.destroy();
    } finally {
      this.handshakes.delete(socket);
    }
  }

  private refuse(request: IncomingMessage): Refusal | null {
    if (this.isClosing) return { status: 503, code: 'NOT_READY', message: 'the node is stopping' };
    if (this.connections.size + this.handshakes.size > this.limits.connectionsMax) {
      return { status: 503, code: 'OVERLOADED', message: `the node has ${this.limits.connectionsMax} connections` };
    }
    return refuseForeign(request, this.origins, this.settings.auth.kind !== 'none');
  }

  private async identify(offer: Offer): Promise<Identity | TroupeError> {
    try {
      return await this.settings.auth.identify(offer.token);
    } catch (error) {
      if (error instanceof TroupeError) return error;
      throw error;
    }
  }

  private admit(webSocket: WebSocket, socket: Socket, offer: Offer, identity: Identity | TroupeError): void {
    // ws reports here what breaks a connection; its close event follows, and is what we act on.
    webSocket.on('error', () => {});
    if (identity instanceof TroupeError) {
      this.dismiss(webSocket, CLOSE_UNAUTHENTICATED, identity.message);
    } else if (this.settings.auth.scope !== null && !identity.scopes.includes(this.settings.auth.scope)) {
      this.dismiss(webSocket, CLOSE_FORBIDDEN, 'the token lacks the scope that this gateway asks for');
    } else if (offer.codec === null) {
      this.dismiss(webSocket, CLOSE_SUBPROTOCOL, 'offer troupe.v1.json or troupe.v1.proto');
    } else {
      this.serve(webSocket, socket, offer.codec, identity);
    }
  }

  private dismiss(webSocket: WebSocket, code: number, reason: string): void {
    this.stats.connectionsRefused++;
    webSocket.close(code, Buffer.from(reason).subarray(0, 120));
  }

  private serve(webSocket: WebSocket, socket: Socket, codec: Codec, identity: Identity): void {
    const session = randomBytes(9).toString('base64url');
    const connection = new Connection(this, webSocket, socket, codec, identity.principal, session);
    this.connections.set(webSocket, connection);
    this.stats.connectionsAccepted++;
    this.stats.connections++;
    const expiry = identity.expiresAtMs === null ? null : this.timers.add(identity.expiresAtMs - this.clock.wallNow(), () => {
      connection.close(CLOSE_UNAUTHENTICATED, 'the token has expired');
    });
    webSocket.on('close', () => {
      this.connections.delete(webSocket);
      this.stats.connections--;
      if (expiry !== null) this.timers.cancel(expiry);
      connection.onClosed();
    });
  }
}

function checkSettings(settings: GatewaySettings): void {
  if (settings.auth.kind !== 'none') return;
  if (!isLoopbackHost(settings.host)) {
    throw new TroupeError('CONFIG_INVALID', `without tokens (--auth none) the gateway listens on loopback only, not on ${settings.host}`);
  }
  if (settings.origins?.includes('*')) {
    throw new TroupeError('CONFIG_INVALID', 'without tokens (--auth none) origins are named one by one, not *');
  }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code !== 'EADDRINUSE') return error;
  return new TroupeError('ADDRESS_IN_USE', `the gateway cannot listen on ${host}:${port}`, {
    cause: error, hint: 'Something else listens there, perhaps another node; choose another port with --port (0 takes a free one).',
  });
}

function answerPlainHttp(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(426, { 'content-type': 'application/json', connection: 'close', upgrade: 'websocket' });
  response.end(errorText('BAD_REQUEST', 'this is the gateway: this port speaks WebSocket', 'Health, metrics, deploying and records are on the admin port (--admin-port, 7071 by default).'));
}

function answerRefusal(socket: Socket, refusal: Refusal): void {
  const body = errorText(refusal.code, refusal.message, refusal.hint);
  socket.write(
    `HTTP/1.1 ${refusal.status} ${refusal.status === 403 ? 'Forbidden' : 'Service Unavailable'}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  // A peer that never closes its half must not keep the socket.
  socket.destroySoon();
}

function errorText(code: keyof typeof catalogue, message: string, hint: string = catalogue[code].hint): string {
  const { retryable } = catalogue[code];
  return JSON.stringify({ error: { code, message, hint, retryable } });
}

