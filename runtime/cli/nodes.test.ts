import t from 'tap';

import type { BucketView, NodeView } from '../front.ts';
import { bucketTable, planTable } from './buckets.ts';
import { emptied, nodeTable, warnOfAge } from './nodes.ts';
import { bytesText, countText, rateText } from './quantities.ts';
import type { Terminal } from './terminal.ts';

const load = { actors: 3, records: 1_200, hotBytes: 54_321, coldBytes: 1_572_864, snapshots: null, backlog: 5, parked: 2, failed: 1, refused: 2, requestsPerSecond: 12.4, recordsPerSecond: 0.25 };

function nodeOf(id: string, buckets: number, state: NodeView['state'] = 'live'): NodeView {
  return { id, number: 1, state, isScheduler: id === 'n1', version: '0.1.0', addresses: { gateway: '10.0.0.1:7070', admin: '10.0.0.1:7071' }, buckets, load: state === 'dead' ? null : load };
}

t.test('nodes are a table; what a node did not say is a dash', async (t) => {
  t.equal(nodeTable([nodeOf('n1', 128), nodeOf('n2', 96, 'draining'), nodeOf('n3', 32, 'dead')]), [
    'NODE  STATE            BUCKETS  ACTORS  RECORDS  HOT       COLD     REQUESTS/S  RECORDS/S  BACKLOG  PARKED  FAILED  REFUSED  GATEWAY        ADMIN          VERSION',
    'n1    live, scheduler  128      3       1200     53.0 KiB  1.5 MiB  12          0.3        5        2       1       2        10.0.0.1:7070  10.0.0.1:7071  0.1.0',
    'n2    draining         96       3       1200     53.0 KiB  1.5 MiB  12          0.3        5        2       1       2        10.0.0.1:7070  10.0.0.1:7071  0.1.0',
    'n3    dead             32       -       -        -         -        -           -          -        -       -       -        10.0.0.1:7070  10.0.0.1:7071  0.1.0',
  ].join('\n'));
});

t.test('buckets and plans are tables', async (t) => {
  const bucket: BucketView = { index: 0, state: 'held', node: 'n1', next: null, epoch: 4, pinned: null, load: { ...load, index: 0, epoch: 4, refused: null } };
  t.equal(bucketTable([bucket, { ...bucket, index: 17, state: 'moving', next: 'n2', pinned: 'n2' }, { ...bucket, index: 200, state: 'vacant', node: null, epoch: 0, load: null }]), [
    'BUCKET  NODE  STATE         EPOCH  ACTORS  RECORDS  HOT       COLD     RECORDS/S  BACKLOG  PARKED  FAILED  PINNED',
    '0       n1    held          4      3       1200     53.0 KiB  1.5 MiB  0.3        5        2       1',
    '17      n1    moving to n2  4      3       1200     53.0 KiB  1.5 MiB  0.3        5        2       1       n2',
    '200     -     vacant        0      -       -        -         -        -          -        -       -',
  ].join('\n'));
  const refused: BucketView = { ...bucket, state: 'refused', load: { ...load, index: 0, epoch: 4, refused: 'ROLLED_BACK' } };
  t.strictSame(bucketTable([refused, { ...refused, next: 'n2' }]).split('\n').map((line) => line.split(/ {2,}/)[2]), ['STATE', 'refused (ROLLED_BACK)', 'refused (ROLLED_BACK) to n2']);
  t.equal(planTable([{ round: 1, bucket: 3, from: 'n1', to: 'n2' }, { round: 2, bucket: 40, from: null, to: 'n1' }]), [
    'ROUND  BUCKET  FROM  TO',
    '1      3       n1    n2',
    '2      40      -     n1',
  ].join('\n'));
});

t.test('quantities fit a column', async (t) => {
  for (const [bytes, text] of [[0, '0 B'], [999, '999 B'], [1_000, '1.0 KiB'], [102_298, '99.9 KiB'], [102_400, '100 KiB'], [1_023 * 1_024, '1.0 MiB'], [3.5 * 1024 ** 4, '3.5 TiB'], [5_000 * 1024 ** 4, '5000 TiB'], [null, '-'], [undefined, '-']] as const) {
    t.equal(bytesText(bytes), text);
  }
  for (const [rate, text] of [[0, '0'], [0.04, '<0.1'], [0.05, '0.1'], [0.2, '0.2'], [9.94, '9.9'], [9.96, '10'], [1_234.5, '1235'], [null, '-']] as const) t.equal(rateText(rate), text);
  t.equal(countText(0), '0');
  t.equal(countText(null), '-');
});

/** A cluster that looks like this, one look after the other; the last one stays. */
async function waitFor(...looks: (readonly NodeView[])[]): Promise<{ said: string[]; result: unknown }> {
  const said: string[] = [];
  const terminal: Terminal = { data: t.fail, talk: (line) => said.push(line) };
  let at = 0;
  const result = await emptied(async () => looks[Math.min(at++, looks.length - 1)]!, 'n2', terminal, 0).catch((error: unknown) => error);
  return { said, result };
}

t.test('waiting for a node to be empty says how far it is, once each', async (t) => {
  const at = (left: number): NodeView[] => [nodeOf('n1', 256 - left), nodeOf('n2', left, 'draining')];
  const { said, result } = await waitFor(at(40), at(40), at(24), at(1), at(0));
  t.equal(result, 0);
  t.strictSame(said, ['n2: 40 buckets left', 'n2: 24 buckets left', 'n2: 1 bucket left']);
  t.match(await waitFor(at(0)), { said: [], result: 0 });
  t.match(await waitFor(at(8), [nodeOf('n1', 256)]), { result: 0 }, 'a node that has ended owns nothing');
});

t.test('waiting ends when it would be in vain', async (t) => {
  const alone = [nodeOf('n1', 3, 'dead'), nodeOf('n2', 40, 'draining')];
  t.match(await waitFor(alone), { said: [], result: { code: 'NOT_READY', message: /no other node can take the 40 buckets/ } });
  const both = [nodeOf('n1', 216, 'draining'), nodeOf('n2', 40, 'draining')];
  t.match(await waitFor(both), { result: { code: 'NOT_READY' } }, 'two that drain take nothing from each other');
  const takenBack = [nodeOf('n1', 216), nodeOf('n2', 40)];
  t.match(await waitFor(takenBack), { result: { code: 'NOT_READY', message: /does not drain any more, with 40 buckets left/ } });
  const draining = [nodeOf('n1', 216), nodeOf('n2', 40, 'draining')];
  t.match(await waitFor(takenBack, takenBack, draining, [nodeOf('n1', 256), nodeOf('n2', 0, 'draining')]), { result: 0 }, 'an old view is not believed at once');
});

t.test('an old view says that it is old', async (t) => {
  const said: string[] = [];
  for (const ageMs of [0, 4_999, 12_400]) warnOfAge({ data: t.fail, talk: (line) => said.push(line) }, ageMs);
  t.strictSame(said, ['the store has not answered for 12 s: this is how things stood then']);
});
