/** Names kept from before are the bytes' own, whatever else fell into their slots; Node's own decoder is the oracle. */

import t from 'tap';

import { Names } from './names.ts';

function at<T>(text: string, read: (buffer: Buffer, from: number, to: number) => T): T {
  const bytes = Buffer.from(`..${text}..`);
  return read(bytes, 2, bytes.length - 2);
}

t.test('an address is the same object again, and another one never', async (t) => {
  const names = new Names();
  const address = (text: string) => at(text, (buffer, from, to) => names.address(buffer, from, to));
  const first = address('a.B:1');
  t.equal(first.text, 'a.B:1');
  t.equal(address('a.B:1'), first);
  // These two have the same hash before it is mixed, and so behind it.
  t.same([address('a.B:Aa').text, address('a.B:BB').text, address('a.B:Aa').text], ['a.B:Aa', 'a.B:BB', 'a.B:Aa']);
  t.not(address('a.B:Aa'), address('a.B:BB'));
});

t.test('what is long, empty or not ASCII is decoded each time', async (t) => {
  const names = new Names();
  for (const text of ['', 'ä.B:ö', 'x'.repeat(200), '\u{1f600}']) {
    t.equal(at(text, (buffer, from, to) => names.text(buffer, from, to)), text);
    t.equal(at(text, (buffer, from, to) => names.address(buffer, from, to)).text, text);
  }
});

t.test('twenty thousand addresses in turn are kept', async (t) => {
  const names = new Names();
  const texts = ['Counter', 'Fan'].flatMap((type) => Array.from({ length: 10_000 }, (_, i) => `bench.v1.${type}:c-${i}`));
  const read = (text: string) => at(text, (buffer, from, to) => names.address(buffer, from, to));
  const before = texts.map(read);
  t.ok(before.every(({ text }, i) => text === texts[i]));
  const again = texts.map(read);
  t.ok(again.every(({ text }, i) => text === texts[i]));
  const lost = again.filter((address, i) => address !== before[i]).length;
  t.ok(lost * 20 < texts.length, `${lost} of ${texts.length} made anew`);
});
