/**
 * Takes messages between actors to the nodes that own their buckets, and says how far they were taken in. Nothing here is certain: what
 * is lost comes again out of the sender's log (outbox.ts, O2), and what comes twice is taken in once (channels.ts, M2).
 *
 * What is for one node within one turn of the event loop leaves together, in frames of a bounded size.
 */

import { Address } from '../runtime/actor/engine.ts';
import type { Scheduler } from '../runtime/actor/seams.ts';
import type { Delivery, Message, MessageKind, Receipt } from '../runtime/actor/messages/message.ts';
import type { Courier } from '../runtime/actor/messages/outbox.ts';
import type { BucketOwners } from './bucket-owners.ts';
import { NO_NODE } from './bucket-map.ts';
import { DELIVER, TAKEN } from './methods.ts';
import type { DeliveredMessage, DeliverValue, TakenValue } from './methods.ts';
import type { Incoming, Peer, Transport } from './transport/transport.ts';

/** The engine of this node, as the courier needs it. */
export interface MessageEngine {
  receive(delivery: Delivery, acknowledge: (receipt: Receipt) => void): void;
  received(receipt: Receipt): void;
}

export interface CourierParts {
  readonly owners: BucketOwners;
  readonly scheduler: Pick<Scheduler, 'soon'>;
  peerOf(number: number): Peer | null;
  numberOf(name: string): number;
}

/** A frame holds at most so many bytes of bodies, but for a single one that is larger. */
const FRAME_BYTES_MAX = 256 * 1024;
const MESSAGES_PER_FRAME_MAX = 2_048;

interface Bag {
  readonly deliveries: Delivery[];
  readonly receipts: Receipt[];
}

export class MessageCourier implements Courier {
  engine: MessageEngine | null = null;
  private readonly parts: CourierParts;
  /** By number of the node that they are for. */
  private readonly bags = new Map<number, Bag>();

  constructor(parts: CourierParts) {
    this.parts = parts;
  }

  /** Serves what other nodes' couriers bring. */
  serve(transport: Pick<Transport, 'handleMessage'>): void {
    transport.handleMessage(DELIVER, (incoming) => this.onDeliver(incoming));
    transport.handleMessage(TAKEN, (incoming) => {
      for (const [source, incarnationHi, incarnationLo, destination, through, again] of incoming.value as TakenValue) {
        this.engine!.received({ source, incarnationHi, incarnationLo, destination, through, again });
      }
    });
  }

  deliver(delivery: Delivery): boolean {
    const owner = this.parts.owners.ownerOf(delivery.destination);
    if (owner !== NO_NODE && owner !== this.parts.owners.self) this.bagOf(owner).deliveries.push(delivery);
    return false;
  }

  private onDeliver({ value, from, buffer, bodyFrom, bodyTo }: Incoming): void {
    // What comes in is a view, and messages stay.
    const bodies = Buffer.from(buffer.subarray(bodyFrom, bodyTo));
    let at = 0;
    const acknowledge = (receipt: Receipt): void => {
      this.bagOf(this.parts.numberOf(from.node)).receipts.push(receipt);
    };
    for (const [source, incarnationHi, incarnationLo, destination, list] of value as DeliverValue) {
      const messages = list.map(([kind, number, position, entry, sender, to, name, onReply, linkedNumber, size]): Message => {
        const bodyFrom = at;
        at += size;
        return { kind: kind as MessageKind, number, position, entry, from: sender, to: new Address(to), name, body: bodies, bodyFrom, bodyTo: at, onReply, linkedNumber, next: null };
      });
      this.engine!.receive({ source, incarnationHi, incarnationLo, destination, messages }, acknowledge);
    }
  }

  private bagOf(node: number): Bag {
    let bag = this.bags.get(node);
    if (bag === undefined) {
      this.bags.set(node, (bag = { deliveries: [], receipts: [] }));
      if (this.bags.size === 1) this.parts.scheduler.soon(() => this.flush());
    }
    return bag;
  }

  private flush(): void {
    const bags = [...this.bags];
    this.bags.clear();
    for (const [node, { deliveries, receipts }] of bags) {
      const peer = this.parts.peerOf(node);
      if (peer === null) continue;
      if (receipts.length > 0) {
        const value: TakenValue = receipts.map(({ source, incarnationHi, incarnationLo, destination, through, again }) => [source, incarnationHi, incarnationLo, destination, through, again]);
        peer.tell(TAKEN, value);
      }
      if (deliveries.length > 0) new Frames(peer).send(deliveries);
    }
  }
}

/** Fills frames with deliveries. */
class Frames {
  private readonly peer: Peer;
  private value: DeliverValue = [];
  private bodies: Buffer[] = [];
  private bytes = 0;
  private messages = 0;

  constructor(peer: Peer) {
    this.peer = peer;
  }

  send(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) this.add(delivery);
    this.flush();
  }

  private add({ source, incarnationHi, incarnationLo, destination, messages }: Delivery): void {
    let list: DeliveredMessage[] = [];
    const open = (): void => void this.value.push([source, incarnationHi, incarnationLo, destination, (list = [])]);
    open();
    for (const { kind, number, position, entry, from, to, name, body, bodyFrom, bodyTo, onReply, linkedNumber } of messages) {
      const size = bodyTo - bodyFrom;
      if (this.bytes + size > FRAME_BYTES_MAX || this.messages >= MESSAGES_PER_FRAME_MAX) {
        this.flush();
        open();
      }
      list.push([kind, number, position, entry, from, to.text, name, onReply, linkedNumber, size]);
      this.bodies.push(body.subarray(bodyFrom, bodyTo));
      this.bytes += size;
      this.messages++;
    }
  }

  private flush(): void {
    if (this.value.length === 0) return;
    const body = Buffer.concat(this.bodies);
    // What does not go now goes with the next try of its outlet.
    this.peer.tell(DELIVER, this.value, body, 0, body.length);
    this.value = [];
    this.bodies = [];
    this.bytes = this.messages = 0;
  }
}
