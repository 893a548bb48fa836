/** The short way in against ws's own receiver: the same stream, in any cut, gives the same messages. */

import type { Writable } from 'node:stream';

import fc from 'fast-check';
import t from 'tap';
import * as ws from 'ws';

import { Intake } from './intake.ts';
import { clientFrame } from './rig.ts';

// The types of ws leave its receiver out.
const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean; maxPayload: number }) => Writable };

interface Seen {
  readonly log: string[];
  readonly receiver: Writable;
}

function receive(): Seen {
  const log: string[] = [];
  const receiver = new Receiver({ isServer: true, maxPayload: 100_000 });
  receiver.on('message', (data: Buffer, isBinary: boolean) => log.push(`${isBinary} ${data.toString('hex')}`));
  receiver.on('ping', (data: Buffer) => log.push(`ping ${data.toString('hex')}`));
  receiver.on('conclude', (code: number) => log.push(`close ${code}`));
  receiver.on('error', (error: Error & { code?: string }) => log.push(`error ${error.code}`));
  return { log, receiver };
}

/** What ws alone makes of a stream. */
function expected(stream: Buffer): string[] {
  const { log, receiver } = receive();
  receiver.write(Buffer.from(stream));
  return log;
}

/** What the short way before ws makes of it, given in these pieces; and how many frames it took itself. */
function actual(stream: Buffer, cuts: readonly number[]): { log: string[]; taken: number } {
  const { log, receiver } = receive();
  let taken = 0;
  const intake = new Intake(
    (buffer, from, to, isBinary) => {
      taken++;
      log.push(`${isBinary} ${buffer.toString('hex', from, to)}`);
    },
    (chunk) => { receiver.write(chunk); },
  );
  let from = 0;
  for (const cut of [...new Set([...cuts, stream.length])].sort((a, b) => a - b)) {
    intake.data(Buffer.from(stream.subarray(from, cut)));
    from = cut;
  }
  return { log, taken };
}

const size = fc.oneof(fc.nat(40), fc.constantFrom(0, 1, 124, 125, 126, 127, 1_015, 1_016, 1_017, 1_024, 2_000), fc.integer({ min: 65_530, max: 65_540 }));
const content = fc.tuple(size, fc.constantFrom('x', 'é', '{"id":"1"}')).map(([bytes, text]) => Buffer.alloc(bytes, text).toString().replaceAll('\ufffd', ''));
const single = fc.tuple(fc.constantFrom(0x81, 0x82), content).map(([first, text]) => [clientFrame(first, text)]);
const ping = content.map((text) => [clientFrame(0x89, text.slice(0, 50))]);
const fragmented = fc.tuple(fc.constantFrom(0x01, 0x02), content, fc.boolean()).map(([first, text, pinged]) => {
  const bytes = Buffer.from(text);
  const cut = Math.floor(bytes.length / 3);
  return [
    clientFrame(first, bytes.subarray(0, cut)), ...(pinged ? [clientFrame(0x89, 'between')] : []),
    clientFrame(0x00, bytes.subarray(cut, 2 * cut)), clientFrame(0x80, bytes.subarray(2 * cut)),
  ];
});
const streams = fc.array(fc.oneof({ weight: 4, arbitrary: single }, ping, fragmented), { minLength: 1, maxLength: 12 }).map((frames) => Buffer.concat(frames.flat()));

t.test('valid streams, in any cut', (t) => {
  let taken = 0;
  fc.assert(fc.property(streams, fc.array(fc.nat(), { maxLength: 12 }), (stream, cuts) => {
    const result = actual(stream, cuts.map((cut) => cut % (stream.length + 1)));
    taken += result.taken;
    t.same(result.log, expected(stream));
  }), { numRuns: 300 });
  t.ok(taken > 300, `${taken} frames went the short way`);
  t.end();
});

t.test('cut at every byte', (t) => {
  const stream = Buffer.concat([
    clientFrame(0x81, 'one'), clientFrame(0x82, Buffer.alloc(200, 7)), clientFrame(0x01, 'tw'), clientFrame(0x89, 'p'), clientFrame(0x80, 'o'),
    clientFrame(0x81, ''), clientFrame(0x81, 'three é'),
  ]);
  const whole = expected(stream);
  t.equal(whole.length, 6);
  for (let cut = 0; cut <= stream.length; cut++) t.same(actual(stream, [cut]).log, whole, `cut at ${cut}`);
  t.same(actual(stream, Array.from({ length: stream.length }, (_, i) => i)).log, whole, 'byte by byte');
  t.equal(actual(stream, []).taken, 4, 'in one piece all but the fragments and the ping are taken');
  t.end();
});

t.test('what breaks the rules is for ws to judge', async (t) => {
  const good = clientFrame(0x81, 'good');
  const broken: [string, Buffer][] = [
    ['not masked', clientFrame(0x81, 'bad', { masked: false })], ['reserved bit', clientFrame(0xc1, 'bad')], ['unknown opcode', clientFrame(0x83, 'bad')],
    ['text within fragments', Buffer.concat([clientFrame(0x01, 'a'), clientFrame(0x81, 'b')])], ['continuation of nothing', clientFrame(0x80, 'bad')],
    ['not UTF-8', clientFrame(0x81, Buffer.from([0xff]))], ['half a character', clientFrame(0x81, Buffer.from('é').subarray(0, 1))],
    ['too large', clientFrame(0x82, Buffer.alloc(100_001))], ['fragmented control frame', clientFrame(0x09, 'a')], ['closed', clientFrame(0x88, Buffer.from([3, 232]))],
  ];
  for (const [label, frame] of broken) {
    const stream = Buffer.concat([good, frame]);
    const whole = expected(stream);
    const { log } = actual(stream, []);
    // Errors of a stream come in a later turn.
    await new Promise(setImmediate);
    t.equal(whole.length, 2, label);
    t.match(whole[1], /^(error|close) /, label);
    t.same(log, whole, label);
  }
});
