/**
 * The connections of one client: its home, to whichever node answers at the addresses it was given, and one to every owner of actors
 * that it has something to say to.
 *
 * D1  The bucket map is a hint. Every node passes on what is not its own, so a map that is old, wrong or missing costs a detour, and what
 *     cannot go to its owner goes over any other connection.
 * D2  An owner's connection is opened when there is something to send to it, and used once the node at its other end has said
 *     that it is that node. [The address leads to a load balancer, or to another cluster.]
 * D3  Where nodes say they are is followed only as far as `mayFollow` allows.
 * D4  The map is asked for on every new connection, when one is lost, and every `mapAgeMaxMs` while requests flow; the same question
 *     shows whether a connection that owes answers still stands (L4). An idle client asks nothing.
 * D5  A connection that is not wanted any more, because its node owns nothing or is at home already, is closed when nothing is on it.
 */

import { backoffMs } from './backoff.ts';
import type { BackoffSettings } from './backoff.ts';
import { BucketMap, mayFollow } from './bucket-map.ts';
import type { OwnerNode } from './bucket-map.ts';
import type { TroupeClientError } from './errors.ts';
import { Link } from './link.ts';
import type { LinkSettings } from './link.ts';

/** Of its requests. Those of the client are numbers in base 36, of letters and digits alone. [The 28,897th command has the id "map".] */
const MAP_ID = '/map';
const OWNERS_MAX = 64;
/** An owner that cannot be reached is tried again after so long at most; what goes to it takes the detour meanwhile. */
const OWNER_BACKOFF_MAX_MS = 60_000;

export interface ConnectionsSettings extends Omit<LinkSettings, 'urls' | 'isLasting'> {
  /** Addresses that were given. */
  readonly seeds: readonly string[];
  readonly isDirect: boolean;
  readonly mapAgeMaxMs: number;
}

export interface ConnectionsOwner {
  /** What waits may go: there is a connection, or a map, that was not there before. */
  onWay(): void;
  /** The connection has gone; nothing that was sent on it and not answered will be. */
  onLost(link: Link): void;
  onMessage(link: Link, message: unknown): void;
  /** Attempts to connect failed at every address; others follow. */
  onUnreachable(): void;
  /** There will be no other connection. */
  onEnd(error: TroupeClientError): void;
  /** Whether answers are owed on it. */
  isBusy(link: Link): boolean;
  hasWatches(link: Link): boolean;
}

/** An owner of the map, and the connection to it, if any. */
interface Seat {
  readonly node: OwnerNode;
  link: Link | null;
  /** D2 */
  isReady: boolean;
  failures: number;
  notBeforeMs: number;
}

interface MapMessage {
  readonly id?: unknown;
  readonly ok?: unknown;
  readonly node?: unknown;
  readonly map?: unknown;
}

export class Connections {
  private readonly settings: ConnectionsSettings;
  private readonly owner: ConnectionsOwner;
  private readonly home: Link;
  /** Name of the node at home; '' while it is not known. */
  private homeNode = '';
  private map: BucketMap | null = null;
  /** Who gave it. */
  private mapFrom: Link | null = null;
  private seats: Seat[] = [];
  private readonly retired = new Set<Link>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isEnded = false;

  constructor(settings: ConnectionsSettings, owner: ConnectionsOwner) {
    this.settings = settings;
    this.owner = owner;
    const home: Link = new Link({ ...settings, urls: () => this.addresses(), isLasting: true }, {
      onUp: () => {
        this.ask(home);
        owner.onWay();
      },
      onDown: () => {
        this.homeNode = '';
        this.lost(home);
      },
      onMessage: (message) => this.onMessage(home, null, message),
      onUnreachable: () => {
        if (this.any() === null) owner.onUnreachable();
      },
      onEnd: (error) => {
        this.close();
        owner.onEnd(error);
      },
    });
    this.home = home;
  }

  start(): void {
    this.home.start();
  }

  close(): void {
    this.isEnded = true;
    clearTimeout(this.timer);
    this.home.close();
    for (const { link } of this.seats) link?.close();
    for (const link of this.retired) link.close();
    this.seats = [];
    this.retired.clear();
  }

  /** Whether there is a connection to send on. */
  get isUp(): boolean {
    return this.any() !== null;
  }

  /** The connection for an actor of this hash; null when there is none at all. Opens the owner's, for later, if it is not there (D2). */
  route(hash: number): Link | null {
    const seat = this.map === null ? undefined : this.seats[this.map.ownerOf(hash)];
    if (seat === undefined) return this.any();
    if (seat.node.id === this.homeNode && this.home.isUp) return this.home;
    if (seat.isReady) return seat.link;
    this.open(seat);
    return this.any();
  }

  /** Something was sent (D4). */
  used(): void {
    if (this.timer !== undefined || this.isEnded) return;
    this.timer = setTimeout(() => this.look(), this.settings.mapAgeMaxMs);
  }

  private any(): Link | null {
    if (this.home.isUp) return this.home;
    for (const { isReady, link } of this.seats) if (isReady) return link;
    return null;
  }

