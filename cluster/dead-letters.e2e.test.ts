/** Two real nodes on a real Redis: messages that fail on either are seen, retried, dropped and explained through both. */

import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';

import { bundleOf, listener, speaker } from '../runtime/actor/messages/testing/letters-rig.ts';
import type { Version } from '../runtime/actor/messages/testing/letters-rig.ts';
import type { CauseChain, DeadLetter, DeadLetterPage, LetterOutcome, RecordView } from '../runtime/actor/engine.ts';
import { connect } from '../runtime/client/client.ts';
import { NodeProcess } from '../runtime/faults/node-process.ts';
import { freePort } from '../runtime/testing/ports.ts';
import { startRedis } from '../runtime/testing/redis-server.ts';

t.setTimeout(1_200_000);

const LISTENERS = 16;
const data = t.testdir();
const redis = await startRedis();
t.teardown(() => redis.remove());

async function start(id: string): Promise<NodeProcess> {
  const node = new NodeProcess({ data: path.join(data, id), port: await freePort(), adminPort: await freePort(), startArgs: ['--node', id, '--buckets', '16', '--redis', redis.url, '--cluster-port', '0', '--lease-ttl-ms', '15000'] });
  t.teardown(() => node.kill());
  await node.ready();
  return node;
}

async function ask<T>(node: NodeProcess, request: string, body?: Buffer): Promise<T> {
  const [method, where] = request.split(' ') as [string, string];
  const response = await fetch(`${node.admin}${where}`, { method, ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/vnd.troupe.bundle+json' } }) });
  const answer = (await response.json()) as T;
  if (!response.ok) throw new Error(`${request}: ${JSON.stringify(answer)}`);
  return answer;
}

const deploy = (node: NodeProcess, version: Version): Promise<unknown> => ask(node, 'POST /v1/bundles', bundleOf(version));

async function until<T>(what: string, look: () => Promise<T>, holds: (seen: T) => boolean): Promise<T> {
  const end = performance.now() + 30_000;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (performance.now() > end) throw new Error(`${what}: still ${JSON.stringify(seen)}`);
    await sleep(50);
  }
}

/** All of them, by pages. */
async function lettersAt(node: NodeProcess): Promise<DeadLetter[]> {
  const all: DeadLetter[] = [];
  let after = '0/0';
  for (;;) {
    const { letters, next, missing } = await ask<DeadLetterPage>(node, `GET /v1/deadletters?after=${after}&max=5`);
    if (missing.length > 0) throw new Error(`missing: ${missing.join()}`);
    all.push(...letters);
    if (next === null) return all;
    after = `${next.bucket}/${next.position}`;
  }
}

t.test('dead letters of both nodes, through either', async (t) => {
  const n1 = await start('n1');
  const n2 = await start('n2');
  const nodes = [n1, n2];
  await deploy(n1, { throws: ['poison'] });
  await until('shares', () => ask<{ nodes: { buckets: number }[] }>(n1, 'GET /v1/nodes'), (view) => view.nodes.length === 2 && view.nodes.every(({ buckets }) => buckets === 8));
  const client = connect(`ws://127.0.0.1:${n1.port}`);
  t.teardown(() => client.close());
  for (let i = 0; i < LISTENERS; i++) await client.send(speaker('a'), 'Say', { to: listener(`l${i}`), words: ['poison', `w${i}`], ask: true });
  const letters = await until('letters', () => lettersAt(n1), (seen) => seen.length === LISTENERS);
  t.same(await lettersAt(n2), letters, 'both say the same');
  t.same(letters.map(({ to }) => to).sort(), Array.from({ length: LISTENERS }, (_, i) => listener(`l${i}`)).sort());
  const view = await ask<{ nodes: { id: string; load: { failed: number } }[] }>(n2, 'GET /v1/nodes');
  const counts = view.nodes.map(({ load }) => load.failed);
  t.equal(counts[0]! + counts[1]!, LISTENERS);
  t.ok(counts[0]! > 0 && counts[1]! > 0, `on both: ${counts.join()}`);

  await deploy(n2, {});
  const outcomes = await Promise.all(letters.map(({ bucket, position }, i) => ask<LetterOutcome>(nodes[i % 2]!, `POST /v1/deadletters/${bucket}/${position}/${i < 4 ? 'drop' : 'retry'}`)));
  t.same(outcomes.map(({ became }) => became), letters.map((_, i) => (i < 4 ? 'dropped' : 'decision')));
  t.same(await lettersAt(n2), []);
  const { state } = await until('answers', () => client.get(speaker('a')) as Promise<{ state: { answers: string[] } }>, (got) => got.state.answers.length === 2 * LISTENERS);
  t.same(state.answers.sort(), [...Array.from({ length: LISTENERS }, (_, i) => `w${i}`), ...Array(4).fill('MESSAGE_DROPPED'), ...Array(LISTENERS - 4).fill('poison')].sort());

  for (const [i, letter] of letters.entries()) {
    if (i < 4) continue;
    const chains = await Promise.all(nodes.map((node) => ask<CauseChain>(node, `GET /v1/why?actor=${letter.to}&seq=2`)));
    t.same(chains[0], chains[1]);
    t.same(chains[0]!.links.map(({ record, cause }) => `${record.kind} ${record.command} ${cause.kind}`), ['decision Hear again', 'failed Hear message', 'decision Say client']);
    t.match(chains[0]!.links.map(({ trace }) => trace?.problem ?? null), ['', null, '']);
    const { records } = await ask<{ records: RecordView[] }>(nodes[i % 2]!, `GET /v1/records?actor=${letter.to}&changes=true`);
    t.same(records.flatMap(({ events }) => events.map(({ changes }) => changes!.map((change) => change.after))).flat().length, 2);
  }
});
