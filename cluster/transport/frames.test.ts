import t from 'tap';

import {
  ANSWER, BadFrame, CANCEL, END, EVENT, FAILED, FRAME_BYTES_FULL, FrameReader, FrameWriter, FROM_ASKER, FROM_SERVER, MESSAGE, OPEN, PAUSE, PING,
  PONG, readFrame, REQUEST, RESUME,
} from './frames.ts';
import type { Message } from './frames.ts';

const EMPTY = Buffer.alloc(0);
const BYTES_MAX = 100_000;

/** The messages of a stream that comes in pieces, with their bodies as text. */
function read(pieces: readonly Buffer[], allowed: number, bytesMax = BYTES_MAX): (Pick<Message, 'type' | 'number' | 'method' | 'value'> & { body: string })[] {
  const reader = new FrameReader(bytesMax);
  const messages: ReturnType<typeof read> = [];
  for (const piece of pieces) {
    reader.push(piece, (buffer, from, to) => {
      for (const { type, number, method, value, from: bodyFrom, to: bodyTo } of readFrame(buffer, from, to, allowed)) {
        messages.push({ type, number, method, value: structuredClone(value), body: buffer.toString('latin1', bodyFrom, bodyTo) });
      }
      return true;
    });
  }
  return messages;
}

function sample(): Buffer {
  const out = new FrameWriter(BYTES_MAX);
  out.message(REQUEST, 1, 7, ['a', 1, null], Buffer.from('-body-'), 1, 5);
  out.signal(PING);
  out.message(MESSAGE, 0, 300, undefined, EMPTY, 0, 0);
  out.message(OPEN, 2 ** 40, 2, { from: 3 }, EMPTY, 0, 0);
  out.finish();
  for (const type of [PAUSE, RESUME, CANCEL]) out.signal(type, 200);
  out.message(REQUEST, 3, 1, 'long', Buffer.alloc(FRAME_BYTES_FULL, 'x'), 0, FRAME_BYTES_FULL);
  out.signal(PONG);
  out.finish();
  return Buffer.from(out.view());
}

const sampleMessages = [
  { type: REQUEST, number: 1, method: 7, value: ['a', 1, null], body: 'body' },
  { type: PING, number: 0, method: 0, value: undefined, body: '' },
  { type: MESSAGE, number: 0, method: 300, value: undefined, body: '' },
  { type: OPEN, number: 2 ** 40, method: 2, value: { from: 3 }, body: '' },
  ...[PAUSE, RESUME, CANCEL].map((type) => ({ type, number: 200, method: 0, value: undefined, body: '' })),
  { type: REQUEST, number: 3, method: 1, value: 'long', body: 'x'.repeat(FRAME_BYTES_FULL) },
  { type: PONG, number: 0, method: 0, value: undefined, body: '' },
];

t.test('golden bytes', async (t) => {
  const out = new FrameWriter(BYTES_MAX);
  out.message(ANSWER, 300, 0, 7, Buffer.from('ab'), 0, 2);
  out.signal(END, 1);
  out.finish();
  t.equal(out.view().toString('hex'), '0a000000' + '07ac0201070261' + '62' + '0a01');
});

t.test('what is written is read, however it is cut', async (t) => {
  const bytes = sample();
  t.same(read([bytes], FROM_ASKER), sampleMessages);
  t.same(read([...Array.from(bytes.subarray(0, 200), (byte) => Buffer.from([byte])), bytes.subarray(200)], FROM_ASKER), sampleMessages);
  for (const cut of [1, 2, 3, 4, 5, 20, 21, 40, 50, 60, bytes.length - 1]) {
    t.same(read([bytes.subarray(0, cut), bytes.subarray(cut)], FROM_ASKER), sampleMessages, `cut at ${cut}`);
  }
});

t.test('a frame is closed when it is full, and whole frames are not copied', async (t) => {
  const bytes = sample();
  const froms: number[] = [];
  new FrameReader(BYTES_MAX).push(bytes, (buffer, from) => {
    t.equal(buffer, bytes);
    froms.push(from);
    return true;
  });
  t.equal(froms.length, 3);
});

t.test('what one side says, the other side may not', async (t) => {
  const out = new FrameWriter(BYTES_MAX);
  const asked = [REQUEST, MESSAGE, OPEN, PAUSE, RESUME, CANCEL];
  const served = [ANSWER, FAILED, EVENT, END];
  for (const [types, wrong] of [[asked, FROM_SERVER], [served, FROM_ASKER]] as const) {
    for (const type of types) {
      out.reset();
      if (type === PAUSE || type === RESUME || type === CANCEL || type === END) out.signal(type, 1);
      else out.message(type, 1, 1, 1, EMPTY, 0, 0);
      out.finish();
      t.throws(() => read([out.copy()], wrong), { name: 'BadFrame' }, `${type}`);
    }
  }
});

t.test('a length over the limit or of zero is refused before memory is taken', async (t) => {
  const head = (size: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(size);
    return bytes;
  };
  for (const size of [0, 2 ** 32 - 1, BYTES_MAX + FRAME_BYTES_FULL + 33]) {
    const before = process.memoryUsage().arrayBuffers;
    t.throws(() => read([head(size)], FROM_ASKER), { name: 'BadFrame' }, `${size}`);
    t.throws(() => read([head(size).subarray(0, 3), head(size).subarray(3)], FROM_ASKER), { name: 'BadFrame' }, `${size} in two pieces`);
    t.ok(process.memoryUsage().arrayBuffers - before < 1_000_000);
  }
  t.same(read([head(BYTES_MAX)], FROM_ASKER), [], 'one within the limit is waited for');
});

