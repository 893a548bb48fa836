/**
 * A broken network between a client and a server, for the tests of whoever must live with one.
 *
 * P1  Bytes of one direction of one connection go out in the order in which they came in, the end of the stream behind them.
 * P2  What came in goes out, even when its sender has gone meanwhile: a network does that too. Only `cut`, `refuse`, `close`
 *     and the faults below lose bytes.
 * P3  A fault that is asked for (`cutBeforeReply`, `cutAfter`, `stall`) takes the first bytes that match, on whatever
 *     connection, happens once, and leaves all other connections alone. Faults asked for in a row are taken in that order.
 * P4  `cut`, `refuse` and `blackhole` may be told whose connections they are about: those that are open, and those that come. All
 *     others do not notice. (`port-owner.ts` tells the connections of a process.)
 *
 * Up is from the client to the server. A request is what arrives at the proxy in one piece: up to 64 KiB.
 */

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

import { freePort } from './ports.ts';
import { Lane } from './tcp-lane.ts';
import type { Weather } from './tcp-lane.ts';

export type Direction = 'up' | 'down';
export type Directions = Direction | 'both';
type Matches = (bytes: Buffer) => boolean;
/** Whether a connection is meant, by the port of the client's end; 0 when it has none any more. */
export type From = (clientPort: number) => boolean;

/** A request whose sender is gone. */
export interface StalledRequest {
  readonly bytes: Buffer;
  /** Hands it to the server. Resolves with the beginning of the answer, which nobody else hears. @throws Error when the server hangs up first, and the second time */
  deliver(): Promise<Buffer>;
}

interface Pair {
  readonly client: Socket;
  readonly clientPort: number;
  readonly server: Socket;
  readonly up: Lane;
  readonly down: Lane;
  /** A fault that has taken the connection over gets all its bytes, in place of the lanes. */
  fault: ((direction: Direction, chunk: Buffer) => void) | null;
  /** The server does not hear that the client has gone. */
  isKept: boolean;
}

/** What happens to connections of one origin until it is healed. */
type Trouble = { readonly kind: 'refused'; readonly from: From } | { readonly kind: 'held'; readonly from: From; readonly directions: readonly Direction[] };

interface AskedFault {
  readonly direction: Direction;
  readonly matches: Matches;
  begin(pair: Pair, chunk: Buffer): void;
}

const any: Matches = () => true;

/** Resolves when it listens on 127.0.0.1, at a port of its own. */
export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const proxy = new TcpProxy(targetPort, await freePort());
  await proxy.accept();
  return proxy;
}

export class TcpProxy {
  readonly port: number;
  /** Accepted since the start. */
  connections = 0;
  private readonly targetPort: number;
  private readonly pairs = new Set<Pair>();
  private readonly weather: Record<Direction, Weather> = {
    up: { isHeld: false, delayMs: 0, deliveredBytes: 0 },
    down: { isHeld: false, delayMs: 0, deliveredBytes: 0 },
  };
  private readonly asked: AskedFault[] = [];
  private troubles: readonly Trouble[] = [];
  private listener: Server | null = null;

  /** Does not listen yet; use `startProxy`. */
  constructor(targetPort: number, port: number) {
    this.targetPort = targetPort;
    this.port = port;
  }

  /** Of which the client or the server has an end. */
  get openConnections(): number {
    return this.pairs.size;
  }

  /** Delivered to the server. */
  get bytesUp(): number {
    return this.weather.up.deliveredBytes;
  }

  /** Delivered to clients. */
  get bytesDown(): number {
    return this.weather.down.deliveredBytes;
  }

  /** Taken in and not yet delivered, both ways; without stalled requests. */
  get heldBytes(): number {
    let sum = 0;
    for (const { up, down } of this.pairs) sum += up.heldBytes + down.heldBytes;
    return sum;
  }

  /** Ends every connection, with all that is under way on it; new ones are welcome. Stalled requests stay. */
  cut(from: From | null = null): void {
    for (const pair of this.pairs) if (!pair.isKept && (from === null || from(pair.clientPort))) destroy(pair);
  }

