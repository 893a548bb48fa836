/** Nodes and buckets over HTTP: of a node by itself, and as a cluster's operations are asked. */

import t from 'tap';
import type { Test } from 'tap';

import { TroupeError } from '../codec/errors.ts';
import { createAuthenticator } from '../gateway/auth.ts';
import { ScriptedEngine } from '../gateway/scripted.ts';
import { createAdmin } from './admin.ts';
import { createMetrics } from './metrics.ts';
import type { ClusterMetrics } from './metrics.ts';
import { Monitor } from './monitor.ts';
import type { BucketReading } from './monitor.ts';
import type { Operations } from './operations.ts';
import { SingleNode } from './single-node.ts';

const readings = [{ index: 0, epoch: 3, position: 12, hotBytes: 500 }, { index: 1, epoch: 1, position: 0 }];
let owned: readonly BucketReading[] = readings;
const monitor = new Monitor(
  { stat: () => ({ activations: 2, commandsAnswered: 0 }), bucketStats: () => readings, actorsByBucket: () => [2, 0] },
  { monotonic: () => 0 },
);

function singleNode(): Operations {
  return new SingleNode({ id: 'node-1', version: '1.2.3', monitor, addresses: () => ({ gateway: '127.0.0.1:7070' }), sizes: () => ({ hotBytes: 600, coldBytes: 70 }) });
}

async function serve(t: Test, operations: Operations, cluster?: ClusterMetrics): Promise<(method: string, path: string, body?: string, type?: string) => Promise<{ status: number; body: unknown }>> {
  const metrics = createMetrics({ buckets: () => owned, ...(cluster === undefined ? {} : { cluster: () => cluster }) });
  const admin = createAdmin({ engine: new ScriptedEngine(), auth: await createAuthenticator({ kind: 'none' }), host: '127.0.0.1', port: 0, metrics, operations });
  const { port } = await admin.listen();
  t.teardown(() => admin.close());
  return async (method, path, body, type = 'application/json') => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, ...(body === undefined ? {} : { body, headers: { 'content-type': type } }) });
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) as unknown : text };
  };
}

t.test('a node by itself owns every bucket, and gives none away', async (t) => {
  const ask = await serve(t, singleNode());
  t.strictSame(await ask('GET', '/v1/nodes'), {
    status: 200,
    body: {
      ageMs: 0,
      nodes: [{
        id: 'node-1', number: 0, state: 'live', isScheduler: false, version: '1.2.3', addresses: { gateway: '127.0.0.1:7070' }, buckets: 2,
        load: { actors: 2, records: 12, hotBytes: 600, coldBytes: 70, snapshots: null, backlog: 0, parked: 0, failed: 0, refused: 0, requestsPerSecond: null, recordsPerSecond: null },
      }],
    },
  });
  t.match(await ask('GET', '/v1/buckets'), {
    status: 200,
    body: {
      ageMs: 0,
      buckets: [
        { index: 0, state: 'held', node: 'node-1', next: null, epoch: 3, pinned: null, load: { records: 12, actors: 2, hotBytes: 500, coldBytes: null } },
        { index: 1, state: 'held', epoch: 1, load: { records: 0, actors: 0, hotBytes: null } },
      ],
    },
  });
  t.strictSame(await ask('GET', '/v1/buckets/plan'), { status: 200, body: { moves: [] } });
  for (const [path, body] of [['/v1/nodes/node-1/drain'], ['/v1/nodes/node-1/undrain'], ['/v1/buckets/0/move', '{"node":"node-1"}']]) {
    t.match(await ask('POST', path!, body), { status: 400, body: { error: { code: 'BAD_REQUEST', message: /runs by itself/, hint: /--redis/ } } }, path!);
  }
});

t.test('a bucket that cannot be opened is seen in the lists and by a scrape', async (t) => {
  const stuck: BucketReading[] = [{ index: 0, epoch: 3, position: 12 }, { index: 1, epoch: 1, position: 5, refused: 'ROLLED_BACK' }, { index: 2, epoch: 1, position: 5, refused: 'ROLLED_BACK' }];
  const stuckMonitor = new Monitor({ stat: () => ({ activations: 0, commandsAnswered: 0 }), bucketStats: () => stuck, actorsByBucket: () => [0, 0, 0] }, { monotonic: () => 0 });
  owned = stuck;
  t.teardown(() => (owned = readings));
  const ask = await serve(t, new SingleNode({ id: 'node-1', version: '1.2.3', monitor: stuckMonitor, addresses: () => ({}), sizes: () => ({ hotBytes: 0, coldBytes: 0 }) }));
  t.match(await ask('GET', '/v1/nodes'), { body: { nodes: [{ state: 'live', buckets: 3, load: { refused: 2 } }] } });
  t.match(await ask('GET', '/v1/buckets'), {
    body: { buckets: [{ index: 0, state: 'held', load: { refused: null } }, { index: 1, state: 'refused', load: { refused: 'ROLLED_BACK' } }, { index: 2, state: 'refused' }] },
  });
  const series = async (): Promise<string[]> => String((await ask('GET', '/metrics')).body).split('\n').filter((line) => line.startsWith('troupe_buckets_refused{'));
  t.ok((await series()).includes('troupe_buckets_refused{code="ROLLED_BACK"} 2'));
  t.ok((await series()).includes('troupe_buckets_refused{code="STORE_UNAVAILABLE"} 0'));
  owned = [stuck[0]!, { ...stuck[1]!, refused: 'INTERNAL' }];
  t.ok((await series()).includes('troupe_buckets_refused{code="ROLLED_BACK"} 0'), 'what has passed is 0, not gone: an alarm ends by that');
  t.ok((await series()).includes('troupe_buckets_refused{code="INTERNAL"} 1'));
});

