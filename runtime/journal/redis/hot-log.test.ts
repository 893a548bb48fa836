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
    let log = new HotLog(0, model.trimmedHead);
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
      // Through its words now and then, as when the bucket moves on to another node.
      if (dice.below(10) === 0) log = HotLog.from(log.words())!;
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

t.test('the words of a log are a format: nodes of two versions exchange them', async (t) => {
  const log = new HotLog(2 ** 32 + 3, { hi: 21, lo: 22 });
  log.add(2, 100, { hi: 31, lo: 32 }, [7, 8, 0, 0], 0);
  log.add(1, 50, { hi: 41, lo: 42 }, [7, 8], 0);
  const words = [
    2, 1, 3, 21, 22, // entries; what was demoted, and its head
    2, 1, // records of the entries
    100, 50, // their bytes
    31, 32, 41, 42, // their heads
    3, 1, // records, actors
    0, 0, 1, // of each record the one of its actor before, plus one
    7, 8, 3, // hash and newest record, plus one, of each actor
  ];
  t.same([...log.words()], words);
  t.equal(log.wordCount, words.length);
  const changed = (at: number, to: number): Uint32Array => Uint32Array.from(words, (word, i) => (i === at ? to : word));
  t.ok(HotLog.from(Uint32Array.from(words)));
  for (const [at, to] of [[0, 3], [5, 0], [5, 1], [6, 2], [13, 4], [14, 2], [17, 3], [20, 0], [20, 4]] as const) t.equal(HotLog.from(changed(at, to)), null, `word ${at}`);
  t.equal(HotLog.from(new Uint32Array(0)), null);
  t.equal(HotLog.from(Uint32Array.from(words.slice(0, -1))), null);
  const twice = [1, 0, 0, 0, 0, 2, 10, 1, 1, 2, 2, 0, 1, 7, 8, 2, 9, 9, 1];
  t.equal(HotLog.from(Uint32Array.from(twice)), null, 'a record of two actors');
});
