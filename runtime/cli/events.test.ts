import t from 'tap';

import type { RecordView } from '../actor/engine.ts';
import { readNew, type Cursor } from './events.ts';
import { recordText } from './record-text.ts';

function record(position: number, seqs: number[], over: Partial<RecordView> = {}): RecordView {
  return {
    position, bucket: 7, epoch: 1, kind: 'DECISION', actor: 'shop.v1.Order:o-1', firstSeq: seqs[0] ?? 0, command: 'PlaceOrder', key: 'k1', principal: 'alice',
    nowMs: 0, bundle: 'abcdef0123456789', payload: { userId: 'u-1' }, events: seqs.map((seq) => ({ seq, name: 'OrderPlaced', body: { total: seq } })),
    sends: [], timers: [], links: [], broadcasts: [], linkTaken: null, cursor: null, incarnation: 'ab', addressee: '', cause: null, firing: null, resumes: 0, onReply: '', reply: {}, rejection: null, failure: null, ...over,
  };
}

/** The engine's contract of `records`, over a list: those with an event >= from, and those without one behind such a one. */
function source(records: RecordView[]): (from: number, max: number) => Promise<RecordView[]> {
  return async (from, max) => {
    let started = false;
    return records.filter((r) => (started ||= r.events.some((event) => event.seq >= from)) && (r.events.length === 0 || r.events.some((event) => event.seq >= from))).slice(0, max);
  };
}

async function readAll(records: RecordView[], cursor: Cursor, page: number): Promise<number[]> {
  const shown: number[] = [];
  await readNew(source(records), cursor, (r) => shown.push(r.position), page);
  return shown;
}

t.test('every record once, in order, whatever the size of a page', async (t) => {
  const records = [record(1, [1]), record(3, [2, 3]), record(4, []), record(6, []), record(9, [4]), record(10, [5, 6, 7]), record(11, [])];
  for (const page of [1, 2, 3, 7, 100]) {
    const shown = await readAll(records, { from: 1, position: 0 }, page);
    // With pages too small to reach past records without events, what is shown is still in order and never twice.
    t.strictSame(shown, [...new Set(shown)].sort((a, b) => a - b), `page ${page}`);
    if (page > 3) t.strictSame(shown, [1, 3, 4, 6, 9, 10, 11], `page ${page}`);
  }
});

t.test('from in the middle of a record shows that record', async (t) => {
  t.strictSame(await readAll([record(1, [1]), record(3, [2, 3]), record(9, [4])], { from: 3, position: 0 }, 100), [3, 9]);
});

t.test('reading on shows only what is new', async (t) => {
  const records = [record(1, [1])];
  const cursor = { from: 1, position: 0 };
  t.strictSame(await readAll(records, cursor, 100), [1]);
  t.strictSame(await readAll(records, cursor, 100), []);
  records.push(record(2, []), record(5, [2]));
  t.strictSame((await readAll(records, cursor, 100)).at(-1), 5);
});

t.test('a record shows everything that was decided', async (t) => {
  const text = recordText(
    record(5, [8], {
      sends: [{ to: 'shop.v1.Inventory:p-1', name: 'Reserve', body: { quantity: 2 }, number: 3, onReply: 'TakeReservation' }],
      timers: [
        { name: 'pay-by', dueMs: 1000, everyMs: 0, command: 'Expire', body: {} },
        { name: 'remind', dueMs: 1000, everyMs: 500, command: 'Remind', body: { n: 1 } },
        { name: 'daily', cron: '0 9 * * *', zone: 'UTC', dueMs: 0, command: 'Sum', body: {} },
        { name: 'old', cancelled: true },
      ],
      links: [{ actor: 'shop.v1.Product:p-1', unlink: false, number: 1, linkedNumber: 0 }, { actor: 'shop.v1.Product:p-2', unlink: true, number: 2, linkedNumber: 1 }],
      broadcasts: [{ name: 'VoidOrder', body: {} }],
      reply: { orderId: 'o-1' },
    }),
  );
  t.equal(text, [
    '1970-01-01T00:00:00.000Z  PlaceOrder  bucket 7 position 5  by alice  bundle abcdef01  key k1',
    '  command   {"userId":"u-1"}',
    '  seq 8     OrderPlaced {"total":8}',
    '  send      shop.v1.Inventory:p-1 Reserve {"quantity":2} -> TakeReservation',
    '  timer     pay-by due 1970-01-01T00:00:01.000Z: Expire {}',
    '  timer     remind due 1970-01-01T00:00:01.000Z, every 500 ms: Remind {"n":1}',
    '  timer     daily, by 0 9 * * * UTC: Sum {}',
    '  timer     old cancelled',
    '  link      shop.v1.Product:p-1',
    '  unlink    shop.v1.Product:p-2',
    '  broadcast VoidOrder {}',
    '  reply     {"orderId":"o-1"}',
  ].join('\n'));
});

t.test('rejections, failures and records without a command', async (t) => {
  t.match(recordText(record(1, [], { rejection: { code: 'OUT_OF_STOCK', message: 'only 1 left' } })), /rejected  OUT_OF_STOCK: only 1 left/);
  t.match(recordText(record(1, [], { failure: { code: 'BEHAVIOR_TIMEOUT', message: 'too long' } })), /failed    BEHAVIOR_TIMEOUT: too long/);
  t.match(recordText(record(1, [], { command: '', kind: 'MIGRATE', principal: '', key: '', bundle: '' })), /Z {2}state carried over {2}bucket 7 position 1\n/);
  t.match(recordText(record(1, [], { command: '', kind: 'migrate', principal: '', key: '' })), /Z {2}state carried over to bundle abcdef01 {2}bucket 7 position 1\n/);
  t.match(recordText(record(1, [], { kind: 'dropped', principal: 'shop.v1.Order:o-2', key: '', bundle: '' })), /Z {2}PlaceOrder {2}bucket 7 position 1 {2}by an operator {2}message of shop\.v1\.Order:o-2\n/);
  t.match(recordText(record(4, [], { failure: { code: 'BEHAVIOR_FAILED', message: 'again' } }), true), /\n {2}hint {6}troupe deadletters retry 7\/4, or drop 7\/4$/);
  t.match(recordText(record(1, [], { command: '', kind: 'migrate', payload: { points: 70 } })), /\n {2}state {5}\{"points":70\}/);
});
