/** The client's hash, held against that of the nodes. */

import fc from 'fast-check';
import t from 'tap';

import { hashText } from './address.ts';
import { hashTextLow32 } from './xxh64.ts';

t.test('published vectors of XXH64', async (t) => {
  const vectors: [string, number][] = [
    ['', 0x51d8e999],
    ['a', 0xa98c6e5b],
    ['abc', 0xad770999],
    ['Nobody inspects the spammish repetition', 0x8a378bf1],
  ];
  for (const [text, low] of vectors) t.equal(hashTextLow32(text), low, text);
});

t.test('every length up to several blocks, as nodes hash it', async (t) => {
  let text = '';
  const wrong: number[] = [];
  for (let length = 0; length < 200; length++) {
    if (hashTextLow32(text) !== hashText(text).lo) wrong.push(length);
    text += String.fromCharCode(33 + ((length * 7) % 90));
  }
  t.strictSame(wrong, []);
});

t.test('any text, as nodes hash it', async () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 120 }), (text) => hashTextLow32(text) === hashText(text).lo), { numRuns: 2_000 });
});
