import t from 'tap';

import { catalogue, TroupeError, type ErrorCode } from '../codec/errors.ts';
import { behaviorTable } from './behaviors.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import { textLine } from './log.ts';
import { errorJson, errorText, fromWire, printable, report, table } from './terminal.ts';

t.test('a table has aligned columns and no trailing space', async (t) => {
  t.equal(table(['A', 'LONG', 'B'], [['aaaa', 'b', 'c'], ['x', '', '']]), 'A     LONG  B\naaaa  b     c\nx');
});

t.test('text from elsewhere cannot move the cursor or fake a line', async (t) => {
  t.equal(printable('a\u001b[2Jb\r\nc\u202e'), 'a\\u001b[2Jb\\u000d\\u000ac\\u202e');
  t.equal(printable('Grüße 🎭'), 'Grüße 🎭');
  t.notMatch(errorText(new TroupeError('REJECTED', 'x\u001b[2J', { reason: 'R\u0007' })), /[\u001b\u0007]/);
});

t.test('an error has code, message, hint and page', async (t) => {
  const error = new TroupeError('BUNDLE_INVALID', 'does not compile', { location: 'order.js:3:1' });
  t.equal(errorText(error), `error BUNDLE_INVALID: does not compile\nat: order.js:3:1\nhint: ${error.hint}\nsee docs/errors/BUNDLE_INVALID.md`);
  t.match(JSON.parse(errorJson(error)), { error: { code: 'BUNDLE_INVALID', location: 'order.js:3:1', retryable: false } });
});

t.test('exit codes are stable', async (t) => {
  const expected: Partial<Record<ErrorCode, number>> = {
    REJECTED: 1, BUNDLE_INVALID: 1, SCENARIO_FAILED: 1, KEY_CONFLICT: 1, BAD_BODY: 1, CONFIG_INVALID: 2, BAD_ADDRESS: 2, UNREACHABLE: 3, MAILBOX_FULL: 3,
    DEADLINE_EXCEEDED: 3, UNAUTHENTICATED: 4, FORBIDDEN: 4, ADDRESS_IN_USE: 5, JOURNAL_LOCKED: 5, JOURNAL_DAMAGED: 5, INTERNAL: 70,
  };
  for (const [code, exit] of Object.entries(expected)) t.equal(exitCodeOf(code as ErrorCode), exit, code);
  for (const code of Object.keys(catalogue)) t.not(exitCodeOf(code as ErrorCode), exitCodes.ok, code);
});

t.test('what is no error of ours is reported as a defect, with its stack', async (t) => {
  const lines: string[] = [];
  t.equal(report({ data: t.fail, talk: (line) => lines.push(line) }, new Error('oops'), false), 70);
  t.match(lines.join('\n'), /error INTERNAL: oops[\s\S]*terminal\.test\.ts/);
});

t.test('an error over the wire with a code of a newer node keeps that code in sight', async (t) => {
  t.match(fromWire({ code: 'REJECTED', reason: 'R', message: 'm' }), { code: 'REJECTED', reason: 'R', message: 'm' });
  t.match(fromWire({ code: 'NOT_YET_INVENTED', message: 'm' }), { code: 'INTERNAL', message: 'NOT_YET_INVENTED: m' });
  t.match(fromWire({ code: 'toString' }), { code: 'INTERNAL' });
  t.match(fromWire({}), { code: 'INTERNAL' });
});

t.test('behaviours are a table, sorted by type', async (t) => {
  const behavior = { foldHash: '', events: ['E1', 'E2'], quarantined: null };
  const text = behaviorTable([
    { ...behavior, type: 'shop.v1.Order', bundle: 'abcdef0123', commands: ['PlaceOrder', 'PayOrder'] },
    { ...behavior, type: 'b.Counter', bundle: '0123456789', commands: ['Add'], quarantined: 'strikes' },
  ]);
  t.equal(text, [
    'TYPE           BUNDLE    STATE                 EVENTS  COMMANDS',
    'b.Counter      01234567  quarantined: strikes  2       Add',
    'shop.v1.Order  abcdef01  serving               2       PlaceOrder PayOrder',
  ].join('\n'));
});

t.test('a log line for people', async (t) => {
  t.equal(textLine('{"level":40,"time":0,"node":"n","msg":"slow disk","ms":12,"file":"a\\nb"}'), '00:00:00.000 warn  slow disk ms=12 file=a\\u000ab\n');
  t.match(textLine('{"level":50,"time":0,"msg":"x","err":{"stack":"Error: y\\n  at z"}}'), /x\nError: y\n  at z\n$/);
});
