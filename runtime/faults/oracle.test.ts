/** The oracle of the fault campaigns: each rule is seen to be broken by a history that breaks it, and by no other. */

import t from 'tap';

import { chain } from '../codec/chain.ts';
import type { StoredRecord } from '../journal/journal.ts';
import { Book, Findings } from './book.ts';
import { bodyOf, faultActors, foldCommand, initialFold, isRefused, keyOf, messages } from './commands.ts';
import type { Fold } from './commands.ts';
import { LogCheck } from './log-check.ts';

const [ledger, counter] = faultActors(2) as [ReturnType<typeof faultActors>[0], ReturnType<typeof faultActors>[0]];
const bytes = new Uint8Array([1, 2, 3]);

function newBook(): Book {
  return new Book([ledger, counter], new Findings());
}

/** Sends `count` commands to the ledger and answers them as a right node would; the numbers. */
function rightAnswers(book: Book, count: number): number[] {
  const fold = initialFold('ledger');
  return Array.from({ length: count }, (_, i) => {
    const n = book.add(ledger);
    foldCommand(fold, 'ledger', n);
    book.answered(n, { kind: 'accepted', seq: i + 1, reply: { ...fold }, bytes });
    return n;
  });
}

const someFold: Fold = { value: 1, checksum: 1 };

t.test('right answers, repeated answers, and a refusal leave nothing to find', async (t) => {
  const book = newBook();
  const [first] = rightAnswers(book, 20);
  book.answered(first!, { kind: 'accepted', seq: 1, reply: someFold, bytes });
  let refused = book.add(ledger);
  while (!isRefused('ledger', refused)) {
    book.open.delete(refused);
    refused = book.add(ledger);
  }
  book.answered(refused, { kind: 'refused', reason: 'NO_TOKEN' });
  book.settle();
  book.checkState(ledger, 20, { ...book.pages[0]!.fold });
  t.same(book.findings.list, []);
  t.equal(book.repeats, 1);
});

t.test('B1: another seq, another reply, another outcome for the same key', async (t) => {
  for (const again of [
    { kind: 'accepted', seq: 2, reply: someFold, bytes },
    { kind: 'accepted', seq: 1, reply: someFold, bytes: new Uint8Array([9]) },
    { kind: 'refused', reason: 'NO_TOKEN' },
  ] as const) {
    const book = newBook();
    const [first] = rightAnswers(book, 1);
    book.answered(first!, again);
    t.match(book.findings.list, [/^B1/]);
  }
});

t.test('B2: one seq for two commands', async (t) => {
  const book = newBook();
  rightAnswers(book, 3);
  book.answered(book.add(ledger), { kind: 'accepted', seq: 2, reply: someFold, bytes });
  t.match(book.findings.list, [/^B2/]);
});

t.test('B3: a seq that no command was answered with', async (t) => {
  const book = newBook();
  rightAnswers(book, 3);
  book.answered(book.add(ledger), { kind: 'accepted', seq: 5, reply: someFold, bytes });
  book.settle();
  t.match(book.findings.list, [/^B3/]);
});

t.test('B4: a reply that is not the fold', async (t) => {
  const book = newBook();
  rightAnswers(book, 3);
  book.answered(book.add(ledger), { kind: 'accepted', seq: 4, reply: someFold, bytes });
  book.settle();
  t.match(book.findings.list, [/^B4/]);
});

t.test('states: another seq, another value', async (t) => {
  const book = newBook();
  rightAnswers(book, 3);
  book.settle();
  book.checkState(ledger, 2, { ...book.pages[0]!.fold });
  book.checkState(ledger, 3, someFold);
  t.equal(book.findings.count, 2);
  t.throws(() => {
    book.add(ledger);
    book.settle();
  });
});

// ---- The log.

interface PlainRecord {
  kind: number;
  actor: string;
  bucketBits: number;
  bucketIndex: number;
  position: number;
  epoch: number;
  incarnation: number;
  firstSeq: number;
  key: string;
  events: { name: string; data: Uint8Array }[];
}

