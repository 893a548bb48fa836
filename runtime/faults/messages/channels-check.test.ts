/**
 * What a broken outbox and broken marks leave in the logs, and what the checks say of it: the message that never arrives, by its channel, its number,
 * who sent it and for whom, whether the logs have come to rest or not.
 */

import t from 'tap';

import { Findings } from '../book.ts';
import { bucketOf } from './log-record.ts';
import { BITS, LogStory, ORIGIN, START_MS, storedLog } from './log-story.ts';
import type { PlainRecord } from './log-story.ts';
import { MessagesCheck } from './messages-check.ts';

const BOX = 'test.v1.Box:b';
const SENDER = 'test.v1.Sender:s';
const [FROM, TO] = [bucketOf(SENDER, BITS), bucketOf(BOX, BITS)];
const CHANNEL = `channel ${FROM} to ${TO}`;
const TOLD = 5;
const STEP_MS = 1_000;
const OTHER_KIND = 6;

interface Story {
  readonly logs: PlainRecord[][];
  readonly got: readonly PlainRecord[];
}

/** A sender tells a box five words, one a second, and the box takes in each. */
function tell(): Story {
  const story = new LogStory();
  const got: PlainRecord[] = [];
  for (let n = 1; n <= TOLD; n++) {
    story.command(SENDER, 'Tell', { n }, { sends: [[BOX, 'Put', { word: `w${n}` }]] });
    got.push(story.receive(BOX, SENDER, {}));
    story.nowMs += STEP_MS;
  }
  return { logs: story.logs, got };
}

/** The engine has never taken these in: something else stands there. */
function never({ got }: Story, ...numbers: readonly number[]): void {
  for (const n of numbers) {
    const record = got[n - 1]!;
    for (const field of ['actor', 'cause', 'name', 'payload', 'principal', 'reply', 'firstSeq']) delete record[field];
    record['kind'] = OTHER_KIND;
  }
}

async function read({ logs }: Story, buckets = logs.map((_, index) => index)): Promise<{ check: MessagesCheck; found: readonly string[] }> {
  const findings = new Findings();
  const check = new MessagesCheck(findings);
  for (const index of buckets) {
    await check.bucket({ bits: BITS, index }, ORIGIN, (async function* () {
      yield* storedLog(logs[index]!);
    })());
  }
  return { check, found: findings.list };
}

const shown = (n: number): string => `send Put of ${SENDER} to ${BOX}, entry 0 of ${FROM}/${n}`;
const atRest = { nowMs: START_MS + TOLD * STEP_MS, timerGraceMs: 0 };

t.test('nothing is found where everything has arrived', async (t) => {
  const { check, found } = await read(tell());
  check.settle(atRest, []);
  check.late(Infinity);
  t.same(found, []);
  t.equal(check.channels.taken, TOLD);
});

t.test('an outbox that goes on one message too far: the message is named, and the record that came instead', async (t) => {
  const story = tell();
  never(story, 3);
  const { check, found } = await read(story);
  check.match();
  t.same(found, [`C2: ${CHANNEL}: message 3 was passed over and never arrives, ${TO}/4 takes in number 4: ${shown(3)}`]);
  check.settle(atRest, []);
  t.equal(found.length, 1, 'it is said once, and the others of the channel are not taken for one another');
});

t.test('an outbox that goes on too far, and a channel that waits for what was left out', async (t) => {
  const story = tell();
  never(story, 3, 4, 5);
  const { check, found } = await read(story);
  check.settle(atRest, []);
  t.same(found, [`C2: ${CHANNEL}: message 3 has not arrived: ${shown(3)}; nor have 2 behind it`]);
});

t.test('the last message of a channel, which no later one gives away', async (t) => {
  const story = tell();
  never(story, 5);
  const { check, found } = await read(story);
  check.settle(atRest, []);
  t.same(found, [`C2: ${CHANNEL}: message 5 has not arrived: ${shown(5)}`]);
});

t.test('an outbox that has forgotten a whole channel', async (t) => {
  const story = tell();
  never(story, 1, 2, 3, 4, 5);
  const { check, found } = await read(story);
  check.settle(atRest, []);
  t.same(found, [`C2: ${CHANNEL}: message 1 has not arrived: ${shown(1)}; nor have 4 behind it`]);
});

t.test('logs that do not come to rest: what is overdue is told from what is on its way', async (t) => {
  const story = tell();
  never(story, 3, 4, 5);
  const { check, found } = await read(story);
  check.late(START_MS + 2 * STEP_MS - 1);
  t.same(found, [], 'the third was sent a moment later');
  check.late(START_MS + 2 * STEP_MS);
  t.match(found, [/message 3 has not arrived/]);
});

t.test('logs that do not come to rest are not read in one moment: who has received before the sender was read is not blamed', async (t) => {
  const { check, found } = await read(tell(), [TO]);
  check.late(Infinity);
  t.same(found, []);
  check.match();
  t.match(found, [/5 messages were taken in that were not sent/]);
});

t.test('marks that are lost at a restart: what was taken in comes once more', async (t) => {
  const story = tell();
  const log = story.logs[TO]!;
  for (const record of story.got.slice(0, 2)) log.push({ ...record, position: log.length + 1, nowMs: log.at(-1)!['nowMs'] });
  const { check, found } = await read(story);
  check.match();
  t.same(found, [`C2: ${CHANNEL}: ${TO}/6 takes in number 1 behind 5`, `C2: ${CHANNEL}: ${TO}/7 takes in number 2 behind 5`]);
});

t.test('marks that are not stored: to the log, nothing was ever taken in', async (t) => {
  const story = tell();
  for (const { cause } of story.got) cause.number = 0;
  const { check, found } = await read(story);
  check.settle(atRest, []);
  t.match(found, [/message 1 has not arrived: .*; nor have 4 behind it/]);
});

t.test('marks that are positions: a gap is passed over', async (t) => {
  const story = tell();
  for (const { cause } of story.got) cause.number = 10 * cause.position;
  const { check, found } = await read(story);
  check.match();
  t.match(found, Array.from({ length: TOLD }, (_, i) => new RegExp(`message ${i + 1} was passed over and never arrives, .* takes in number 10: `)).concat(/5 messages were taken in that were not sent/));
});
