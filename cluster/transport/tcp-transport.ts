/**
 * The transport over TCP: listens, lets in who proves itself, and keeps the connections of both directions.
 *
 * A stranger costs a socket, a few hundred bytes and at most handshakeTimeMaxMs; of strangers there are at most handshakesMax. The
 * oldest goes when another one comes: a node of the cluster needs milliseconds, who only holds connections does not keep it out.
 */

import assert from 'node:assert/strict';
import type { AddressInfo, Server, Socket } from 'node:net';

import { TroupeError } from '../../runtime/codec/errors.ts';
import type { Clock, Entropy, Log, Scheduler } from '../../runtime/actor/seams.ts';
import { systemClock, systemEntropy, systemScheduler } from '../../runtime/actor/seams-node.ts';
import { Handshake, isName, NONCE_BYTES, refusalBytes } from './handshake.ts';
import type { Hello } from './handshake.ts';
import { RemotePeer } from './remote-peer.ts';
import type { PeerHost } from './remote-peer.ts';
import { Served } from './served.ts';
import { checkSettings, limitsOf, newStats, PROTOCOL_VERSIONS } from './settings.ts';
import type { PeerEvent, TransportLimits, TransportSettings } from './settings.ts';
import { bindingOf, createSocketServer, dialSocket, shakeHands, whenGone } from './sockets.ts';
import type { LastStep } from './sockets.ts';
import type { Incoming, IncomingRequest, IncomingStream, NodeAddress, Peer, Stream, Transport } from './transport.ts';

const EMPTY = Buffer.alloc(0);
/** Strangers fail as often as they like; the log hears of it at most so often. */
const COMPLAINT_EVERY_MS = 1_000;

/** @throws TroupeError CONFIG_INVALID */
export function createTransport(settings: TransportSettings): Transport {
  return new TcpTransport(settings);
}

interface ServedConnection {
  readonly served: Served;
  readonly hello: Hello;
}

class TcpTransport implements Transport, PeerHost {
  readonly stats = newStats();
  readonly limits: TransportLimits;
  readonly log: Log;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly entropy: Entropy;
  private readonly settings: TransportSettings;
  private readonly server: Server;
  private readonly handlers = {
    requests: new Map<number, (request: IncomingRequest) => void>(),
    messages: new Map<number, (message: Incoming) => void>(),
    streams: new Map<number, (stream: IncomingStream) => Stream>(),
  };
  private readonly peers = new Map<string, RemotePeer>();
  /** By node. */
  private readonly served = new Map<string, ServedConnection>();
  /** Connections that have proved nothing yet, by the address and port they come from; the oldest first. */
  private readonly strangers = new Map<string, { readonly socket: Socket; readonly sinceMs: number }>();
  private areStrangersTimed = false;
  private touched: { flush(): void }[] = [];
  private connectionsDialled = 0;
  private complaintAtMs = -COMPLAINT_EVERY_MS;
  private complaintsLeftOut = 0;
  private isClosed = false;

  constructor(settings: TransportSettings) {
    checkSettings(settings);
    this.settings = settings;
    this.limits = limitsOf(settings.limits);
    this.log = settings.log;
    this.clock = settings.clock ?? systemClock;
    this.scheduler = settings.scheduler ?? systemScheduler;
    this.entropy = settings.entropy ?? systemEntropy();
    this.server = createSocketServer(settings.tls, this.limits, {
      connected: (socket) => this.onStranger(socket),
      ready: (socket) => this.onReady(socket),
    });
    this.server.on('tlsClientError', (error: Error) => this.complain(error.message));
    this.scheduler.later(this.limits.checkMs, this.check);
  }

