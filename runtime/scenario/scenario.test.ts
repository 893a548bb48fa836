import t from 'tap';

import { readScenario, ScenarioError } from './scenario.ts';

const least = { name: 'x', when: ['Do'], then: { events: [] } };

t.test('what is left out has a default', async (t) => {
  const scenario = readScenario(least);
  t.strictSame(scenario, {
    name: 'x', actor: '1', given: [], when: ['Do', {}], now: 1_700_000_000_000, seed: 1, caller: 'tester', firing: null, then: { events: [] },
  });
});

t.test('everything is read', async (t) => {
  const written = {
    name: 'x', actor: 'a', given: [['E', { n: 1 }]], when: ['Do', { n: 2 }], now: 1000, seed: 7, caller: '', firing: { name: 't', due: 900, missed: 3 },
    then: {
      events: [['E']], reply: { r: 1 }, state: {}, sends: [['a.B:1', 'Go', { n: 3 }, { onReply: 'Take' }], ['a.B:2', 'Go', {}]],
      timers: [['t', { in: 500 }, 'Do', {}], ['u', 2000, 'Do', {}, { every: 10 }], ['w', { cron: ' 0  9 * * 1', zone: 'UTC' }, 'Do', {}]], cancelled: ['v'], links: ['a.B:1'], unlinks: ['a.B:2'],
      broadcasts: [['Go', {}]],
    },
  };
  t.strictSame(readScenario(written), {
    ...written,
    given: [['E', { n: 1 }]],
    then: {
      ...written.then,
      events: [['E', {}]],
      sends: [{ to: 'a.B:1', name: 'Go', body: { n: 3 }, onReply: 'Take' }, { to: 'a.B:2', name: 'Go', body: {}, onReply: '' }],
      timers: [
        { name: 't', at: 1500, cron: '', zone: '', command: 'Do', body: {}, every: 0 },
        { name: 'u', at: 2000, cron: '', zone: '', command: 'Do', body: {}, every: 10 },
        { name: 'w', at: 0, cron: '0 9 * * 1', zone: '', command: 'Do', body: {}, every: 0 },
      ],
    },
  });
});

function isRefused(written: unknown): boolean {
  try {
    readScenario(written);
    return false;
  } catch (error) {
    return error instanceof ScenarioError;
  }
}

const wrong: readonly [what: string, change: Record<string, unknown>][] = [
  ['an unknown key', { whne: [] }], ['no name', { name: undefined }], ['an empty name', { name: '' }], ['no when', { when: undefined }],
  ['when without a name', { when: [] }], ['when with too much', { when: ['Do', {}, {}] }], ['when as text', { when: 'Do' }], ['a body that is none', { when: ['Do', 1] }],
  ['given that is no list', { given: {} }], ['given that is no pair', { given: ['E'] }], ['an empty actor', { actor: '' }], ['a seed that is no number', { seed: '1' }],
  ['a negative now', { now: -1 }], ['half a millisecond', { now: 0.5 }], ['a caller that is no text', { caller: 1 }],
  ['no then', { then: undefined }], ['a then that expects nothing', { then: {} }], ['an unknown expectation', { then: { events: [], event: [] } }],
  ['rejected and more', { then: { rejected: 'X', events: [] } }], ['rejected without a code', { then: { rejected: '' } }], ['rejected without a text', { then: { rejected: true } }],
  ['events that are none', { then: { events: 1 } }], ['a reply that is none', { then: { reply: 1 } }], ['a send without a body', { then: { sends: [['a', 'b']] } }],
  ['a send with an unknown option', { then: { sends: [['a', 'b', {}, { reply: 'x' }]] } }], ['a timer without a time', { then: { timers: [['t', {}, 'Do', {}]] } }],
  ['a timer with an unknown distance', { then: { timers: [['t', { at: 1 }, 'Do', {}]] } }], ['a timer with an unknown option', { then: { timers: [['t', 1, 'Do', {}, { evry: 1 }]] } }],
  ['a timer with a calendar and a distance', { then: { timers: [['t', { cron: '0 9 * * *', in: 5 }, 'Do', {}]] } }],
  ['a firing without a name', { firing: {} }], ['a firing with an unknown key', { firing: { name: 't', late: true } }], ['a firing before its time', { now: 5, firing: { name: 't', due: 6 } }],
  ['a firing that is none', { firing: 't' }], ['links that are no texts', { then: { links: [1] } }],
];
for (const [what, change] of wrong) {
  t.test(`refused: ${what}`, async (t) => t.ok(isRefused({ ...least, ...change })));
}
t.test('refused: no object', async (t) => {
  for (const written of [null, undefined, [], 'x', 1]) t.ok(isRefused(written));
});
