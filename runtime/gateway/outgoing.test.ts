import t from 'tap';

import { BINARY_FRAME, Outgoing, TEXT_FRAME } from './outgoing.ts';
import { serverFrames } from './rig.ts';

t.test('payload lengths in their shortest form, whatever was guessed', (t) => {
  for (const size of [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537, 200_000]) {
    for (const guess of [0, 125, 126, 65_535, 65_536]) {
      const out = new Outgoing();
      const payload = Buffer.alloc(size, 'x');
      out.openFrame(TEXT_FRAME, guess, 0);
      out.raw(payload);
      out.closeFrame();
      out.openFrame(BINARY_FRAME, 2, 0x5d);
      out.raw(Buffer.from('[1'));
      out.finish();
      const [first, second, ...rest] = serverFrames(out.view());
      const label = `${size} guessed as ${guess}`;
      t.ok(first!.payload.equals(payload), label);
      t.equal(first!.headerBytes, size < 126 ? 2 : size < 65_536 ? 4 : 10, label);
      t.equal(first!.first, TEXT_FRAME, label);
      t.equal(second!.payload.toString(), '[1]', label);
      t.equal(rest.length, 0, label);
    }
  }
  t.end();
});

t.test('a buffer the socket still holds is not written to again', (t) => {
  const out = new Outgoing();
  out.openFrame(TEXT_FRAME, 3, 0);
  out.text('one');
  out.closeFrame();
  const held = out.view();
  out.replace();
  out.openFrame(TEXT_FRAME, 3, 0);
  out.text('two');
  out.closeFrame();
  t.equal(held.subarray(2).toString(), 'one');
  out.finish();
  t.equal(out.view().subarray(2).toString(), 'two');
  const reused = out.buffer;
  out.reset();
  t.equal(out.buffer, reused, 'one that it has passed on is');
  t.end();
});
