/** What the logs must show of broadcasts, and that it is noticed when they do not. */

import t from 'tap';

import { HUB, leaf } from '../../runtime/faults/broadcast-actors.ts';
import { DECISION } from '../../runtime/faults/messages/log-record.ts';
import type { LogRecord } from '../../runtime/faults/messages/log-record.ts';
import { Deliveries } from './deliveries.ts';

const AT_MS = 1_000_000;

function record(actor: string, name: string, nowMs: number): LogRecord {
  return { kind: DECISION, actor, name, nowMs } as LogRecord;
}

/** Three broadcasts to two leaves, each delivered 5 and 10 ms after its command. */
function records(): LogRecord[] {
  return [0, 100, 200].flatMap((atMs) => [record(HUB, 'Tell', AT_MS + atMs), record(leaf(0), 'Hear', AT_MS + atMs + 5), record(leaf(1), 'Hear', AT_MS + atMs + 10)]);
}

function of(list: readonly LogRecord[]): Deliveries {
  const deliveries = new Deliveries();
  for (const one of list) deliveries.record(one);
  return deliveries;
}

t.test('each to each once, and how long it took', async (t) => {
  const deliveries = of(records());
  t.equal(deliveries.missing(2, 3), null);
  t.equal(deliveries.lastOf(1), AT_MS + 110);
  const measure = deliveries.measure(1, [AT_MS + 100, AT_MS + 200]);
  t.equal(measure.acknowledged, 4, 'without the first broadcast');
  t.equal(measure.windowMs, 111);
});

t.test('one too few, one too many, and one that nobody was told of', async (t) => {
  const all = records();
  t.match(of(all.slice(0, -1)).missing(2, 3), /have reached 2, 2, 1 of 2/);
  t.match(of([...all, record(leaf(1), 'Hear', AT_MS + 300)]).missing(2, 3), /have reached 2, 2, 2, 1 of 2/);
  t.match(of([...all, record(HUB, 'Tell', AT_MS + 300)]).missing(2, 3), /^4 of 3/);
  t.match(of([]).missing(2, 3), /^0 of 3 broadcasts have reached none/);
});