  /** For the home. Where owners are is tried too while there is no other connection: the nodes that were named may all have gone. */
  private addresses(): readonly string[] {
    const { seeds } = this.settings;
    if (this.any() !== null) return seeds;
    return [...seeds, ...this.seats.flatMap(({ node: { url } }) => (url === '' || seeds.includes(url) ? [] : [url]))];
  }

  /** D4 */
  private look(): void {
    this.timer = undefined;
    this.sweep();
    const asked = this.mapFrom?.isUp === true ? this.mapFrom : this.any();
    if (asked !== null) this.ask(asked);
    let isBusy = false;
    for (const link of [this.home, ...this.seats.map((seat) => seat.link)]) {
      if (link === null || !this.owner.isBusy(link)) continue;
      isBusy = true;
      if (link !== asked) this.ask(link);
    }
    if (isBusy) this.used();
  }

  private ask(link: Link): void {
    link.ask(`{"id":"${MAP_ID}","map":${this.map?.version ?? 0}}`);
  }

  private open(seat: Seat): void {
    if (seat.link !== null || seat.node.url === '' || performance.now() < seat.notBeforeMs) return;
    if (this.seats.reduce((open, { link }) => open + Number(link !== null), 0) >= OWNERS_MAX) return;
    const link: Link = new Link({ ...this.settings, urls: () => [seat.node.url], isLasting: false }, {
      onUp: () => this.ask(link),
      onDown: () => {
        this.vacate(seat, link, backoffOf(this.settings.backoff));
        this.lost(link);
      },
      onMessage: (message) => this.onMessage(link, seat, message),
      onUnreachable: () => this.vacate(seat, link, backoffOf(this.settings.backoff)),
      onEnd: () => {
        this.vacate(seat, link, null);
        this.lost(link);
      },
    });
    seat.link = link;
    // An address that no WebSocket takes fails at once, and whoever sends is not prepared for that.
    queueMicrotask(() => link.start());
  }

  /** The connection is of no use any more; the next is not opened before a time that grows. Null: there is little hope for it. */
  private vacate(seat: Seat, link: Link, backoff: BackoffSettings | null): void {
    this.retired.delete(link);
    if (seat.link !== link) return;
    seat.link = null;
    seat.isReady = false;
    const waitMs = backoff === null ? OWNER_BACKOFF_MAX_MS : backoffMs(++seat.failures, backoff, this.settings.random);
    seat.notBeforeMs = performance.now() + waitMs;
  }

  private lost(link: Link): void {
    this.owner.onLost(link);
    const other = this.any();
    if (other !== null) this.ask(other);
  }

  private onMessage(link: Link, seat: Seat | null, message: unknown): void {
    if ((message as MapMessage).id !== MAP_ID) {
      this.owner.onMessage(link, message);
      return;
    }
    // A node that knows of no maps answers with an error: it is there, and that is all.
    const { ok, node, map } = message as MapMessage;
    if (!this.settings.isDirect || ok !== true) return;
    if (seat === null) this.homeNode = String(node);
    else if (seat.link === link && !seat.isReady && !this.seated(seat, link, node)) return;
    const read = BucketMap.read(map);
    if (read !== null && this.isNews(link, read)) this.take(link, read);
    this.sweep();
  }

  /** D2: whether the node is the one that was looked for. */
  private seated(seat: Seat, link: Link, node: unknown): boolean {
    if (node !== seat.node.id) {
      this.vacate(seat, link, null);
      link.close();
      return false;
    }
    seat.isReady = true;
    seat.failures = 0;
    this.owner.onWay();
    return true;
  }

  /** Nodes hear of a change one after the other, so an older map is late news, unless the same node gives it: then the store went back. */
  private isNews(link: Link, { version }: BucketMap): boolean {
    const { map, mapFrom } = this;
    if (map === null || mapFrom === null || version > map.version) return true;
    return version < map.version && (link === mapFrom || !mapFrom.isUp);
  }

  private take(link: Link, map: BucketMap): void {
    this.map = map;
    this.mapFrom = link;
    const before = new Map(this.seats.map((seat) => [`${seat.node.id} ${seat.node.url}`, seat]));
    this.seats = map.nodes.map(({ id, url }) => {
      // D3
      const node = { id, url: url !== '' && mayFollow(url, this.home.url) ? url : '' };
      const name = `${id} ${node.url}`;
      const seat = before.get(name) ?? { node, link: null, isReady: false, failures: 0, notBeforeMs: 0 };
      before.delete(name);
      return seat;
    });
    for (const seat of before.values()) this.retire(seat);
    this.owner.onWay();
  }

  private retire(seat: Seat): void {
    if (seat.link !== null) this.retired.add(seat.link);
    seat.link = null;
    seat.isReady = false;
  }

  /** D5 */
  private sweep(): void {
    for (const seat of this.seats) {
      if (seat.link !== null && seat.node.id === this.homeNode) this.retire(seat);
    }
    for (const link of this.retired) {
      if (this.owner.isBusy(link) || this.owner.hasWatches(link)) continue;
      this.retired.delete(link);
      link.close();
    }
  }
}

function backoffOf({ firstMs }: BackoffSettings): BackoffSettings {
  return { firstMs, maxMs: OWNER_BACKOFF_MAX_MS };
}
