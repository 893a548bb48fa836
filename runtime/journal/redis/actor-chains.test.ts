/** Random work on the chains and on a plain list at once. */

import t from 'tap';

import type { Hash64 } from '../../codec/hash64.ts';
import { Dice } from '../contract-model.ts';
import { ActorChains } from './actor-chains.ts';

/** Hashes that meet in one cell of a small table, beside others: what chooses the cell must not be all that tells them apart. */
function hashes(dice: Dice, count: number): Hash64[] {
  return Array.from({ length: count }, (_, i) => (i % 3 === 0 ? { hi: 1 + i, lo: ((1 + i) << 8) ^ 0x500 } : { hi: dice.below(2 ** 31), lo: dice.below(2 ** 31) }));
}

t.test('as a plain list of hashes, through adding and forgetting', async (t) => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const dice = new Dice(seed);
    const actors = hashes(dice, dice.pick([1, 3, 40, 900]));
    const chains = new ActorChains();
    let model: (Hash64 | null)[] = [];
    const ordinalsOf = (hash: Hash64, from = 0): number[] => model.flatMap((one, i) => (one === hash && i >= from ? [i] : [])).reverse();
    for (let step = 0; step < 60; step++) {
      for (let i = dice.below(100); i > 0; i--) {
        const hash = dice.below(10) === 0 ? null : dice.pick(actors);
        chains.add(hash?.hi ?? 0, hash?.lo ?? 0);
        model.push(hash);
      }
      if (dice.below(4) === 0) {
        const count = dice.below(model.length + 1);
        chains.forget(count);
        model = model.slice(count);
      }
      t.equal(chains.records, model.length);
      for (let i = 0; i < 5; i++) {
        const hash = dice.pick(actors);
        const from = dice.below(model.length + 2);
        t.same([...chains.of(hash)], ordinalsOf(hash));
        t.same([...chains.of(hash, from)], ordinalsOf(hash, from));
      }
    }
    t.same([...chains.of({ hi: 0xffff_ffff, lo: 3 })], [], 'nobody');
    for (const hash of actors) t.same([...chains.of(hash)], ordinalsOf(hash));
  }
});

t.test('halves of both words of a hash count', async (t) => {
  const chains = new ActorChains();
  chains.add(1, 2);
  chains.add(1, 3);
  chains.add(2, 2);
  t.same([[...chains.of({ hi: 1, lo: 2 })], [...chains.of({ hi: 1, lo: 3 })], [...chains.of({ hi: 2, lo: 2 })]], [[0], [1], [2]]);
  t.same([...chains.of({ hi: 2, lo: 3 })], []);
});
