/**
 * The client driver against a real node, behind a proxy that loses connections and answers: what the client had to send again is seen, everything is
 * applied once, and the check of a run fails when the node holds an increment that is not in the book.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { connect } from '../../runtime/client/client.ts';
import { LossyProxy } from '../../runtime/client/proxy.ts';
import { startEmbedded } from '../subject/embedded.ts';
import { CarefulClient } from './careful-client.ts';
import type { ClientJob } from './protocol.ts';
import { RemoteClientDriver } from './remote.ts';

t.setTimeout(1_200_000);

const directory = mkdtempSync(join(tmpdir(), 'troupe-client-driver-'));
const node = await startEmbedded(directory, { nodeArgs: [], startArgs: [] });
t.teardown(async () => {
  await node.stop();
  rmSync(directory, { recursive: true, force: true });
});
const { port } = node.endpoints[0]!;
const PROBES = ['bench.v1.Counter:p-0', 'bench.v1.Counter:p-1'];

function jobOf(to: number, prefix: string, loop: ClientJob['loop']): ClientJob {
  return { urls: [`ws://127.0.0.1:${to}`], clients: 2, direct: true, loop, actors: 30, distribution: 'zipf', prefix, probes: PROBES.map((name) => name + prefix), seed: 3 };
}

function driverOf(t: Test): RemoteClientDriver {
  const driver = new RemoteClientDriver();
  t.teardown(() => driver.stop());
  return driver;
}

t.test('an open loop through connections that are lost: all is applied once, and what was sent again is counted', async (t) => {
  const proxy = new LossyProxy(port);
  const driver = driverOf(t);
  await driver.start(jobOf(await proxy.listen(), 'open-', { kind: 'open', perSecond: 300 }));
  t.teardown(() => proxy.close());
  await driver.begin();
  for (let i = 0; i < 3; i++) {
    await sleep(200);
    // Commands take effect, nobody hears of it, and the connection is lost.
    proxy.isDeaf = true;
    await sleep(50);
    proxy.cut();
    proxy.isDeaf = false;
  }
  t.equal((await driver.reach([0, 1], 30_000)).length, 2);
  await driver.probe([1], 1);
  await sleep(100);
  t.ok((await driver.unprobe())[0]! > 0);
  await driver.end();
  const totals = await driver.drain();
  t.equal(totals.unanswered, 0);
  t.same([totals.errors, totals.givenUp], [[], []]);
  t.ok(totals.retried > 0 && totals.retries >= totals.retried, `${totals.retried} were sent again, ${totals.retries} times`);
  t.equal(totals.samples.dueMs.length, totals.measure.histogram.total, 'each latency is there, with when it was due');
  t.ok(totals.longestSilenceMs >= 50);
  t.ok(totals.counts[30] === 1 && totals.counts[31]! > 1, 'probes are in the book');

  const verdict = await driver.verify(totals.counts, totals.sums);
  t.same([verdict.mismatches, verdict.failures], [[], []]);
  t.equal(verdict.actorsChecked, totals.counts.filter((count) => count > 0).length);
});

t.test('what the client gives up with an unknown outcome goes on under its key, and is counted', async (t) => {
  const proxy = new LossyProxy(port);
  const careful = new CarefulClient([`ws://127.0.0.1:${await proxy.listen()}`], 'careful', { deadlineMs: 200 });
  t.teardown(async () => {
    careful.close();
    await proxy.close();
  });
  await careful.client.ready();
  proxy.isDeaf = true;
  const outcome = careful.send<{ value: string }>('bench.v1.Counter:careful', 'Increment', { by: 3 });
  while (careful.givenUp.size === 0) await sleep(10);
  proxy.isDeaf = false;
  t.match(await outcome, { is: 'done', seq: 1, reply: { value: /^3$/ } }, 'it was applied when nobody heard of it, and only then');
  t.same([...careful.givenUp.keys()], ['DEADLINE_EXCEEDED']);
  t.match(await careful.send('bench.v1.Counter:careful', 'Decrement', {}), { is: 'refused', error: { code: 'UNKNOWN_COMMAND' } });
});

t.test('a closed loop; and one increment that is not in the book', async (t) => {
  const driver = driverOf(t);
  await driver.start(jobOf(port, 'closed-', { kind: 'closed', inFlight: 4 }));
  await driver.begin();
  const stranger = connect(`ws://127.0.0.1:${port}`);
  t.teardown(() => stranger.close());
  while ((await stranger.get('bench.v1.Counter:closed-c-0')).seq === 0) await sleep(50);
  await stranger.send('bench.v1.Counter:closed-c-0', 'Increment', { by: 5 });
  await driver.end();
  const totals = await driver.drain();
  t.ok(totals.measure.acknowledged > 0);
  t.equal(totals.measure.late.total, 0, 'nothing is due in a closed loop');
  const verdict = await driver.verify(totals.counts, totals.sums);
  t.equal(verdict.mismatches.length, 1);
  const [one] = verdict.mismatches;
  t.same([one!.actor, one!.foundSum - one!.expectedSum, one!.foundSeq - one!.expectedSeq], [0, 5, 1]);
});
