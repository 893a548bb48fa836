/** An outlet against a plain array of numbers, under operations at random. */

import fc from 'fast-check';
import t from 'tap';

import { Bucket } from '../bucket.ts';
import { Address } from '../engine.ts';
import { OutChannel } from './channels.ts';
import { SEND } from './message.ts';
import type { Message } from './message.ts';
import { Outlet } from './outlet.ts';

const BYTES = 64 + 'a.B:1'.length + 'a.B:2'.length + 3;

function message(number: number): Message {
  return { kind: SEND, number, position: number, entry: 0, from: 'a.B:1', to: new Address('a.B:2'), name: 'X', body: Buffer.alloc(8), bodyFrom: 2, bodyTo: 5, onReply: '', linkedNumber: 0, next: null };
}

type Step = { readonly kind: 'push' | 'take' | 'again' | 'empty' } | { readonly kind: 'trim'; readonly by: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<Step>({ kind: 'push' }, { kind: 'take' }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: 'again' }, { kind: 'empty' }) },
  { weight: 2, arbitrary: fc.nat(4).map((by): Step => ({ kind: 'trim', by })) },
);

t.test('each message is given once, in order, until all is to be given again', async () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const channel = new OutChannel(1, { hi: 0, lo: 0 });
    const outlet = new Outlet({ bucket: new Bucket({ bits: 1, index: 0 }), outlets: [], isReading: false, seen: 0 }, channel);
    let queued: number[] = [];
    let given = 0;
    for (const step of steps) {
      switch (step.kind) {
        case 'push': {
          const number = channel.taken + queued.length + 1;
          queued.push(number);
          same(outlet.push(message(number)), BYTES);
          break;
        }
        case 'take':
          same(outlet.takeUndelivered().map(({ number }) => number), queued.filter((number) => number > given));
          given = queued.at(-1) ?? given;
          break;
        case 'trim': {
          const through = Math.min(channel.taken + step.by, channel.taken + queued.length);
          const left = queued.filter((number) => number > through);
          same(outlet.trim(through), (queued.length - left.length) * BYTES);
          channel.taken = through;
          given = Math.max(given, through);
          queued = left;
          break;
        }
        case 'again':
          outlet.again();
          given = channel.taken;
          break;
        case 'empty':
          same(outlet.empty(), queued.length * BYTES);
          queued = [];
          outlet.delivered = given = channel.taken;
      }
      same([outlet.length, outlet.bytes, outlet.first?.number ?? 0, outlet.delivered], [queued.length, queued.length * BYTES, queued[0] ?? 0, given]);
    }
  }), { numRuns: 500 });
});

function same(found: unknown, wanted: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`${JSON.stringify(found)} is not ${JSON.stringify(wanted)}`);
}