  async listen(): Promise<NodeAddress> {
    const { server } = this;
    const { host, port } = this.settings.listen;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
      server.listen({ host, port }, resolve);
    });
    server.removeAllListeners('error');
    server.on('error', (error) => this.onDefect(error));
    return { host, port: (server.address() as AddressInfo).port };
  }

  peer(node: string, address: NodeAddress): Peer {
    if (!isName(node)) throw new TroupeError('CONFIG_INVALID', `a node cannot be called ${JSON.stringify(node)}`);
    if (this.isClosed) throw new TroupeError('NOT_READY', 'the transport is closed');
    const known = this.peers.get(node);
    if (known !== undefined && known.address.host === address.host && known.address.port === address.port) return known;
    known?.close();
    const peer = new RemotePeer(this, node, { host: address.host, port: address.port });
    this.peers.set(node, peer);
    return peer;
  }

  handle(method: number, handler: (request: IncomingRequest) => void): void {
    setOnce(this.handlers.requests, method, handler);
  }

  handleMessage(method: number, handler: (message: Incoming) => void): void {
    setOnce(this.handlers.messages, method, handler);
  }

  handleStream(method: number, handler: (stream: IncomingStream) => Stream): void {
    setOnce(this.handlers.streams, method, handler);
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    const stopped = new Promise<void>((resolve) => {
      if (this.server.listening) this.server.close(() => resolve());
      else resolve();
    });
    for (const peer of [...this.peers.values()]) peer.close();
    for (const { socket } of this.strangers.values()) socket.destroy();
    for (const { served } of [...this.served.values()]) served.connection.end('the node is stopping');
    await stopped;
  }

  // For peers and connections.

  flushSoon(connection: { flush(): void }): void {
    if (this.touched.length === 0) this.scheduler.soon(this.flush);
    this.touched.push(connection);
  }

  onDefect(error: unknown): void {
    this.log.error({ err: error }, 'a defect met while serving another node');
  }

  onPeer(event: PeerEvent): void {
    this.settings.onPeer?.(event);
  }

  forget(peer: RemotePeer): void {
    if (this.peers.get(peer.node) === peer) this.peers.delete(peer.node);
  }

  dial(address: NodeAddress, onReady: () => void): Socket {
    return dialSocket(address, this.settings.tls, onReady);
  }

  handshake(wanted: string, socket: Socket): Handshake {
    return this.newHandshake('dials', wanted, ++this.connectionsDialled, socket);
  }

  private readonly flush = (): void => {
    const { touched } = this;
    this.touched = [];
    for (const connection of touched) connection.flush();
  };

  private readonly check = (): void => {
    if (this.isClosed) return;
    for (const peer of [...this.peers.values()]) peer.check();
    for (const { served } of [...this.served.values()]) served.connection.check();
    this.scheduler.later(this.limits.checkMs, this.check);
  };

  private newHandshake(role: 'dials' | 'serves', wanted: string, connection: number, socket: Socket): Handshake {
    const { cluster, self, secret, versions = PROTOCOL_VERSIONS } = this.settings;
    const nonce = Buffer.alloc(NONCE_BYTES);
    for (let at = 0; at < NONCE_BYTES; at += 4) nonce.writeUInt32LE(this.entropy.next(), at);
    const hello: Hello = { cluster, node: self.node, incarnation: self.incarnation, wanted, connection, versions, nonce };
    return new Handshake({ role, hello, secret: secret ?? EMPTY, binding: bindingOf(socket) });
  }

  private onStranger(socket: Socket): void {
    const { limits, strangers } = this;
    const key = comesFrom(socket);
    if (strangers.size >= limits.handshakesMax) {
      const [oldestKey, oldest] = strangers.entries().next().value!;
      this.complain('too many connections that have not proved themselves; the oldest was closed');
      strangers.delete(oldestKey);
      oldest.socket.destroy();
    }
    strangers.set(key, { socket, sinceMs: this.clock.monotonic() });
    whenGone(socket, () => {
      if (strangers.get(key)?.socket === socket) strangers.delete(key);
    });
    if (!this.areStrangersTimed) this.timeStrangers(limits.handshakeTimeMaxMs);
  }

  /** One timer for all of them: however many come, they leave nothing behind. */
  private timeStrangers(delayMs: number): void {
    this.areStrangersTimed = true;
    this.scheduler.later(delayMs, () => {
      this.areStrangersTimed = false;
      const { handshakeTimeMaxMs } = this.limits;
      const nowMs = this.clock.monotonic();
      for (const [key, { socket, sinceMs }] of this.strangers) {
        const leftMs = sinceMs + handshakeTimeMaxMs - nowMs;
        if (leftMs > 0) {
          this.timeStrangers(leftMs);
          return;
        }
        this.complain(`no handshake within ${handshakeTimeMaxMs} ms`, socket);
        this.strangers.delete(key);
        socket.destroy();
      }
    });
  }

  private onReady(socket: Socket): void {
    // Of a TLS socket, errors are its own.
    socket.on('error', () => {});
    shakeHands(socket, this.newHandshake('serves', '', 0, socket), (step) => this.onLastStep(step, socket));
  }

  private onLastStep(step: LastStep, socket: Socket): void {
    if (step.kind === 'refused') {
      this.refuse(socket, step.reply, step.message);
      return;
    }
    const { remote } = step;
    const older = this.served.get(remote.node);
    if (older !== undefined && older.hello.incarnation === remote.incarnation && older.hello.connection > remote.connection) {
      this.refuse(socket, refusalBytes('SUPERSEDED'), `node ${remote.node} has a newer connection`);
      return;
    }
    // Before the node is told that it may speak (X2).
    older?.served.close('the node has made a new connection');
    this.strangers.delete(comesFrom(socket));
    socket.write(step.reply);
    this.serve(socket, remote, step.rest);
  }

  private serve(socket: Socket, hello: Hello, rest: Buffer): void {
    const { node, incarnation } = hello;
    const connection: ServedConnection = {
      hello,
      served: new Served(this, { node, incarnation }, this.handlers, (message) => {
        if (this.served.get(node) === connection) this.served.delete(node);
        this.stats.accepted--;
        this.log.info({ peer: node, incarnation, reason: message }, 'a connection of a node has ended');
      }),
    };
    this.served.set(node, connection);
    this.stats.accepted++;
    this.log.info({ peer: node, incarnation }, 'a node has connected');
    whenGone(socket, (message) => connection.served.close(message));
    connection.served.attach(socket, rest);
  }

  private refuse(socket: Socket, reply: Buffer, message: string): void {
    this.complain(message, socket);
    socket.write(reply);
    socket.destroySoon();
  }

  private complain(reason: string, socket?: Socket): void {
    this.stats.handshakesFailed++;
    const nowMs = this.clock.monotonic();
    if (nowMs - this.complaintAtMs < COMPLAINT_EVERY_MS) {
      this.complaintsLeftOut++;
      return;
    }
    this.log.warn({ reason, from: socket?.remoteAddress, leftOut: this.complaintsLeftOut }, 'a connection was refused');
    this.complaintAtMs = nowMs;
    this.complaintsLeftOut = 0;
  }
}

function comesFrom(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code !== 'EADDRINUSE') return error;
  return new TroupeError('ADDRESS_IN_USE', `the node cannot listen for other nodes on ${host}:${port}`, { cause: error });
}

/** Two that were given one number would answer for each other. */
function setOnce<T>(handlers: Map<number, T>, method: number, handler: T): void {
  assert(!handlers.has(method), `method ${method} has a handler`);
  handlers.set(method, handler);
}
