import t from 'tap';

import { CallWriter, packed } from './call-writer.ts';

t.test('arguments as the protocol has them', async (t) => {
  const writer = new CallWriter();
  writer.begin(7, 0);
  writer.text('FCALL');
  writer.text('höhe');
  writer.decimal(0);
  writer.decimal(10);
  writer.decimal(9_007_199_254_740_991);
  writer.hash({ hi: 0x01020304, lo: 0x0a0b0c0d });
  writer.bytes(Buffer.from('abcdef'), 2, 5);
  const expected = Buffer.concat([
    Buffer.from('*7\r\n$5\r\nFCALL\r\n$5\r\nhöhe\r\n$1\r\n0\r\n$2\r\n10\r\n$16\r\n9007199254740991\r\n$8\r\n'),
    Buffer.from('0d0c0b0a04030201', 'hex'),
    Buffer.from('\r\n$3\r\ncde\r\n'),
  ]);
  t.same(writer.finish(), expected);
});

t.test('every number of digits', async (t) => {
  const writer = new CallWriter();
  for (let value = 1; value < Number.MAX_SAFE_INTEGER; value = value * 7 + 3) {
    writer.begin(1, 0);
    writer.decimal(value);
    t.equal(writer.finish().toString(), `*1\r\n$${String(value).length}\r\n${value}\r\n`);
    writer.giveBack(writer.finish());
  }
});

t.test('memory grows while a call is written, and is used again', async (t) => {
  const writer = new CallWriter();
  const large = Buffer.alloc(100_000, 'x');
  const expected = `*3\r\n$100000\r\n${large.toString()}\r\n$4\r\nmore\r\n$100000\r\n${large.toString()}\r\n`;
  let last: ArrayBufferLike | null = null;
  for (let i = 0; i < 3; i++) {
    writer.begin(3, i === 0 ? 10 : expected.length);
    writer.bytes(large, 0, large.length);
    writer.raw(packed('more'));
    writer.bytes(large, 0, large.length);
    const call = writer.finish();
    t.equal(call.toString(), expected);
    if (last !== null) t.equal(call.buffer, last);
    last = call.buffer;
    writer.giveBack(call);
  }
});

t.test('two calls at once do not share memory', async (t) => {
  const writer = new CallWriter();
  writer.begin(1, 0);
  writer.text('one');
  const one = writer.finish();
  writer.begin(1, 0);
  writer.text('two');
  const two = writer.finish();
  t.equal(one.toString(), '*1\r\n$3\r\none\r\n');
  t.equal(two.toString(), '*1\r\n$3\r\ntwo\r\n');
});
