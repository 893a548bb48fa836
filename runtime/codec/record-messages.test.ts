import protobuf from 'protobufjs';
import t from 'tap';

import { RecordReader } from './record.ts';
import { broadcastsOf, causeOf, cursorOf, linkNotesOf, linksOf, linkTakenOf, sendsOf, writeCause, writeCursor, writeLinkNote, writeLinkTaken, writeSend } from './record-messages.ts';
import { firingOf, timerNotesOf, timersOf, writeFiring, writeTimerNote } from './record-timers.ts';
import { WireWriter } from './wire.ts';

// The oracle is protobufjs over the schema; nothing of record-messages.ts is used to decode.
const root = await protobuf.load(new URL('../../proto/troupe/v1/record.proto', import.meta.url).pathname);
const type = root.lookupType('troupe.v1.Record');
const HIGH = 2 ** 40 + 5;

function decode(bytes: Uint8Array): Record<string, unknown> {
  return type.toObject(type.decode(bytes), { longs: String, bytes: Buffer });
}

t.test('what the host writes is what the schema says', async (t) => {
  const wire = new WireWriter(64);
  writeCause(wire, { incarnationHi: 1, incarnationLo: 2, bits: 8, index: 200, position: HIGH, entry: 3, number: 4 });
  writeTimerNote(wire, { replaces: { position: HIGH, index: 1 }, dueMs: 9 });
  writeTimerNote(wire, { replaces: null, dueMs: 0 });
  writeLinkNote(wire, { number: 5, linkedNumber: 0 });
  writeLinkNote(wire, { number: 0, linkedNumber: 0 });
  writeFiring(wire, { timer: { position: 7, index: 0 }, name: 'tick', dueMs: 8, missed: 2, nextDueMs: 18 });
  writeSend(wire, 'a.B:1', 'Take', '', (out) => out.string(1, 'a.B:2'));
  writeLinkTaken(wire, { target: 'a.B:1', actor: 'a.B:2', unlink: true, linkedNumber: 6 });
  writeCursor(wire, { position: 10, index: 1, through: HIGH, done: true, actor: 'a.B:1' });
  t.same(decode(wire.view()), {
    cause: { incarnation: ((1n << 32n) + 2n).toString(), bucketBits: 8, bucketIndex: 200, position: String(HIGH), index: 3, number: '4' },
    timerNotes: [{ replaces: { position: String(HIGH), index: 1 }, dueMs: '9' }, {}],
    linkNotes: [{ number: '5' }, {}],
    firing: { timer: { position: '7' }, name: 'tick', dueMs: '8', missed: '2', nextDueMs: '18' },
    sends: [{ to: 'a.B:1', name: 'Take', data: Buffer.from('\n\x05a.B:2') }],
    linkTaken: { target: 'a.B:1', actor: 'a.B:2', unlink: true, linkedNumber: '6' },
    cursor: { position: '10', index: 1, through: String(HIGH), done: true, actor: 'a.B:1' },
  });
});

t.test('the readers give back what the oracle wrote', async (t) => {
  const record = new RecordReader().over(Buffer.from(type.encode(type.fromObject({
    incarnation: ((9n << 32n) + 8n).toString(),
    cause: { incarnation: ((1n << 32n) + 2n).toString(), bucketBits: 8, bucketIndex: 200, position: HIGH, index: 3, session: 's', number: 4 },
    timerNotes: [{ replaces: { position: HIGH, index: 1 }, dueMs: 9 }, {}],
    linkNotes: [{ number: 5 }, { linkedNumber: 2 }],
    firing: { timer: { position: 7 }, name: 'tick', dueMs: 8, missed: 2 },
    resumes: HIGH, onReply: 'Take', addressee: 'a.B:9',
    sends: [{ to: 'a.B:1', name: 'Do', data: Buffer.from('body'), onReply: 'Take' }, { to: 'a.B:2', name: 'Do' }],
    timers: [{ name: 'x', armed: { dueMs: 5, command: 'C', data: Buffer.from('data'), everyMs: 6, cron: '* * * * *', zone: 'UTC' } }, { name: 'y' }],
    links: [{ actor: 'a.B:1' }, { actor: 'a.B:2', unlink: true }],
    broadcasts: [{ name: 'Void', data: Buffer.from('all') }],
    linkTaken: { target: 'a.B:1', actor: 'a.B:2' },
    cursor: { position: 10, through: 11, actor: 'a.B:1' },
  })).finish()));
  const text = ({ from, until }: { from: number; until: number }): string => record.buffer.toString('utf8', from, until);
  t.match(record, { incarnationHi: 9, incarnationLo: 8, resumes: HIGH, onReply: 'Take', addressee: 'a.B:9' });
  t.same(causeOf(record), { incarnationHi: 1, incarnationLo: 2, bits: 8, index: 200, position: HIGH, entry: 3, number: 4, session: 's' });
  t.same(timerNotesOf(record), [{ replaces: { position: HIGH, index: 1 }, dueMs: 9 }, { replaces: null, dueMs: 0 }]);
  t.same(linkNotesOf(record), [{ number: 5, linkedNumber: 0 }, { number: 0, linkedNumber: 2 }]);
  t.same(firingOf(record), { timer: { position: 7, index: 0 }, name: 'tick', dueMs: 8, missed: 2, nextDueMs: 0 });
  t.match(sendsOf(record), [{ to: 'a.B:1', name: 'Do', onReply: 'Take' }, { to: 'a.B:2', name: 'Do', onReply: '' }]);
  t.same(sendsOf(record).map(text), ['body', '']);
  t.match(timersOf(record), [{ name: 'x', armed: { dueMs: 5, command: 'C', everyMs: 6, cron: '* * * * *', zone: 'UTC' } }, { name: 'y', armed: null }]);
  t.equal(text(timersOf(record)[0]!.armed!), 'data');
  t.same(linksOf(record), [{ actor: 'a.B:1', unlink: false }, { actor: 'a.B:2', unlink: true }]);
  t.match(broadcastsOf(record), [{ name: 'Void' }]);
  t.same(broadcastsOf(record).map(text), ['all']);
  t.same(linkTakenOf(record), { target: 'a.B:1', actor: 'a.B:2', unlink: false, linkedNumber: 0 });
  t.same(cursorOf(record), { position: 10, index: 0, through: 11, done: false, actor: 'a.B:1' });
  const plain = new RecordReader().over(Buffer.alloc(0));
  t.same([causeOf(plain), firingOf(plain), linkTakenOf(plain), cursorOf(plain), sendsOf(plain)], [null, null, null, null, []]);
});