t.test('a message over the limit leaves no trace', async (t) => {
  const out = new FrameWriter(1_000);
  out.message(ANSWER, 1, 0, 'a', EMPTY, 0, 0);
  t.throws(() => out.message(ANSWER, 2, 0, undefined, Buffer.alloc(1_001), 0, 1_001), { name: 'TooLarge' });
  t.throws(() => out.message(ANSWER, 2, 0, 'x'.repeat(600), Buffer.alloc(500), 0, 500), { name: 'TooLarge' });
  t.throws(() => out.message(ANSWER, 2, 0, { get x(): never { throw new Error('mine'); } }, EMPTY, 0, 0), { message: 'mine' });
  out.message(ANSWER, 3, 0, 'b', Buffer.alloc(998), 0, 998);
  out.finish();
  t.same(read([out.copy()], FROM_SERVER, 1_000).map(({ number, value }) => [number, value]), [[1, 'a'], [3, 'b']]);
});

t.test('bad messages take the good ones of their frame with them', async (t) => {
  const good = Buffer.from([REQUEST, 1, 1, 0, 0]);
  const frame = (...parts: Buffer[]): Buffer => {
    const payload = Buffer.concat(parts);
    const head = Buffer.alloc(4);
    head.writeUInt32LE(payload.length);
    return Buffer.concat([head, payload]);
  };
  const bad = {
    'no such type': Buffer.from([0]),
    'no such type either': Buffer.from([PONG + 1]),
    'a type beyond the bits of a word': Buffer.from([32 + REQUEST, 1, 1, 0, 0]),
    'no number': Buffer.from([REQUEST]),
    'a number without end': Buffer.from([REQUEST, ...Array<number>(11).fill(0x80)]),
    'no body': Buffer.from([REQUEST, 1, 1, 0]),
    'a value that ends behind the frame': Buffer.from([REQUEST, 1, 1, 9, 0xa1]),
    'a value that goes on behind its length': Buffer.from([REQUEST, 1, 1, 1, 0xa2, 0x61, 0x61]),
    'a value that ends before its length': Buffer.from([REQUEST, 1, 1, 2, 0x01, 0x01, 0]),
    'an extension that nobody knows': Buffer.from([REQUEST, 1, 1, 3, 0xd4, 0x37, 0x00, 0]),
    'a list longer than the frame': Buffer.from([REQUEST, 1, 1, 5, 0xdd, 0x7f, 0xff, 0xff, 0xff, 0]),
    'a body that ends behind the frame': Buffer.from([REQUEST, 1, 1, 0, 1]),
  };
  t.equal(read([frame(good)], FROM_ASKER).length, 1);
  for (const [what, bytes] of Object.entries(bad)) {
    let messages = 0;
    t.throws(() => {
      new FrameReader(BYTES_MAX).push(frame(good, bytes), (buffer, from, to) => {
        messages += readFrame(buffer, from, to, FROM_ASKER).length;
        return true;
      });
    }, { name: 'BadFrame' }, what);
    t.equal(messages, 0, what);
  }
});

t.test('records of msgpackr are not kept from one message to the next', async (t) => {
  const out = new FrameWriter(BYTES_MAX);
  for (let i = 0; i < 3; i++) out.message(EVENT, i, 0, { address: 'x', name: 'y', seq: i }, EMPTY, 0, 0);
  out.finish();
  const bytes = out.copy();
  const messages = readFrame(bytes, 4, bytes.length, FROM_SERVER);
  t.same(messages.map(({ value }) => value), [0, 1, 2].map((seq) => ({ address: 'x', name: 'y', seq })));
  out.reset();
  out.message(EVENT, 2, 0, { address: 'x', name: 'y', seq: 2 }, EMPTY, 0, 0);
  out.finish();
  t.ok(bytes.includes(out.view().subarray(4)), 'the third looks like a first');
});

t.test('random damage: a frame is read, or refused, and nothing else happens', async (t) => {
  let state = 20_261_103;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
  const short = sample().subarray(0, 60);
  let refused = 0;
  for (let run = 0; run < 20_000; run++) {
    let bytes: Buffer;
    if (run % 3 === 0) {
      bytes = Buffer.from(Array.from({ length: 4 + random(60) }, () => random(256)));
      bytes.writeUInt32LE(bytes.length - 4);
    } else {
      bytes = Buffer.from(short);
      for (let i = random(4); i >= 0; i--) bytes[4 + random(bytes.length - 4)] = random(256);
    }
    if (run % 5 === 0) bytes = bytes.subarray(0, random(bytes.length));
    try {
      read([bytes.subarray(0, random(bytes.length + 1)), bytes.subarray(bytes.length >> 1)], run % 2 === 0 ? FROM_ASKER : FROM_SERVER);
    } catch (error) {
      if (!(error instanceof BadFrame)) t.fail(`run ${run}: ${String(error)}`);
      refused++;
    }
  }
  t.ok(refused > 5_000 && refused < 20_000, `${refused} were refused`);
  t.same(read([sample()], FROM_ASKER), sampleMessages, 'and a good one is read as before');
});
