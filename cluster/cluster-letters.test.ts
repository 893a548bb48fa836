/** Dead letters of a cluster, from what its nodes say. */

import t from 'tap';

import type { DeadLetter, DeadLetterPage, DeadLetterQuery, DeadLetters, LetterOutcome, RecordPlace } from '../runtime/actor/engine.ts';
import { BucketMap } from './bucket-map.ts';
import { ClusterLetters } from './cluster-letters.ts';
import { VirtualTime } from './control/testing/virtual-time.ts';
import { DROP_LETTER, LETTERS, RETRY_LETTER } from './methods.ts';
import type { Peer, Pending } from './transport/transport.ts';

const BITS = 4;
const NO_BYTES = Buffer.alloc(0);

/** The letters of a node, answered as a node does. */
class Node implements DeadLetters {
  readonly orders: unknown[] = [];
  readonly places: readonly RecordPlace[];

  constructor(places: readonly RecordPlace[]) {
    this.places = places;
  }

  async deadLetters({ after, max }: DeadLetterQuery): Promise<DeadLetterPage> {
    const behind = this.places.filter(({ bucket, position }) => bucket > after.bucket || (bucket === after.bucket && position > after.position));
    const letters = behind.slice(0, max) as DeadLetter[];
    return { letters, next: behind.length > max ? letters.at(-1)! : null, missing: [] };
  }

  async retry(place: RecordPlace): Promise<LetterOutcome> {
    this.orders.push(['retry', place]);
    return { became: 'decision', record: place, code: '', message: '' };
  }

  async drop(place: RecordPlace): Promise<LetterOutcome> {
    this.orders.push(['drop', place]);
    return { became: 'dropped', record: place, code: '', message: '' };
  }
}

/** A connection to a node; null never answers. */
function peerOf(node: Node | null): Peer {
  return {
    request: (pending: Pending, method: number, value: unknown) => {
      if (node === null) return;
      const [a, b, c, max] = value as [string, number, number, number];
      const place = { bucket: a as unknown as number, position: b };
      const work = method === LETTERS ? node.deadLetters({ type: a, after: { bucket: b, position: c }, max }) : method === RETRY_LETTER ? node.retry(place) : method === DROP_LETTER ? node.drop(place) : Promise.reject(new Error('?'));
      void work.then((answer) => pending.answered(answer, NO_BYTES, 0, 0));
    },
  } as unknown as Peer;
}

function clusterOf(nodes: readonly (Node | null)[], time = new VirtualTime()): { letters: ClusterLetters; time: VirtualTime } {
  const peers = nodes.slice(1).map((node, i) => ({ node: { id: `n${i + 2}` }, peer: peerOf(node) }));
  // Node i owns every bucket that leaves i when it is divided by their number; nobody owns the last one.
  const ownerOf = (index: number): number => (index === 2 ** BITS - 1 ? 0 : (index % nodes.length) + 1);
  const letters = new ClusterLetters({
    local: nodes[0]!,
    owners: { ownerOf, self: 1, map: BucketMap.empty(BITS) },
    timers: time,
    peers: { peerOf: (number) => peers[number - 2]?.peer ?? null, others: () => peers },
  });
  return { letters, time };
}

const place = (bucket: number, position: number): RecordPlace => ({ bucket, position });

t.test('pages of all nodes together leave nothing out and show nothing twice', async (t) => {
  const nodes = [0, 1, 2].map((n) => new Node(Array.from({ length: 40 }, (_, i) => place(n + 3 * Math.floor(i / 10), 1 + (i % 10) * (n + 1)))));
  const { letters } = clusterOf(nodes);
  for (const max of [1, 3, 7, 39, 120, 500]) {
    const seen: RecordPlace[] = [];
    let after: RecordPlace | null = place(0, 0);
    while (after !== null) {
      const page: DeadLetterPage = await letters.deadLetters({ type: '', after, max });
      t.ok(page.letters.length <= max);
      t.same(page.missing, []);
      seen.push(...page.letters);
      after = page.next;
    }
    const wanted = nodes.flatMap((node) => node.places).sort((a, b) => a.bucket - b.bucket || a.position - b.position);
    t.same(seen, wanted, `pages of ${max}`);
  }
});

t.test('a node that does not answer is named, and holds the others up for a moment only', async (t) => {
  const { letters, time } = clusterOf([new Node([place(0, 1)]), null, new Node([place(2, 1)])]);
  const asked = letters.deadLetters({ type: '', after: place(0, 0), max: 10 });
  await time.pass(5_000);
  t.same(await asked, { letters: [place(0, 1), place(2, 1)], next: null, missing: ['n2'] });
});

t.test('what is asked about a message goes to the owner of its bucket', async (t) => {
  const nodes = [new Node([]), new Node([])];
  const { letters } = clusterOf(nodes);
  t.match(await letters.retry(place(4, 7)), { became: 'decision' });
  t.match(await letters.drop(place(5, 8)), { became: 'dropped' });
  t.same(nodes.map(({ orders }) => orders), [[['retry', place(4, 7)]], [['drop', place(5, 8)]]]);
  await t.rejects(letters.retry(place(16, 1)), { code: 'BAD_REQUEST' });
  await t.rejects(letters.retry(place(15, 1)), { code: 'NOT_READY' });
});

t.test('whom the messages are for is asked of every node, and every node hears it', async (t) => {
  const asked: DeadLetterQuery[] = [];
  const local = { deadLetters: async (query: DeadLetterQuery) => (asked.push(query), { letters: [], next: null, missing: [] }) } as unknown as DeadLetters;
  const parts = { local, owners: { ownerOf: () => 1, self: 1, map: BucketMap.empty(BITS) }, timers: new VirtualTime() };
  let serve: (incoming: unknown) => void = () => {};
  const other = new ClusterLetters({ ...parts, peers: { peerOf: () => null, others: () => [] } });
  other.serve({ handle: (method: number, handler: typeof serve) => void (method === LETTERS && (serve = handler)) } as never);
  const peer = { request: (pending: Pending, _method: number, value: unknown) => serve({ value, answer: (page: unknown) => pending.answered(page, NO_BYTES, 0, 0), fail: t.fail }) } as unknown as Peer;
  const one = new ClusterLetters({ ...parts, peers: { peerOf: () => null, others: () => [{ node: { id: 'n2' }, peer }] } });
  const query = { type: '', actor: 'a.v1.Box:1', after: { bucket: 3, position: 4 }, max: 9 };
  t.same(await one.deadLetters(query), { letters: [], next: null, missing: [] });
  t.same(asked, [query, query]);
});
