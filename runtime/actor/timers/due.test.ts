/** Due times against an oracle that walks over the minutes, and the sandbox's check of a pattern against what the library understands. */

import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import t from 'tap';

import type { ArmedTimer } from '../../codec/record-timers.ts';
import { limits } from '../../limits.ts';
import { timeZones } from '../../sandbox/time-zones.ts';
import { firstDue, isCalendar, nextDue } from './due.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

function calendar(cron: string, zone = ''): ArmedTimer {
  return { dueMs: 0, command: '', from: 0, until: 0, everyMs: 0, cron, zone };
}

function times(cron: string, zone: string, from: string, count: number): string[] {
  const found: string[] = [];
  let at = Date.parse(from);
  for (let i = 0; i < count; i++) {
    at = firstDue(calendar(cron, zone), at);
    found.push(new Date(at).toISOString().slice(0, 16));
  }
  return found;
}

/** What guest/calendar.js makes of a pattern. It is a script of the realm, so it is run as one here. */
const guest = new Function(
  'CRON_BYTES_MAX', 'TIME_ZONES', 'show',
  `${readFileSync(new URL('../../sandbox/guest/calendar.js', import.meta.url), 'utf8')}; return { readCron, isZone };`,
)(limits.cronBytesMax, timeZones.join(' '), JSON.stringify) as { readCron(given: unknown): { text: string; wrong: string }; isZone(given: unknown): boolean };

const months = ['JAN', 'feb', 'Mar', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'dec'];
const weekdays = ['SUN', 'mon', 'Tue', 'WED', 'THU', 'FRI', 'SAT', 'SUN'];
const fields = [
  { least: 0, most: 59, names: [] },
  { least: 0, most: 23, names: [] },
  { least: 1, most: 31, names: [] },
  { least: 1, most: 12, names: months },
  { least: 0, most: 7, names: weekdays },
] as const;
type Field = (typeof fields)[number];

const nameOf = (field: Field, value: number): string => field.names[value - field.least] ?? String(value);
const shown = (field: Field, value: number): fc.Arbitrary<string> => fc.constantFrom(String(value), String(value).padStart(2, '0'), nameOf(field, value));

function item(field: Field): fc.Arbitrary<string> {
  const value = fc.integer({ min: field.least, max: field.most });
  const step = fc.oneof(fc.constant(''), fc.integer({ min: 1, max: 60 }).map((n) => `/${n}`));
  const range = fc.tuple(value, value).chain(([a, b]) => fc.tuple(shown(field, Math.min(a, b)), shown(field, Math.max(a, b)), step)).map(([a, b, by]) => `${a}-${b}${by}`);
  return fc.oneof(value.chain((n) => shown(field, n)), range, step.map((by) => `*${by}`));
}

const pattern = fc.tuple(...fields.map((field) => fc.oneof(fc.constant('*'), fc.array(item(field), { minLength: 1, maxLength: 4 }).map((items) => items.join(','))))).map((written) => written.join(' '));
/** Texts that are nearly patterns. */
const nearly = fc.tuple(pattern, fc.array(fc.tuple(fc.nat(60), fc.constantFrom('', '*', '/', '-', ',', '0', '7', '9', ' ', 'L', '#', '?', 'W', '+', 'SUN', 'x')), { maxLength: 3 })).map(([text, edits]) => {
  let edited = text;
  for (const [at, by] of edits) edited = edited.slice(0, at % (edited.length + 1)) + by + edited.slice((at % (edited.length + 1)) + 1);
  return edited;
});

