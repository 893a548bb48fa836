/**
 * How far the logs of all buckets have come, as far as this node has heard. Every node tells the others now and then of the buckets that it owns. What is
 * told is durable, so a command that is sent after that cannot be recorded in front of it; a place that is older than need be costs
 * reading, never truth.
 */

import type { OwnedLog } from '../runtime/actor/engine-stat.ts';
import type { LogPlace } from '../runtime/actor/engine.ts';
import type { Scheduler } from '../runtime/actor/seams.ts';
import { POSITIONS } from './methods.ts';
import type { Peer, Transport } from './transport/transport.ts';

export interface LogPlacesParts {
  readonly buckets: number;
  readonly scheduler: Pick<Scheduler, 'later'>;
  owned(): readonly OwnedLog[];
  others(): readonly { readonly peer: Pick<Peer, 'tell'> }[];
}

const TELL_MS = 1_000;
/** Index, incarnation in two halves, position. */
const ENTRY_BYTES = 4 + 8 + 8;
/** The incarnation of no log. */
const NOWHERE: LogPlace = { incarnation: { hi: 0, lo: 0 }, position: 0 };

export class LogPlaces {
  private readonly parts: LogPlacesParts;
  private readonly places: LogPlace[];
  private isStopped = false;

  constructor(parts: LogPlacesParts) {
    this.parts = parts;
    this.places = Array.from({ length: parts.buckets }, () => NOWHERE);
  }

  /** A place that a record which is asked for from now on cannot stand in front of. */
  of(index: number): LogPlace {
    return this.places[index]!;
  }

  start(): void {
    if (this.isStopped) return;
    this.tell();
    this.parts.scheduler.later(TELL_MS, () => this.start());
  }

  stop(): void {
    this.isStopped = true;
  }

  serve(transport: Pick<Transport, 'handleMessage'>): void {
    transport.handleMessage(POSITIONS, ({ buffer, bodyFrom, bodyTo }) => {
      for (let at = bodyFrom; at < bodyTo; at += ENTRY_BYTES) {
        const incarnation = { hi: buffer.readUInt32LE(at + 4), lo: buffer.readUInt32LE(at + 8) };
        this.places[buffer.readUInt32LE(at)] = { incarnation, position: buffer.readDoubleLE(at + 12) };
      }
    });
  }

  private tell(): void {
    const owned = this.parts.owned();
    const body = Buffer.allocUnsafe(owned.length * ENTRY_BYTES);
    for (const [i, { index, place }] of owned.entries()) {
      const at = i * ENTRY_BYTES;
      body.writeUInt32LE(index, at);
      body.writeUInt32LE(place.incarnation.hi >>> 0, at + 4);
      body.writeUInt32LE(place.incarnation.lo >>> 0, at + 8);
      body.writeDoubleLE(place.position, at + 12);
      // For when it is somebody else's.
      this.places[index] = place;
    }
    if (body.length === 0) return;
    for (const { peer } of this.parts.others()) peer.tell(POSITIONS, null, body, 0, body.length);
  }
}
