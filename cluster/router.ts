/**
 * The router: brings requests to the node that owns the actor's bucket, wherever they came in.
 *
 * R1  Requests of one bucket keep their order across redirects: from the first that has to be sent again, or from the moment in which the
 *     bucket has another owner, all that come behind wait until none is on its way any more; then they go on in the order in which they
 *     came.
 * R2  A command that is sent to another node has a key, a minted one if its client gave none: sent again after its outcome was lost,
 *     it is applied once. What is sent again says so, and from where on the log may hold it: an actor remembers a hundred keys or so, and
 *     may have recorded more since. Nor is its client told that nothing was done. What has waited here says so, too, and what was long on its way is
 *     taken for it (way-times.ts). [Its client has lost this node meanwhile, and got it done through another one.]
 * R3  A request from another node is answered here or refused with NOT_OWNER and the owner as far as it is known; it is not passed on.
 *     Whoever asked decides.
 * R4  What waits is bounded in number and in time.
 * R5  When a bucket is given to another node, what the former owner has not answered is sent to the new one, and what the former one still says is
 *     not heard: keys and epochs see to it that it counts once. [The owner is cut off from the store, or stands still: it keeps its
 *     connections and says nothing, and by R1 all that come behind would wait for it, too.]
 */

import { bucketIndex, hashText, parseAddress, shardKey } from '../runtime/codec/address.ts';
import { mintKey } from '../runtime/codec/minted-key.ts';
import type { Address, AnswerError, CommandRequest, Elsewhere, GetRequest, LogPlace } from '../runtime/actor/engine.ts';
import type { LogPlaces } from '../runtime/actor/log-places.ts';
import type { Clock, Scheduler } from '../runtime/actor/seams.ts';
import { NO_NODE } from './bucket-map.ts';
import type { BucketOwners } from './bucket-owners.ts';
import { Forward, isCommand, RoutedCommand, ServedCommand, ServedGet } from './forward.ts';
import type { ForwardListener, Request } from './forward.ts';
import { isSentAgain } from './refusals.ts';
import type { Failure, Peer } from './transport/transport.ts';

/** The engine of this node, as the router needs it. */
export interface LocalEngine {
  submit(request: CommandRequest): void;
  get(request: GetRequest): void;
  /** Whether requests for the bucket are taken here: served, or held until the bucket is open. */
  owns(index: number): boolean;
}

export interface RouterParts {
  readonly owners: BucketOwners;
  readonly bucketBits: number;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly scheduler: Pick<Scheduler, 'later'>;
  /** Another node; null when it is not known (any more). */
  peerOf(number: number): Peer | null;
  /** The name of a node for NOT_OWNER, and back. */
  nameOf(number: number): string;
  numberOf(name: string): number;
  readonly places: Pick<LogPlaces, 'of' | 'firstTryMs' | 'at'>;
  /** Begins every minted key. */
  readonly incarnation: string;
  readonly limits?: Partial<RouterLimits>;
}

export interface RouterLimits {
  /** A request that finds no owner for so long is answered with an error. */
  readonly routeTimeMaxMs: number;
  readonly requestsHeldMax: number;
  readonly retryMs: number;
}

/** An engine gives back what it cannot serve long before that. */
const ENGINE_HOLDS_MAX_MS = 10_000;

const limitsPreset: RouterLimits = { routeTimeMaxMs: 10_000, requestsHeldMax: 65_536, retryMs: 15 };

/** One bucket's requests that are not this node's to answer. */
interface Route {
  /** Sent to `target` and not answered. */
  readonly inFlight: Set<Forward>;
  target: number;
  /** Raised whenever none is on its way and what waited goes on (refusals.ts). */
  era: number;
  /** Those that wait, in no order; null while nothing has to wait. */
  held: Forward[] | null;
  isTimed: boolean;
}

export class Router implements Elsewhere, ForwardListener {
  /** Requests that wait for an owner. */
  held = 0;
  /** Sent to other nodes so far, and how many of those were not the first try. */
  forwarded = 0;
  redirected = 0;
  /** Taken back from a node that had lost the bucket before it answered (R5). */
  recalled = 0;
  engine: LocalEngine | null = null;
  private readonly parts: RouterParts;
  private readonly limits: RouterLimits;
  private readonly routes: Route[];
  private orders = 0;
  private minted = 0;

