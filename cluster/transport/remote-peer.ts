/**
 * A peer: dials its node when something is asked for the first time, and again after each loss, with pauses that double and differ.
 *
 *   idle ──asked──► connecting ──handshake──► open
 *                    ▲      │                  │
 *                    │      └──failed──┐  ┌──lost
 *                    └──time is up── waiting            any ──close──► closed
 */

import type { Socket } from 'node:net';

import type { Clock, Entropy } from '../../runtime/actor/seams.ts';
import { backoffMs } from '../../runtime/client/backoff.ts';
import { Dialled, fail } from './dialled.ts';
import type { Handshake, Hello } from './handshake.ts';
import type { PeerEvent, TransportHost } from './settings.ts';
import { shakeHands, whenGone } from './sockets.ts';
import type { LastStep } from './sockets.ts';
import type { NodeAddress, Peer, PeerState, Pending, Stream, StreamSink } from './transport.ts';

const EMPTY = Buffer.alloc(0);
const NO_STREAM: Stream = { resume: () => {}, close: () => {} };

export interface PeerHost extends TransportHost {
  readonly clock: Clock;
  readonly entropy: Entropy;
  dial(address: NodeAddress, onReady: () => void): Socket;
  handshake(wanted: string, socket: Socket): Handshake;
  onPeer(event: PeerEvent): void;
  forget(peer: RemotePeer): void;
}

export class RemotePeer implements Peer {
  readonly node: string;
  readonly address: NodeAddress;
  private readonly host: PeerHost;
  private readonly name: string;
  private current: PeerState = 'idle';
  private lastIncarnation: string | null = null;
  private dialled: Dialled | null = null;
  private attempt = 0;
  private openSinceMs = 0;
  private lastMessage = '';

  constructor(host: PeerHost, node: string, address: NodeAddress) {
    this.host = host;
    this.node = node;
    this.address = address;
    this.name = `node ${node} at ${address.host}:${address.port}`;
  }

  get state(): PeerState {
    return this.current;
  }

  get incarnation(): string | null {
    return this.lastIncarnation;
  }

  request(pending: Pending, method: number, value?: unknown, buffer: Buffer = EMPTY, from = 0, to = buffer.length): void {
    const dialled = this.ready();
    if (dialled === null) this.refuse(pending);
    else dialled.request(pending, method, value, buffer, from, to);
  }

  tell(method: number, value?: unknown, buffer: Buffer = EMPTY, from = 0, to = buffer.length): boolean {
    const dialled = this.ready();
    if (dialled !== null) return dialled.tell(method, value, buffer, from, to);
    this.host.stats.notSent++;
    return false;
  }

  openStream(sink: StreamSink, method: number, value?: unknown, buffer: Buffer = EMPTY, from = 0, to = buffer.length): Stream {
    const dialled = this.ready();
    if (dialled !== null) return dialled.openStream(sink, method, value, buffer, from, to);
    this.refuse({ failed: (failure) => sink.ended(failure) });
    return NO_STREAM;
  }

  dialNow(): void {
    if (this.current !== 'waiting') return;
    this.attempt = 0;
    this.dial();
  }

  close(): void {
    if (this.current === 'closed') return;
    const wasOpen = this.current === 'open';
    this.current = 'closed';
    this.host.forget(this);
    if (wasOpen) this.onLost('this side closed it');
    this.dialled?.close('this side closed the connection');
  }

  /** Called every checkMs. */
  check(): void {
    this.dialled?.connection.check();
  }

  private ready(): Dialled | null {
    if (this.current === 'idle') this.dial();
    return this.dialled;
  }

  private refuse(pending: Pick<Pending, 'failed'>): void {
    const why = this.current === 'closed' ? 'this side has closed the peer' : this.lastMessage;
    fail(this.host, pending, 'notSent', { code: 'UNREACHABLE', message: `${this.name} cannot be reached: ${why}` });
  }

  private dial(): void {
    const { host } = this;
    this.current = 'connecting';
    const dialled = new Dialled(host, this.name, (message) => {
      socket.destroy();
      this.onEnded(message);
    });
    const socket: Socket = host.dial(this.address, () => {
      const handshake = host.handshake(this.node, socket);
      shakeHands(socket, handshake, (step) => this.onLastStep(step, dialled, socket));
      socket.write(handshake.start());
    });
    this.dialled = dialled;
    whenGone(socket, (message) => dialled.close(message));
    const { handshakeTimeMaxMs } = host.limits;
    host.scheduler.later(handshakeTimeMaxMs, () => {
      if (this.dialled === dialled && this.current === 'connecting') dialled.close(`no handshake within ${handshakeTimeMaxMs} ms`);
    });
  }

  private onLastStep(step: LastStep, dialled: Dialled, socket: Socket): void {
    if (step.kind === 'refused') {
      this.host.stats.handshakesFailed++;
      dialled.close(step.message);
      return;
    }
    this.onOpen(step.remote);
    dialled.attach(socket, step.rest);
  }

  private onOpen({ node, incarnation }: Hello): void {
    const { host } = this;
    const isRestarted = this.lastIncarnation !== null && this.lastIncarnation !== incarnation;
    this.current = 'open';
    this.lastIncarnation = incarnation;
    this.openSinceMs = host.clock.monotonic();
    this.lastMessage = '';
    host.stats.dialled++;
    host.log.info({ peer: node, incarnation }, 'connected to a node');
    host.onPeer({ kind: 'connected', remote: { node, incarnation }, isRestarted });
  }

  private onLost(message: string): void {
    this.host.stats.dialled--;
    this.host.onPeer({ kind: 'disconnected', node: this.node, message });
  }

  private onEnded(message: string): void {
    const { host } = this;
    const wasOpen = this.current === 'open';
    this.dialled = null;
    if (this.current === 'closed') return;
    this.current = 'waiting';
    const fields = { peer: this.node, address: this.address, reason: message };
    // One that stops in order has closed its connections before it is struck off the list: that alone is nothing to worry about.
    if (wasOpen) host.log.info(fields, 'a connection to a node has ended; dialling again');
    else if (message !== this.lastMessage) host.log.warn(fields, 'cannot connect to a node');
    this.lastMessage = message;
    const { backoffFirstMs, backoffMaxMs } = host.limits;
    // A node that takes connections and drops them must not be dialled as fast as it does so.
    if (wasOpen && host.clock.monotonic() - this.openSinceMs >= backoffMaxMs) this.attempt = 0;
    this.attempt++;
    const pauseMs = backoffMs(this.attempt, { firstMs: backoffFirstMs, maxMs: backoffMaxMs }, () => host.entropy.next() / 0x1_0000_0000);
    host.scheduler.later(pauseMs, () => {
      if (this.current === 'waiting') this.dial();
    });
    if (wasOpen) this.onLost(message);
  }
}