const incarnation = { hi: 0, lo: 77 };

/** The body of Append and the event Appended have the same form, as have Increment and Incremented. */
function recordOf(n: number, position: number, seq: number): PlainRecord {
  return {
    kind: 1, actor: ledger.address, bucketBits: 8, bucketIndex: 3, position, epoch: 1, incarnation: 77, firstSeq: seq, key: keyOf(n),
    events: [{ name: 'Appended', data: bodyOf('ledger', n) }],
  };
}

async function findingsOf(book: Book, records: PlainRecord[], spoilHead = false): Promise<string[]> {
  const head = { ...incarnation };
  const stored: StoredRecord[] = records.map((record, i) => {
    const encoded = Buffer.from(messages.record.encode(messages.record.fromObject(record)).finish());
    chain(head, head, encoded);
    return { position: i + 1, head: spoilHead ? { hi: 1, lo: 1 } : { ...head }, bytes: encoded };
  });
  const check = new LogCheck(book);
  await check.bucket({ bucket: { bits: 8, index: 3 }, incarnation }, (async function* () {
    yield* stored;
  })());
  check.finish();
  return book.findings.list;
}

function rightLog(): { book: Book; records: PlainRecord[] } {
  const book = newBook();
  const numbers = rightAnswers(book, 5);
  return { book, records: numbers.map((n, i) => recordOf(n, i + 1, i + 1)) };
}

t.test('a right log, with an open command in it and one that never arrived', async (t) => {
  const { book, records } = rightLog();
  records.push(recordOf(book.add(ledger), 6, 6));
  book.add(counter);
  t.same(await findingsOf(book, records), []);
});

const spoils: [string, RegExp, (records: PlainRecord[], book: Book) => PlainRecord[]][] = [
  ['a position is skipped', /^L1/, (records) => records.map((r) => (r.position > 2 ? { ...r, position: r.position + 1 } : r))],
  ['a record of another bucket', /^L1/, (records) => records.map((r) => ({ ...r, bucketIndex: 4 }))],
  ['the epoch goes back', /^L2/, (records) => records.map((r) => ({ ...r, epoch: 9 - r.position }))],
  ['the incarnation changes', /^L2/, (records) => records.map((r) => ({ ...r, incarnation: r.position > 3 ? 78 : 77 }))],
  ['a seq is used twice', /^L4/, (records) => records.map((r) => (r.position === 3 ? { ...r, firstSeq: 2 } : r))],
  ['a command is applied twice', /^L5/, (records) => [...records, { ...records[4]!, position: 6, firstSeq: 6 }]],
  ['a command is applied twice, under a key of its own', /^L5/, (records) => [...records, { ...records[4]!, key: `${records[4]!.key}-1`, position: 6, firstSeq: 6 }]],
  ['the last acknowledged command is missing', /^L6/, (records) => records.slice(0, 4)],
  ['an event with other content', /^L6/, (records) => records.map((r) => (r.position === 3 ? { ...r, events: records[0]!.events } : r))],
  ['an acknowledged command is recorded as refused', /^L6/, (records) => records.map((r) => (r.position === 5 ? { ...r, kind: 2, events: [] } : r))],
  ['two commands in another order than was answered', /^L6/, (r) => [r[0]!, { ...r[2]!, position: 2, firstSeq: 2 }, { ...r[1]!, position: 3, firstSeq: 3 }, r[3]!, r[4]!]],
  ['a record of a command that was never sent', /^L7/, (records) => [...records, { ...recordOf(999, 6, 6) }]],
];

for (const [what, rule, spoil] of spoils) {
  t.test(`the log check finds that ${what}`, async (t) => {
    const { book, records } = rightLog();
    const found = await findingsOf(book, spoil(records, book));
    t.ok(found.some((text) => rule.test(text)), found.join('\n') || 'nothing was found');
  });
}

t.test('the log check finds a head that does not follow', async (t) => {
  const { book, records } = rightLog();
  t.match(await findingsOf(book, records, true), [/^L3/]);
});