  constructor(parts: RouterParts) {
    this.parts = parts;
    this.limits = { ...limitsPreset, ...parts.limits };
    this.routes = Array.from({ length: 2 ** parts.bucketBits }, () => ({ inFlight: new Set(), target: NO_NODE, era: 1, held: null, isTimed: false }));
  }

  /** Nothing waits for an owner or for another node's answer. */
  get isIdle(): boolean {
    return this.held === 0 && this.routes.every(({ inFlight }) => inFlight.size === 0);
  }

  /** The bucket of an address. @throws TroupeError BAD_ADDRESS */
  indexOf(to: Address): number {
    if (to.bucket < 0) to.bucket = bucketIndex(hashText(shardKey(parseAddress(to.text))), this.parts.bucketBits);
    return to.bucket;
  }

  /** A request of a client of this node. @throws TroupeError BAD_ADDRESS */
  route(request: Request): void {
    const { to } = request;
    // An actor that is in memory here is served here.
    if (to.resident !== null) {
      this.toEngine(request);
      return;
    }
    const index = this.indexOf(to);
    const route = this.routes[index]!;
    if (route.held === null && route.inFlight.size === 0 && this.engine!.owns(index)) this.toEngine(request);
    else this.enter(request, index, route);
  }

  // Elsewhere: what the engine took in and does not own any more.

  command(request: CommandRequest, since: LogPlace | null): void {
    if (request instanceof ServedCommand) this.refuse(request);
    else this.cameBack(request, since);
  }

  get(request: GetRequest): void {
    if (request instanceof ServedGet) this.refuse(request);
    else this.cameBack(request, null);
  }

  /** R3 */
  refuse(request: ServedCommand | ServedGet): void {
    const owner = this.parts.owners.ownerOf(this.indexOf(request.to));
    const reason = owner === NO_NODE || owner === this.parts.owners.self ? '' : this.parts.nameOf(owner);
    request.failed({ code: 'NOT_OWNER', message: 'this node does not own the actor', ...(reason === '' ? {} : { reason }) });
  }

  // ForwardListener

  arrived(forward: Forward): void {
    const route = this.routes[forward.index]!;
    route.inFlight.delete(forward);
    if (route.held !== null) this.flush(forward.index, route);
  }

  failed(forward: Forward, failure: Failure): void {
    const route = this.routes[forward.index]!;
    route.inFlight.delete(forward);
    const { outcome, code, message, reason } = failure;
    if (outcome === 'lost') forward.isUnknown = true;
    if (outcome === 'answered' && code === 'NOT_OWNER') this.parts.owners.hint(forward.index, reason === undefined ? NO_NODE : this.parts.numberOf(reason));
    const isFinal = outcome === 'answered' ? !isSentAgain(code) : outcome === 'notSent' && code !== 'UNREACHABLE';
    if (isFinal) {
      // Possibly from within `route`, and an answer comes later than that.
      this.failLater(forward.request, forward.errorOf(reason === undefined ? { code, message } : { code, message, reason }));
      if (route.held !== null) this.flushSoon(forward.index, route, 0);
      return;
    }
    this.hold(forward, route);
    // With a name to go to there is nothing to wait for; without one, the owner settles first.
    if (code === 'NOT_OWNER' && reason !== undefined) this.flush(forward.index, route);
  }

  /** The owners of these buckets changed: what waits for them may go on. */
  ownersChanged(indexes: readonly number[]): void {
    for (const index of indexes) {
      const route = this.routes[index]!;
      if (route.inFlight.size > 0) this.recall(index, route);
      if (route.held !== null) this.flush(index, route);
    }
  }

  /** R5. While a bucket is being handed over, its owner answers for what it has. */
  private recall(index: number, route: Route): void {
    const { owner, next } = this.parts.owners.map.entryOf(index);
    if (route.target === owner || route.target === next) return;
    const inFlight = [...route.inFlight];
    route.inFlight.clear();
    this.recalled += inFlight.length;
    for (const forward of inFlight) this.hold(forward.recall(), route);
  }

  private toEngine(request: Request): void {
    if (isCommand(request)) this.engine!.submit(request);
    else this.engine!.get(request);
  }