/** The values of a field, by its own reading of the text. */
function valuesOf(written: string, field: Field): Set<number> {
  const number = (text: string, isEnd: boolean): number => {
    const named = field.names.findIndex((name) => name.toUpperCase() === text.toUpperCase());
    if (named < 0) return Number(text);
    return isEnd && named === 0 && field.names === weekdays ? 7 : named + field.least;
  };
  const values = new Set<number>();
  for (const entry of written.split(',')) {
    const [range = '', step = '1'] = entry.split('/');
    const [first = '', last] = range.split('-');
    const from = range === '*' ? field.least : number(first, false);
    const to = range === '*' ? (field.names === weekdays ? 6 : field.most) : last === undefined ? from : number(last, true);
    for (let value = from; value <= to; value += Number(step)) values.add(field.names === weekdays ? value % 7 : value);
  }
  return values;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Minute, hour, day, month, weekday on the wall. */
function wall(ms: number, zone: string): number[] {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', weekday: 'short' });
    formats.set(zone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const weekday = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'].indexOf(parts['weekday']!);
  return [Number(parts['minute']), Number(parts['hour']), Number(parts['day']), Number(parts['month']), weekday];
}

/** The first minute behind `after` that fits, up to `until`; 0 when there is none. */
function walked(written: string, zone: string, after: number, until: number): number {
  const texts = written.split(' ');
  const sets = texts.map((text, i) => valuesOf(text, fields[i]!));
  const anyDay = texts[2] === '*';
  const anyWeekday = texts[4] === '*';
  for (let at = after - (after % MINUTE) + MINUTE; at <= until; at += MINUTE) {
    const is = wall(at, zone);
    const [byMinute, byHour, byDay, byMonth, byWeekday] = is.map((value, i) => sets[i]!.has(value));
    const fits = anyDay ? byWeekday : anyWeekday ? byDay : byDay || byWeekday;
    if (byMinute && byHour && byMonth && fits) return at;
  }
  return 0;
}

t.test('what the sandbox lets through, the library understands', async (t) => {
  let passed = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.oneof(pattern, nearly), (given) => {
      const { text, wrong } = guest.readCron(given);
      if (wrong !== '') {
        refused++;
        return;
      }
      passed++;
      if (!isCalendar(calendar(text))) throw new Error(`${text} is not understood`);
    }),
    { numRuns: 3_000 },
  );
  t.ok(passed > 500 && refused > 500, `${passed} passed, ${refused} refused`);
});

t.test('every zone that the sandbox knows, the library knows', async (t) => {
  t.ok(timeZones.length > 300);
  for (const zone of timeZones) if (!guest.isZone(zone) || !isCalendar(calendar('0 0 * * *', zone))) t.fail(zone);
  for (const zone of ['europe/berlin', 'Europe/Atlantis', '', '+02:00', 7, null]) t.notOk(guest.isZone(zone), String(zone));
});

t.test('patterns that are none', async (t) => {
  const wrong = [
    '', '* * * *', '* * * * * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * 32 * *', '* * * 0 *', '* * * 13 *', '* * * * 8', '-1 * * * *', '1- * * * *', '-1- * * * *',
    '5-1 * * * *', '1/2 * * * *', '*/0 * * * *', '*/61 * * * *', '*/1/2 * * * *', '1,,2 * * * *', ', * * * *', '** * * * *', '1-2-3 * * * *', '* * L * *', '* * 1W * *',
    '* * * * 5#2', '? * * * *', '@daily', '1.5 * * * *', '1e1 * * * *', '001 * * * *', '* * * JANUARY *', '* * * * MO', 'JAN * * * *', '٣ * * * *', `${'1,'.repeat(200)}1 * * * *`,
  ];
  for (const given of wrong) t.not(guest.readCron(given).wrong, '', given);
  for (const given of [null, undefined, 5, {}, ['* * * * *']]) t.not(guest.readCron(given).wrong, '', String(given));
  t.same(guest.readCron('  0\t9   * *  MON-fri '), { text: '0 9 * * MON-fri', wrong: '' });
});

t.test('times are those that walking over the minutes finds', async () => {
  const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe'];
  // Away from changes of clocks, and at the ends of months and years.
  const starts = ['2026-01-15T10:17:30Z', '2026-12-30T22:00:00Z', '2027-02-27T00:00:00Z', '2028-02-28T12:00:00Z'].map((text) => Date.parse(text));
  fc.assert(
    fc.property(pattern, fc.constantFrom(...zones), fc.constantFrom(...starts), (written, zone, after) => {
      const { text, wrong } = guest.readCron(written);
      if (wrong !== '') return;
      const until = after + 3 * DAY;
      const wanted = walked(text, zone, after, until);
      const found = firstDue(calendar(text, zone), after);
      if (wanted === 0 ? found !== 0 && found <= until : found !== wanted) throw new Error(`${text} ${zone} after ${new Date(after).toISOString()}: ${found}, not ${wanted}`);
    }),
    { numRuns: 250 },
  );
});

