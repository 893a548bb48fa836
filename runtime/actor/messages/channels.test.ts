/** Folds of messages: what a checkpoint keeps is what the records made, and protobufjs reads it as the schema says. */

import protobuf from 'protobufjs';
import t from 'tap';

import { RecordReader } from '../../codec/record.ts';
import { WireReader, WireWriter } from '../../codec/wire.ts';
import { Channels } from './channels.ts';
import { Letters } from './letters.ts';
import { bucketOf } from './message.ts';

const root = await protobuf.load([
  new URL('../../../proto/troupe/v1/record.proto', import.meta.url).pathname,
  new URL('../../../proto/troupe/v1/snapshot.proto', import.meta.url).pathname,
]);
const recordType = root.lookupType('troupe.v1.Record');
const checkpointType = root.lookupType('troupe.v1.BucketCheckpoint');

const BITS = 8;
const HERE = { hi: 5, lo: 6 };
const incarnation = ((5n << 32n) + 6n).toString();
const far = 'a.B:far';
const near = 'a.B:near';

function record(fields: object): RecordReader {
  return new RecordReader().over(Buffer.from(recordType.encode(recordType.fromObject({ incarnation, ...fields })).finish()));
}

const records = [
  { position: 1, actor: 'a.B:1', sends: [{ to: far, name: 'X' }, { to: near, name: 'Y' }], sendNumbers: [1, 1] },
  { position: 2, actor: 'a.B:1', cause: { incarnation: '7', bucketIndex: 9, position: 3, number: 1 } },
  { position: 3, actor: 'a.B:1', links: [{ actor: far }], linkNotes: [{ number: 2 }], sends: [{ to: far, name: 'X' }], sendNumbers: [3] },
  { position: 4, kind: 'RECORD_KIND_PARKED', addressee: 'a.B:2', cause: { incarnation: '7', bucketIndex: 9, position: 3, number: 2 } },
  { position: 5, kind: 'RECORD_KIND_FAILED', addressee: 'a.B:3', cause: { incarnation: '7', bucketIndex: 9, position: 4, number: 3 } },
  { position: 6, kind: 'RECORD_KIND_PARKED', addressee: 'a.B:2', cause: { incarnation: '8', bucketIndex: 9, position: 1, number: 1 } },
];

function folded(list: readonly object[]): { channels: Channels; letters: Letters } {
  const channels = new Channels(BITS);
  const letters = new Letters();
  for (const fields of list) {
    const reader = record(fields);
    channels.fold(reader);
    letters.fold(reader);
  }
  channels.begin(HERE);
  return { channels, letters };
}

function shown({ channels, letters }: ReturnType<typeof folded>): unknown {
  return {
    out: [...channels.all()].sort((a, b) => b.sent - a.sent).map(({ destination, sent, taken, from, incarnationHi, incarnationLo }) => ({ destination, sent, taken, from, incarnationHi, incarnationLo })),
    marks: [channels.mark(9, 0, 7), channels.mark(9, 0, 8), channels.mark(9, 0, 9)],
    backlog: channels.backlog,
    parked: [...letters.parked],
    failed: [...letters.failed],
  };
}

t.test('records move channels, marks and letters', async (t) => {
  t.same(shown(folded(records)), {
    out: [
      { destination: bucketOf(far, BITS), sent: 3, taken: 0, from: 1, incarnationHi: 5, incarnationLo: 6 },
      { destination: bucketOf(near, BITS), sent: 1, taken: 0, from: 1, incarnationHi: 5, incarnationLo: 6 },
    ],
    marks: [3, 1, 0],
    backlog: 4,
    parked: [['a.B:2', [4, 6]]],
    failed: [5],
  });
});

t.test('what is taken up again is neither parked nor failed', async (t) => {
  const { letters } = folded([...records, { position: 7, actor: 'a.B:2', resumes: 4 }, { position: 8, kind: 'RECORD_KIND_FAILED', addressee: 'a.B:3', resumes: 5 }]);
  t.same([...letters.parked], [['a.B:2', [6]]]);
  t.same([...letters.failed], [8]);
  letters.fold(record({ position: 9, kind: 'RECORD_KIND_DROPPED', addressee: 'a.B:2', resumes: 6 }));
  letters.fold(record({ position: 10, actor: 'a.B:3', resumes: 8 }));
  t.ok(letters.isEmpty);
});

t.test('a command of a client that failed is no letter', async (t) => {
  t.same([...folded([{ position: 1, kind: 'RECORD_KIND_FAILED', actor: 'a.B:1', cause: { session: 's' } }]).letters.failed], []);
});

t.test('a checkpoint keeps the folds, in the form of the schema', async (t) => {
  const before = folded(records);
  const first = [...before.channels.all()].find(({ destination }) => destination === bucketOf(far, BITS));
  before.channels.takenThrough(first!, 2);
  first!.from = 3;
  const wire = new WireWriter(64);
  before.channels.encode(wire);
  before.letters.encode(wire);
  t.match(checkpointType.toObject(checkpointType.decode(wire.view()), { longs: Number }), {
    sent: [{ number: 1, from: 1 }, { bucketBits: 8, bucketIndex: bucketOf(far, BITS), number: 3, taken: 2, from: 3 }],
    taken: [{ bucketIndex: 9, number: 3 }, { bucketIndex: 9, number: 1 }],
    parked: [{ actor: 'a.B:2', positionSteps: [4, 2] }],
    deadLetterSteps: [5],
  });
  const after = { channels: new Channels(BITS), letters: new Letters() };
  const bytes = wire.copy();
  const reader = new WireReader().over(bytes);
  while (reader.next()) {
    const { field } = reader;
    reader.span();
    if (field === 7 || field === 10) after.channels.restore(field, bytes, reader.from, reader.to, HERE);
    else after.letters.restore(field, bytes, reader.from, reader.to);
  }
  after.channels.begin(HERE);
  t.same(shown(after), shown(before));
});

t.test('another incarnation of the log numbers anew, and what is left of the former one stays to be delivered', async (t) => {
  const { channels } = folded(records);
  channels.begin({ hi: 1, lo: 1 });
  t.equal(channels.next(bucketOf(far, BITS)), 1);
  t.same(channels.ended.map(({ sent }) => sent).sort(), [1, 3]);
  t.equal([...channels.all()].length, 3);
});
