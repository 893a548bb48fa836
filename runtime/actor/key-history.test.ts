/** What a key history knows, beside a list that is looked through from its end; and how often it reads what. */

import t from 'tap';

import { WireWriter } from '../codec/wire.ts';
import { writeOrigin } from '../codec/record.ts';
import { Dice } from '../journal/contract-model.ts';
import type { StoredRecord } from '../journal/journal.ts';
import { KeyHistory } from './key-history.ts';

interface Entry {
  readonly position: number;
  readonly key: string;
}

const WHO = 'somebody';

function stored({ position, key }: Entry): StoredRecord {
  const wire = new WireWriter();
  writeOrigin(wire, key, WHO, 'Do', '');
  return { position, bytes: wire.copy() } as StoredRecord;
}

/** An actor's records in a log of others', some without a key, some with one that was there before. */
function someLog(dice: Dice, count: number): Entry[] {
  let position = 0;
  return Array.from({ length: count }, () => {
    position += 1 + dice.below(4);
    return { position, key: dice.below(5) === 0 ? '' : `k${dice.below(count)}` };
  });
}

t.test('it knows the newest record of each key, and reads none twice', async (t) => {
  for (let seed = 1; seed <= 200; seed++) {
    const dice = new Dice(seed);
    const log = someLog(dice, 5 + dice.below(80));
    const end = log.at(-1)!.position + 1;
    const read = new Map<number, number>();
    const start = 1 + dice.below(end);
    const history = new KeyHistory(start);
    let from = start;
    let to = start;
    for (let step = 0; step < 6; step++) {
      // The end of what is asked for never goes back: it is where the window begins.
      from = Math.min(from, 1 + dice.below(end));
      to = Math.max(to, from + dice.below(end - from + 1));
      const isWhole = await history.cover(from, to, async (a, b, recordsMax) => {
        const found = log.filter(({ position }) => position >= a && position < b).slice(0, Math.min(recordsMax, 8_192));
        for (const { position } of found) read.set(position, (read.get(position) ?? 0) + 1);
        return found.map(stored);
      }, 1_000);
      if (!isWhole || !history.covers(from, to)) t.fail(`seed ${seed}: [${from}, ${to}) is not covered`);
      for (let i = 0; i < log.length; i++) {
        const expected = log.findLast(({ position, key }) => key === `k${i}` && position >= from && position < to)?.position;
        if (history.find(WHO, `k${i}`) !== expected) t.fail(`seed ${seed}: k${i} in [${from}, ${to}) is ${history.find(WHO, `k${i}`)} instead of ${expected}`);
      }
      if (history.find('somebody else', log[0]!.key) !== undefined) t.fail('whose key it is counts');
    }
    if ([...read.values()].some((times) => times > 1)) t.fail(`seed ${seed}: read twice`);
    if (history.records !== read.size) t.fail(`seed ${seed}: ${history.records} records counted, ${read.size} read`);
  }
});

t.test('pages, and an end to them', async (t) => {
  const log = Array.from({ length: 20_000 }, (_, i): Entry => ({ position: i + 1, key: `k${i}` }));
  let reads = 0;
  const read = async (from: number, to: number, recordsMax: number): Promise<StoredRecord[]> => {
    reads++;
    return log.slice(from - 1, Math.min(to - 1, from - 1 + recordsMax)).map(stored);
  };
  const history = new KeyHistory(10_001);
  t.equal(await history.cover(10_001, 20_001, read, 15_000), true);
  t.equal(history.find(WHO, 'k19999'), 20_000);
  t.equal(reads, 2);
  t.equal(await history.cover(1, 20_001, read, 15_000), false, 'too many in all');
  t.equal(history.covers(1, 20_001), false);
  t.equal(history.covers(10_001, 20_001), true);
  await t.rejects(history.cover(9_000, 20_001, () => Promise.reject(new Error('not now')), 15_000), { message: 'not now' });
  t.equal(await history.cover(9_000, 20_001, read, 15_000), true);
  t.equal(history.find(WHO, 'k8999'), 9_000);
});