t.test('what is wished is passed on, and what is refused says why', async (t) => {
  const wishes: unknown[] = [];
  let refusal: TroupeError | null = null;
  const note = async (...wish: unknown[]): Promise<void> => {
    if (refusal !== null) throw refusal;
    wishes.push(wish);
  };
  const ask = await serve(t, {
    ...singleNode(),
    ageMs: () => 1234.4,
    nodes: async () => [],
    plan: () => [{ round: 1, bucket: 7, from: null, to: 'n2' }],
    drain: (node, isWanted) => note('drain', node, isWanted),
    move: (bucket, node) => note('move', bucket, node),
  });
  t.same(await ask('GET', '/v1/nodes'), { status: 200, body: { ageMs: 1234, nodes: [] } });
  t.same(await ask('GET', '/v1/buckets/plan'), { status: 200, body: { moves: [{ round: 1, bucket: 7, from: null, to: 'n2' }] } });
  t.same(await ask('POST', '/v1/nodes/a.b-c_1/drain'), { status: 200, body: { done: true } });
  t.same(await ask('POST', '/v1/nodes/n%2F2/undrain'), { status: 200, body: { done: true } });
  t.same(await ask('POST', '/v1/buckets/17/move', '{"node":"n2"}'), { status: 200, body: { done: true } });
  t.same(await ask('POST', '/v1/buckets/17/move', '{"node":null}'), { status: 200, body: { done: true } });
  const passedOn = [['drain', 'a.b-c_1', true], ['drain', 'n/2', false], ['move', 17, 'n2'], ['move', 17, null]];
  t.same(wishes, passedOn);

  for (const body of ['', '{', '[]', 'null', '{}', '{"node":7}', '{"node":"n2","now":true}', '{"nod":"n2"}']) {
    t.match(await ask('POST', '/v1/buckets/17/move', body), { status: 400, body: { error: { code: 'BAD_REQUEST' } } }, body);
  }
  for (const index of ['-1', '1.5', 'x', '1e3', '12345678901']) {
    t.match(await ask('POST', `/v1/buckets/${index}/move`, '{"node":"n2"}'), { status: 400, body: { error: { code: 'BAD_REQUEST', message: /no index of a bucket/ } } }, index);
  }
  t.match(await ask('POST', '/v1/buckets/17/move', '{"node":"n2"}', 'text/plain'), { status: 415 }, 'what a page can send without asking is not taken');
  t.match(await ask('GET', '/v1/nodes/n1/drain'), { status: 404 }, 'looking changes nothing');
  refusal = new TroupeError('STORE_UNAVAILABLE', 'gone');
  t.match(await ask('POST', '/v1/nodes/n1/drain'), { status: 503, body: { error: { code: 'STORE_UNAVAILABLE', retryable: true } } });
  t.same(wishes, passedOn, 'nothing of all that was wished');
});

t.test('series of single buckets are for whoever asks', async (t) => {
  const cluster: ClusterMetrics = {
    nodes: 3, bucketsOwned: 2, isScheduler: true, term: 4, mapVersion: 99, viewAgeMs: 250, requestsHeld: 1, handOffsTotal: 5, handOffsAbortedTotal: 10, takeoversTotal: 6,
    forwardedTotal: 7, redirectedTotal: 8, storeErrorsTotal: 9,
  };
  const ask = await serve(t, singleNode(), cluster);
  const plain = String((await ask('GET', '/metrics')).body);
  for (const line of [
    'troupe_cluster_nodes 3', 'troupe_cluster_buckets_owned 2', 'troupe_cluster_is_scheduler 1', 'troupe_cluster_term 4', 'troupe_cluster_map_version 99',
    'troupe_cluster_view_age_seconds 0.25', 'troupe_cluster_requests_held 1', 'troupe_cluster_hand_offs_total 5', 'troupe_cluster_hand_offs_aborted_total 10', 'troupe_cluster_takeovers_total 6',
    'troupe_cluster_forwarded_total 7', 'troupe_cluster_redirected_total 8', 'troupe_cluster_store_errors_total 9',
  ]) t.ok(plain.split('\n').includes(line), line);
  t.notMatch(plain, /troupe_bucket_/);
  const single = String((await ask('GET', '/metrics?buckets=true')).body);
  t.match(single, /^troupe_cluster_nodes 3$/m);
  t.match(single, /^troupe_bucket_position\{bucket="0"\} 12$/m);
  t.match(single, /^troupe_bucket_epoch\{bucket="1"\} 1$/m);
  t.strictSame(single.match(/^troupe_bucket_hot_bytes\{.*$/gm), ['troupe_bucket_hot_bytes{bucket="0"} 500'], 'what is not known has no series');
  owned = readings.slice(1);
  t.strictSame(String((await ask('GET', '/metrics?buckets=true')).body).match(/^troupe_bucket_position\{.*$/gm), ['troupe_bucket_position{bucket="1"} 0'], 'what is another node\'s by now has none here');
  for (const query of ['?bucket=true', '?buckets=1', '?buckets=true&buckets=true']) t.match(await ask('GET', `/metrics${query}`), { status: 400 }, query);

  const byItself = await serve(t, singleNode());
  t.notMatch(String((await byItself('GET', '/metrics')).body), /troupe_cluster_/, 'a node by itself has nothing to say about a cluster');
});
