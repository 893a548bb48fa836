/** Random work on the log and on a plain list of entries at once. */

import t from 'tap';

import type { Hash64 } from '../../codec/hash64.ts';
import { Dice } from '../contract-model.ts';
import { HotLog } from './hot-log.ts';
import type { EntryRef } from './hot-log.ts';

interface ModelEntry extends EntryRef {
  readonly bytes: number;
  readonly actors: readonly (Hash64 | null)[];
}

class Model {
  entries: ModelEntry[] = [];
  trimmed = 0;
  trimmedHead: Hash64 = { hi: 5, lo: 6 };

  get position(): number {
    return this.entries.at(-1)?.last ?? this.trimmed;
  }

  get head(): Hash64 {
    return this.entries.at(-1)?.headAfter ?? this.trimmedHead;
  }

  of(hash: Hash64, from: number, to: number): EntryRef[] {
    return this.entries.filter(({ before, actors }) => actors.some((actor, i) => actor === hash && before + 1 + i >= from && before + 1 + i < to)).map(refOf);
  }
}

function refOf({ before, last, headBefore, headAfter }: EntryRef): EntryRef {
  return { before, last, headBefore, headAfter };
}

t.test('as a plain list of entries, through adding, forgetting and looking', async (t) => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const dice = new Dice(seed);
    const actors = Array.from({ length: 20 }, (): Hash64 => ({ hi: dice.below(2 ** 31), lo: 1 + dice.below(2 ** 31) }));
    const model = new Model();
    const log = new HotLog(0, model.trimmedHead);
    for (let step = 0; step < 200; step++) {
      const of = Array.from({ length: 1 + dice.below(5) }, () => (dice.below(8) === 0 ? null : dice.pick(actors)));
      const bytes = dice.below(1_000);
      const head = { hi: step, lo: dice.below(1_000) };
      const words = [0, 0, ...of.flatMap((hash) => [hash?.hi ?? 0, hash?.lo ?? 0])];
      model.entries.push({ before: model.position, last: model.position + of.length, headBefore: model.head, headAfter: head, bytes, actors: of });
      log.add(of.length, bytes, head, words, 2);
      if (dice.below(30) === 0) {
        const count = 1 + dice.below(model.entries.length);
        const last = model.entries[count - 1]!;
        log.forget(last.last);
        model.entries = model.entries.slice(count);
        [model.trimmed, model.trimmedHead] = [last.last, last.headAfter];
      }
      compare(log, model, dice, actors);
    }
  }

  function compare(log: HotLog, model: Model, dice: Dice, actors: readonly Hash64[]): void {
    const sum = model.entries.reduce((total, { bytes }) => total + bytes, 0);
    t.same([log.position, log.head, log.trimmed, log.bytes, log.records], [model.position, model.head, model.trimmed, sum, model.position - model.trimmed]);
    const position = dice.below(model.position + 3);
    const holder = model.entries.find(({ before, last }) => position > before && position <= last);
    t.same(log.entryAt(position), holder === undefined ? null : refOf(holder));
    const head = position === model.trimmed ? model.trimmedHead : (model.entries.find(({ last }) => last === position)?.headAfter ?? null);
    t.same(log.headAt(position), head);
    const hash = dice.pick(actors);
    const to = position + dice.below(20);
    t.same(log.entriesOf(hash), model.of(hash, 1, Infinity));
    t.same(log.entriesOf(hash, position, to), model.of(hash, position, to));
    const bytesMax = 1 + dice.below(3_000);
    t.same(log.oldest(bytesMax), upTo(model.entries.slice(0, -1), bytesMax));
    const inside = position <= model.trimmed ? [] : model.entries.filter(({ before, last }) => last >= position && before + 1 < to);
    t.same(log.entriesIn(position, to, bytesMax), upTo(inside, bytesMax));
  }

  /** The first ones, until so many bytes are reached. */
  function upTo(entries: readonly ModelEntry[], bytesMax: number): EntryRef[] {
    let sum = 0;
    const found: EntryRef[] = [];
    for (const entry of entries) {
      if (sum >= bytesMax) break;
      sum += entry.bytes;
      found.push(refOf(entry));
    }
    return found;
  }
});

t.test('an actor with several records in one entry has that entry once', async (t) => {
  const log = new HotLog(10, { hi: 0, lo: 1 });
  log.add(3, 100, { hi: 0, lo: 2 }, [7, 7, 8, 8, 7, 7], 0);
  t.same(log.entriesOf({ hi: 7, lo: 7 }), [{ before: 10, last: 13, headBefore: { hi: 0, lo: 1 }, headAfter: { hi: 0, lo: 2 } }]);
  t.same(log.entriesOf({ hi: 8, lo: 8 }, 13), []);
});
