// Guest runtime, part 2a: what a timer with a calendar may say. Five fields: minute, hour, day of month, month, day of week. A field is a
// list of `*`, a value, or a range, of which `*` and ranges may have a step. The host finds the times with a library, which
// must understand all that passes here; due.test.ts holds both against each other.

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const CRON_FIELDS = [
  { what: 'minute', least: 0, most: 59, values: 60, names: [] },
  { what: 'hour', least: 0, most: 23, values: 24, names: [] },
  { what: 'day of month', least: 1, most: 31, values: 31, names: [] },
  { what: 'month', least: 1, most: 12, values: 12, names: MONTHS },
  // 0 and 7 are Sunday.
  { what: 'day of week', least: 0, most: 7, values: 7, names: WEEKDAYS },
];
const cronNumber = /^[0-9]{1,2}$/;

/** The pattern with one space between its fields; or why it is none. */
function readCron(given) {
  const refused = (wrong) => ({ text: '', wrong });
  if (typeof given !== 'string' || given.length > CRON_BYTES_MAX) return refused('it must be a text of at most ' + CRON_BYTES_MAX + ' bytes');
  const fields = given.split(/[ \t]+/).filter((field) => field !== '');
  if (fields.length !== 5) return refused('it has ' + fields.length + ' fields, not the five of minute, hour, day of month, month, day of week');
  for (let i = 0; i < 5; i++) {
    for (const item of fields[i].split(',')) if (!isCronItem(item, CRON_FIELDS[i])) return refused(show(item) + ' is no ' + CRON_FIELDS[i].what);
  }
  return { text: fields.join(' '), wrong: '' };
}
function isCronItem(item, field) {
  const [range, step, ...more] = item.split('/');
  if (more.length > 0 || (step !== undefined && !isCronStep(step, field))) return false;
  if (range === '*') return true;
  const [first, last, ...beyond] = range.split('-');
  if (beyond.length > 0) return false;
  const from = cronValue(first, field);
  if (last === undefined) return from >= 0 && step === undefined;
  // Of a range that ends with it, SUN is the seventh day.
  const to = field.names === WEEKDAYS && last.toUpperCase() === 'SUN' ? 7 : cronValue(last, field);
  return from >= 0 && to >= from;
}
function isCronStep(step, { values }) {
  return cronNumber.test(step) && +step >= 1 && +step <= values;
}
/** -1 for what is none. */
function cronValue(value, { least, most, names }) {
  const named = names.indexOf(value.toUpperCase());
  if (named >= 0) return named + least;
  return cronNumber.test(value) && +value >= least && +value <= most ? +value : -1;
}

let zones = null;
function isZone(value) {
  if (typeof value !== 'string') return false;
  zones ??= new Set(TIME_ZONES.split(' '));
  return zones.has(value);
}
