/** Every node tells the others now and then how far the logs of its buckets have come (log-places.ts). What is told is durable. */

import type { OwnedLog } from '../runtime/actor/engine-stat.ts';
import type { LogPlaces } from '../runtime/actor/log-places.ts';
import type { Clock } from '../runtime/actor/seams.ts';
import { POSITIONS } from './methods.ts';
import type { PositionsValue } from './methods.ts';
import type { Peer, Transport } from './transport/transport.ts';
import type { WayTimes } from './way-times.ts';

/** Index, incarnation in two halves, position. */
const ENTRY_BYTES = 4 + 8 + 8;

export class PlaceExchange {
  private readonly places: Pick<LogPlaces, 'learn'>;
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly ways: WayTimes;

  constructor(places: Pick<LogPlaces, 'learn'>, clock: Pick<Clock, 'monotonic'>, ways: WayTimes) {
    this.places = places;
    this.clock = clock;
    this.ways = ways;
  }

  serve(transport: Pick<Transport, 'handleMessage'>): void {
    transport.handleMessage(POSITIONS, ({ from, value, buffer, bodyFrom, bodyTo }) => {
      const sentMs = value as PositionsValue;
      if (sentMs !== null) this.ways.heard(from, sentMs, this.clock.monotonic());
      for (let at = bodyFrom; at < bodyTo; at += ENTRY_BYTES) {
        const incarnation = { hi: buffer.readUInt32LE(at + 4), lo: buffer.readUInt32LE(at + 8) };
        this.places.learn(buffer.readUInt32LE(at), { incarnation, position: buffer.readDoubleLE(at + 12) });
      }
    });
  }

  tell(owned: readonly OwnedLog[], others: readonly { readonly peer: Pick<Peer, 'tell'> }[]): void {
    if (owned.length === 0) return;
    const body = Buffer.allocUnsafe(owned.length * ENTRY_BYTES);
    for (const [i, { index, place }] of owned.entries()) {
      const at = i * ENTRY_BYTES;
      body.writeUInt32LE(index, at);
      body.writeUInt32LE(place.incarnation.hi >>> 0, at + 4);
      body.writeUInt32LE(place.incarnation.lo >>> 0, at + 8);
      body.writeDoubleLE(place.position, at + 12);
    }
    const sentMs: PositionsValue = Math.floor(this.clock.monotonic());
    for (const { peer } of others) peer.tell(POSITIONS, sentMs, body, 0, body.length);
  }
}