t.test('a clock that is put forward or back', async (t) => {
  const berlin = 'Europe/Berlin';
  t.same(times('0 9 * * 1-5', berlin, '2026-03-26T12:00Z', 3), ['2026-03-27T08:00', '2026-03-30T07:00', '2026-03-31T07:00'], 'nine stays nine');
  t.same(times('30 2 * * *', berlin, '2026-03-28T00:00Z', 3), ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'], 'a fixed time in the gap is due at its end');
  t.same(times('*/30 * * * *', berlin, '2026-03-29T00:00Z', 3), ['2026-03-29T00:30', '2026-03-29T01:00', '2026-03-29T01:30'], 'an interval goes on');
  t.same(times('0,30 2 * * *', berlin, '2026-03-28T12:00Z', 2), ['2026-03-30T00:00', '2026-03-30T00:30'], 'of several times those in the gap do not exist');
  t.same(times('30 2 * * *', berlin, '2026-10-24T12:00Z', 3), ['2026-10-25T00:30', '2026-10-26T01:30', '2026-10-27T01:30'], 'a fixed time that comes twice is due once');
  t.same(times('0 * * * *', berlin, '2026-10-24T23:30Z', 4), ['2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00', '2026-10-25T03:00'], 'an interval is due twice');
});

t.test('a calendar without a time, or one that nobody understands, is never due', async (t) => {
  t.equal(firstDue(calendar('0 0 30 2 *'), 1_700_000_000_000), 0);
  t.equal(firstDue(calendar('0 0 29 2 *'), Date.parse('2096-03-01')), Date.parse('2104-02-29'));
  t.equal(firstDue(calendar('nonsense'), 1_700_000_000_000), 0);
  t.equal(firstDue(calendar('0 0 * * *', 'Europe/Atlantis'), 1_700_000_000_000), 0);
});

t.test('a repeating timer keeps its phase, and counts what it missed', async (t) => {
  const every = (everyMs: number) => ({ everyMs, cron: '', zone: '' });
  t.same(nextDue(every(0), 100, 5_000), { nextDueMs: 0, missed: 0 });
  t.same(nextDue(every(1_000), 10_000, 10_000), { nextDueMs: 11_000, missed: 0 });
  t.same(nextDue(every(1_000), 10_000, 10_999), { nextDueMs: 11_000, missed: 0 });
  t.same(nextDue(every(1_000), 10_000, 11_000), { nextDueMs: 12_000, missed: 1 });
  t.same(nextDue(every(1_000), 10_000, 15_500), { nextDueMs: 16_000, missed: 5 });
  fc.assert(
    fc.property(fc.integer({ min: 1_000, max: 100_000 }), fc.nat(1_000_000), fc.nat(3_000_000), (everyMs, dueMs, lateMs) => {
      const { nextDueMs, missed } = nextDue(every(everyMs), dueMs, dueMs + lateMs);
      const all = Array.from({ length: missed + 2 }, (_, i) => dueMs + i * everyMs);
      t.equal(nextDueMs, all.at(-1));
      if (nextDueMs <= dueMs + lateMs || (missed > 0 && all.at(-2)! > dueMs + lateMs)) throw new Error('not the first one behind now');
    }),
    { numRuns: 100 },
  );
});

t.test('missed times of a calendar are counted up to a bound', async (t) => {
  const daily = { everyMs: 0, cron: '0 9 * * *', zone: 'Europe/Berlin' };
  const due = Date.parse('2026-03-27T08:00Z');
  t.same(nextDue(daily, due, Date.parse('2026-03-30T06:59Z')), { nextDueMs: Date.parse('2026-03-30T07:00Z'), missed: 2 });
  t.same(nextDue(daily, due, Date.parse('2026-03-30T07:00Z')), { nextDueMs: Date.parse('2026-03-31T07:00Z'), missed: 3 });
  t.equal(nextDue({ ...daily, cron: '* * * * *' }, due, due + DAY).missed, limits.cronMissedMax);
});
