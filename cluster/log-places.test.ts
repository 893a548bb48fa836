/** What nodes tell each other of how far logs have come. */

import t from 'tap';

import type { OwnedLog } from '../runtime/actor/engine-stat.ts';
import { LogPlaces } from './log-places.ts';
import * as methods from './methods.ts';
import type { Incoming } from './transport/transport.ts';

t.test('a node knows of the buckets of others, and of its own that were', async (t) => {
  const handlers: ((message: Incoming) => void)[] = [];
  let tick = (): void => {};
  const node = (owned: OwnedLog[], others: number[]): LogPlaces => {
    const places = new LogPlaces({
      buckets: 4,
      owned: () => owned,
      scheduler: { later: (_delayMs, task) => (tick = task) },
      others: () => others.map((i) => ({
        peer: {
          tell: (_method, _value, buffer = Buffer.alloc(0), from = 0, to = 0) => {
            // As it comes in: somewhere in a larger buffer.
            handlers[i]!({ buffer: Buffer.concat([Buffer.alloc(3), buffer.subarray(from, to), Buffer.alloc(2)]), bodyFrom: 3, bodyTo: 3 + to - from } as Incoming);
            return true;
          },
        },
      })),
    });
    places.serve({ handleMessage: (_method, handler) => handlers.push(handler) });
    return places;
  };
  const place = (lo: number, position: number) => ({ incarnation: { hi: 0x8000_0001, lo }, position });
  const owned: OwnedLog[] = [{ index: 1, place: place(11, 5) }, { index: 3, place: place(33, 2 ** 40) }];
  const a = node(owned, [1]);
  const b = node([], []);
  a.start();
  t.same([0, 1, 2, 3].map((index) => b.of(index).position), [0, 5, 0, 2 ** 40]);
  t.same(b.of(1), place(11, 5));
  t.same(a.of(1), place(11, 5));
  // The log was given up and is another one.
  owned.splice(0, 2, { index: 1, place: place(12, 2) });
  tick();
  t.same(b.of(1), place(12, 2));
  t.same(b.of(3), place(33, 2 ** 40));
  a.stop();
  owned[0] = { index: 1, place: place(12, 9) };
  tick();
  t.same(b.of(1), place(12, 2), 'it has stopped');
});

t.test('no two methods have one number', async (t) => {
  const numbers = Object.entries(methods).filter(([name, value]) => typeof value === 'number' && !name.startsWith('WATCH_'));
  t.ok(numbers.length > 15);
  t.equal(new Set(numbers.map(([, number]) => number)).size, numbers.length);
});