  /**
   * As `cut`; and whoever connects is refused, until `accept`. One port refuses all or none: with `from`, those who are meant get
   * in, and are thrown out before anything of theirs is heard.
   */
  async refuse(from: From | null = null): Promise<void> {
    if (from !== null) {
      this.troubles = [...this.troubles, { kind: 'refused', from }];
      this.cut(from);
      return;
    }
    const { listener } = this;
    this.listener = null;
    const closed = listener === null ? null : new Promise((resolve) => { listener.close(resolve); });
    this.cut();
    await closed;
  }

  /** Ends all refusals. */
  async accept(): Promise<void> {
    this.troubles = this.troubles.filter(({ kind }) => kind !== 'refused');
    if (this.listener !== null) return;
    this.listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.onClient(client));
    this.listener.listen(this.port, '127.0.0.1');
    await once(this.listener, 'listening');
  }

  /** Bytes, and ends of streams, stay in the proxy; connections stay open, and new ones open. Until `heal`. */
  blackhole(directions: Directions, from: From | null = null): void {
    if (from === null) {
      for (const direction of both(directions)) this.weather[direction].isHeld = true;
      return;
    }
    const trouble: Trouble = { kind: 'held', from, directions: both(directions) };
    this.troubles = [...this.troubles, trouble];
    for (const pair of this.pairs) if (from(pair.clientPort)) hold(pair, trouble.directions);
  }

  /** Whatever comes in from now on goes out so much later, and not before what came before it. Until `heal`. */
  delay(ms: number, directions: Directions = 'both'): void {
    for (const direction of both(directions)) this.weather[direction].delayMs = ms;
  }

  /** Ends black holes and delays; what was held goes out now. */
  heal(): void {
    this.troubles = this.troubles.filter(({ kind }) => kind !== 'held');
    for (const weather of Object.values(this.weather)) Object.assign(weather, { isHeld: false, delayMs: 0 });
    for (const { up, down } of this.pairs) {
      up.isHeld = down.isHeld = false;
      up.release();
      down.release();
    }
  }

  /**
   * The next request that matches is executed, and its sender never learns of it: when its answer comes, the sender is cut
   * off instead. With others under way on the same connection, the first answer of all of them counts; none is heard.
   *
   * Resolves when that has happened, with the beginning of the answer.
   */
  async cutBeforeReply(matches: Matches = any): Promise<Buffer> {
    return new Promise((resolve) => {
      this.ask('up', matches, (pair, request) => {
        pair.up.push(request);
        pair.fault = (direction, chunk) => {
          if (direction === 'up') {
            pair.up.push(chunk);
          } else {
            // The server has what was sent before it hears of the end (P1), and what it says to that is read, not refused.
            pair.client.destroy();
            resolve(chunk);
          }
        };
      });
    });
  }

  /**
   * From the first bytes that match, so many of that direction are delivered, and then the connection ends on both sides: a
   * request or an answer is torn. Resolves when that has happened.
   */
  async cutAfter(bytes: number, direction: Direction, matches: Matches = any): Promise<void> {
    return new Promise((resolve) => {
      this.ask(direction, matches, (pair, first) => {
        let left = bytes;
        pair.fault = (from, chunk) => {
          if (from !== direction) {
            pair[from].push(chunk);
            return;
          }
          pair[direction].push(chunk.subarray(0, left));
          left -= chunk.length;
          if (left > 0) return;
          pair.fault = () => {};
          pair[direction].end();
          pair[opposite(direction)].drop();
          pair[direction === 'up' ? 'client' : 'server'].destroy();
          resolve();
        };
        pair.fault(direction, first);
      });
    });
  }

  /**
   * The next request that matches does not reach the server, and its sender is cut off: it is under way for as long as the
   * test likes, on a connection that the server still takes for alive. A request of several pieces is taken whole when they
   * follow one another within `quietMs`.
   *
   * Resolves when that has happened.
   */
  async stall(matches: Matches = any, quietMs = 50): Promise<StalledRequest> {
    return new Promise((resolve) => {
      this.ask('up', matches, (pair, first) => {
        const chunks = [first];
        pair.isKept = true;
        const finish = (): void => {
          pair.client.destroy();
          const bytes = Buffer.concat(chunks);
          resolve({ bytes, deliver: async () => this.deliver(pair, bytes) });
        };
        const quiet = setTimeout(() => {
          // Where this process stood still, what has come meanwhile is read first.
          const { length } = chunks;
          setImmediate(() => void (chunks.length === length ? finish() : quiet.refresh()));
        }, quietMs);
        pair.fault = (direction, chunk) => {
          // What the server says now, to earlier requests, nobody is there to hear.
          if (direction === 'down') return;
          chunks.push(chunk);
          quiet.refresh();
        };
      });
    });
  }

  /** Ends everything, stalled requests too. */
  async close(): Promise<void> {
    this.asked.length = 0;
    for (const pair of this.pairs) destroy(pair);
    await this.refuse();
  }

  private async deliver(pair: Pair, bytes: Buffer): Promise<Buffer> {
    const { server } = pair;
    if (server.destroyed || server.readableEnded || server.writableEnded) throw new Error('the connection of the stalled request is closed');
    return new Promise((resolve, reject) => {
      const onClose = (): void => reject(new Error('the server closed the connection of the stalled request'));
      server.once('end', onClose).once('close', onClose);
      pair.fault = (_direction, chunk) => {
        server.end();
        resolve(chunk);
      };
      this.weather.up.deliveredBytes += bytes.length;
      server.write(bytes);
    });
  }

  private ask(direction: Direction, matches: Matches, begin: AskedFault['begin']): void {
    this.asked.push({ direction, matches, begin });
  }

  private onClient(client: Socket): void {
    // One that is gone by now may have no port any more.
    const clientPort = client.remotePort ?? 0;
    const troubles = this.troubles.filter(({ from }) => from(clientPort));
    if (troubles.some(({ kind }) => kind === 'refused')) {
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    this.connections++;
    const server = connect({ host: '127.0.0.1', port: this.targetPort, allowHalfOpen: true, noDelay: true });
    const pair: Pair = { client, clientPort, server, up: new Lane(server, this.weather.up), down: new Lane(client, this.weather.down), fault: null, isKept: false };
    for (const trouble of troubles) if (trouble.kind === 'held') hold(pair, trouble.directions);
    this.pairs.add(pair);
    this.follow(pair, client, 'up');
    this.follow(pair, server, 'down');
  }

  private follow(pair: Pair, source: Socket, direction: Direction): void {
    const onEnd = (): void => {
      if (!(direction === 'up' && pair.isKept)) pair[direction].end();
    };
    source.on('data', (chunk: Buffer) => this.onData(pair, direction, chunk));
    source.on('end', onEnd);
    // It comes before the close, which is what counts.
    source.on('error', () => {});
    source.on('close', () => {
      onEnd();
      if (pair.client.destroyed && pair.server.destroyed) this.pairs.delete(pair);
    });
  }

  private onData(pair: Pair, direction: Direction, chunk: Buffer): void {
    if (pair.fault !== null) {
      pair.fault(direction, chunk);
      return;
    }
    const i = this.asked.findIndex((fault) => fault.direction === direction && fault.matches(chunk));
    if (i < 0) pair[direction].push(chunk);
    else this.asked.splice(i, 1)[0]!.begin(pair, chunk);
  }
}

function destroy(pair: Pair): void {
  pair.up.drop();
  pair.down.drop();
  pair.client.destroy();
  pair.server.destroy();
}

function hold(pair: Pair, directions: readonly Direction[]): void {
  for (const direction of directions) pair[direction].isHeld = true;
}

function both(directions: Directions): readonly Direction[] {
  return directions === 'both' ? ['up', 'down'] : [directions];
}

function opposite(direction: Direction): Direction {
  return direction === 'up' ? 'down' : 'up';
}
