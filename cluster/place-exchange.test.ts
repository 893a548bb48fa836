/** What nodes tell each other of how far logs have come. */

import t from 'tap';

import type { LogPlace } from '../runtime/actor/engine.ts';
import * as methods from './methods.ts';
import { PlaceExchange } from './place-exchange.ts';
import type { Incoming } from './transport/transport.ts';
import { WayTimes } from './way-times.ts';

t.test('what a node tells, the others learn', async (t) => {
  const learned = new Map<number, LogPlace>();
  const clock = { monotonic: () => 1_000.5 };
  const exchange = new PlaceExchange({ learn: (index, place) => void learned.set(index, place) }, clock, new WayTimes());
  const identity = { node: 'n2', incarnation: 'i' };
  let hear = (_message: Incoming): void => {};
  exchange.serve({ handleMessage: (_method, handler) => (hear = handler) });
  const peer = {
    tell: (_method: number, value?: unknown, buffer = Buffer.alloc(0), from = 0, to = 0) => {
      // As it comes in: somewhere in a larger buffer.
      hear({ from: identity, value, buffer: Buffer.concat([Buffer.alloc(3), buffer.subarray(from, to), Buffer.alloc(2)]), bodyFrom: 3, bodyTo: 3 + to - from } as Incoming);
      return true;
    },
  };
  const place = (lo: number, position: number): LogPlace => ({ incarnation: { hi: 0x8000_0001, lo }, position });
  exchange.tell([{ index: 1, place: place(11, 5) }, { index: 300, place: place(0xffff_ffff, 2 ** 40) }], [{ peer }]);
  t.same([...learned], [[1, place(11, 5)], [300, place(0xffff_ffff, 2 ** 40)]]);
});

t.test('no two methods have one number', async (t) => {
  const numbers = Object.entries(methods).filter(([name, value]) => typeof value === 'number' && !name.startsWith('WATCH_'));
  t.ok(numbers.length > 15);
  t.equal(new Set(numbers.map(([, number]) => number)).size, numbers.length);
});
