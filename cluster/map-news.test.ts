/** Is everybody told who has to act, and in a large cluster nobody else? */

import t from 'tap';

import { BucketMap, NO_NODE } from './bucket-map.ts';
import { infoOf } from './control/testing/contract.ts';
import { audienceOf, concernedBy } from './map-news.ts';

function stateOf(count: number, dead: readonly number[] = []): Parameters<typeof audienceOf>[0] {
  const nodes = Array.from({ length: count }, (_, i) => ({ id: `n${i + 1}`, number: i + 1, incarnation: 'i', info: infoOf(`n${i + 1}`), draining: false, alive: !dead.includes(i + 1) }));
  return { nodes, self: { id: 'n2', number: 2 }, lead: { term: 1, node: 1 } };
}

t.test('some nodes: all that live, but this one', async (t) => {
  t.same([...audienceOf(stateOf(5, [4]), [])], [1, 3, 5]);
});

t.test('many nodes: the scheduler and those that are concerned and live', async (t) => {
  t.same([...audienceOf(stateOf(100, [70]), [2, 60, 70, 60, 999])], [1, 60]);
});

t.test('concerned is who had it, who has it and who is to have it', async (t) => {
  const before = BucketMap.empty(2).replaced(1, new Map([[0, { owner: 7, next: NO_NODE, epoch: 1 }], [1, { owner: 8, next: NO_NODE, epoch: 1 }]]));
  t.same([...concernedBy(before, [{ index: 0, owner: 7, next: 9 }, { index: 1, owner: 5, next: NO_NODE }, { index: 2, owner: NO_NODE, next: NO_NODE }])].sort(), [5, 7, 8, 9]);
});
