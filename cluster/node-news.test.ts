import t from 'tap';

import type { ClusterNode } from './control/membership.ts';
import { tellNewsOfNodes } from './node-news.ts';

function node(id: string, number: number, alive = true): ClusterNode {
  return { id, number, alive, incarnation: `${id}-${number}`, draining: false, info: { addresses: {}, version: '1', draining: false, weight: 1, load: 0 } };
}

function news(before: readonly ClusterNode[], after: readonly ClusterNode[]): string[] {
  const lines: string[] = [];
  const line = (level: string) => (fields: object, message: string): void => void lines.push(`${level} ${(fields as { node: string }).node}: ${message.split(':')[0]}`);
  tellNewsOfNodes({ info: line('info'), warn: line('warn'), error: line('error') }, 'me', before, after);
  return lines;
}

t.test('who has come and gone, and how', async (t) => {
  const me = node('me', 1);
  for (const [before, after, told] of [
    [[], [me, node('a', 2)], []],
    [[me], [me, node('a', 2)], ['info a: a node has joined']],
    [[me, node('a', 2)], [me, node('a', 2)], []],
    [[me, node('a', 2)], [me], ['info a: a node has left']],
    [[me, node('a', 2)], [me, node('a', 2, false)], ['warn a: a node is dead']],
    [[me, node('a', 2, false)], [me, node('a', 2, false)], []],
    [[me, node('a', 2, false)], [me], []],
    [[me, node('a', 2, false)], [me, node('a', 2)], ['info a: a node that was taken for dead is alive']],
    [[me, node('a', 2)], [me, node('a', 3)], ['info a: a node is there again, as a new process']],
    [[me, node('a', 2, false)], [me, node('a', 3)], ['info a: a node is there again, as a new process']],
    [[me, node('a', 2), node('b', 3)], [node('me', 4), node('a', 2, false)], ['warn a: a node is dead', 'info b: a node has left']],
  ] as const) t.same(news(before, after), told);
});