  /** `since` is given when it comes from the engine, which knows that nobody can have recorded it in front of that; `heldMs` is how long it was there, at most. */
  private enter(request: Request, index: number, route: Route, since: LogPlace | null = null, heldMs = 0): void {
    if (this.held >= this.limits.requestsHeldMax) {
      this.failLater(request, { code: 'OVERLOADED', message: `${this.held} requests wait for the owners of their actors` });
      return;
    }
    const key = !isCommand(request) ? '' : request.key !== '' ? request.key : mintKey(this.parts.incarnation, ++this.minted);
    const { clock, places } = this.parts;
    const now = clock.monotonic();
    const { triedSince = undefined, triedMs = 0, waitedMs = 0 } = isCommand(request) ? request : {};
    const firstTryMs = places.firstTryMs({ triedMs, waitedMs: waitedMs + heldMs });
    const tried = triedSince ?? since ?? (firstTryMs === undefined ? undefined : places.at(index, firstTryMs));
    const forward = new Forward(request, index, now, ++this.orders, key, tried ?? places.of(index), this);
    forward.isLate = tried !== undefined;
    if (tried === undefined && firstTryMs !== undefined) forward.openMs = now - firstTryMs;
    forward.isUnknown = triedMs > 0 || (request instanceof RoutedCommand && request.isUnknown);
    if (route.held === null) this.send(forward, route);
    else this.hold(forward, route);
  }

  /** On to whoever owns the bucket by now. */
  private cameBack(request: Request, since: LogPlace | null): void {
    const index = this.indexOf(request.to);
    const route = this.routes[index]!;
    route.held ??= [];
    this.enter(request, index, route, since, ENGINE_HOLDS_MAX_MS);
    this.flushSoon(index, route, 0);
  }

  private hold(forward: Forward, route: Route): void {
    forward.isLate = true;
    (route.held ??= []).push(forward);
    this.held++;
    this.flushSoon(forward.index, route, this.limits.retryMs);
  }

  private send(forward: Forward, route: Route): void {
    const { index } = forward;
    const owner = this.parts.owners.ownerOf(index);
    const peer = this.engine!.owns(index) ? null : this.peerFor(index);
    if (peer === null || (route.inFlight.size > 0 && route.target !== owner)) {
      this.hold(forward, route);
      return;
    }
    route.target = owner;
    route.inFlight.add(forward);
    this.forwarded++;
    forward.send(peer, route.era, this.parts.clock.monotonic());
  }

  private peerFor(index: number): Peer | null {
    const { owners } = this.parts;
    const owner = owners.ownerOf(index);
    return owner === NO_NODE || owner === owners.self ? null : this.parts.peerOf(owner);
  }

  /** R1 */
  private flush(index: number, route: Route): void {
    if (route.held === null) return;
    this.expire(route);
    if (route.inFlight.size > 0) return;
    const isHere = this.engine!.owns(index);
    if (route.held.length > 0 && !isHere && this.peerFor(index) === null) {
      this.flushSoon(index, route, this.limits.retryMs);
      return;
    }
    const held = route.held.sort((a, b) => a.order - b.order);
    route.held = null;
    route.era++;
    this.held -= held.length;
    for (const forward of held) {
      if (route.held !== null) this.hold(forward, route);
      else if (isHere) this.toEngine(forward.local(this.parts.clock.monotonic()));
      else {
        this.redirected++;
        this.send(forward, route);
      }
    }
  }

  private flushSoon(index: number, route: Route, delayMs: number): void {
    if (route.isTimed) return;
    route.isTimed = true;
    this.parts.scheduler.later(delayMs, () => {
      route.isTimed = false;
      this.flush(index, route);
      if (route.held !== null) this.flushSoon(index, route, this.limits.retryMs);
    });
  }

  /** R4 */
  private expire(route: Route): void {
    const now = this.parts.clock.monotonic();
    const late = route.held!.filter((forward) => now - forward.sinceMs > this.limits.routeTimeMaxMs);
    if (late.length === 0) return;
    route.held = route.held!.filter((forward) => !late.includes(forward));
    this.held -= late.length;
    for (const { request, isUnknown } of late) {
      request.failed(
        isUnknown
          ? { code: 'UNKNOWN_OUTCOME', message: 'the node that had it is gone, and no other owner was found in time' }
          : { code: 'NOT_OWNER', message: 'no owner of the actor was found in time' },
      );
    }
  }

  private failLater(request: Request, error: AnswerError): void {
    this.parts.scheduler.later(0, () => request.failed(error));
  }
}
