import t from 'tap';

import { hashToHex, sameHash } from './hash64.ts';

await t.test('hex has sixteen digits', async (t) => {
  t.equal(hashToHex({ hi: 0, lo: 0 }), '0000000000000000');
  t.equal(hashToHex({ hi: 1, lo: 0xffff_ffff }), '00000001ffffffff');
  t.equal(hashToHex({ hi: 0xdeadbeef, lo: 0x0badcafe }), 'deadbeef0badcafe');
});

await t.test('two hashes are the same in both halves', async (t) => {
  t.ok(sameHash({ hi: 1, lo: 2 }, { hi: 1, lo: 2 }));
  t.notOk(sameHash({ hi: 1, lo: 2 }, { hi: 2, lo: 2 }));
  t.notOk(sameHash({ hi: 1, lo: 2 }, { hi: 1, lo: 1 }));
});
