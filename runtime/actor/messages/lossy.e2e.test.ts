/**
 * Two engines over one store, and a network between them that loses, doubles and delays what one engine tells the other. Buckets change hands,
 * sandboxes are killed and answers of the journal get lost, while everybody talks to everybody. In the end every word was heard once, in order, and
 * every echo came back once, in order.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { catalogue } from '../../codec/errors.ts';
import type { AppendOutcome } from '../../journal/journal.ts';
import { createMemoryJournal } from '../../journal/memory/memory-journal.ts';
import { FaultyJournal } from '../testing/faulty-journal.ts';
import { startEngine } from '../testing/harness.ts';
import type { Answer, TestEngine } from '../testing/harness.ts';
import { Address } from '../engine.ts';
import { bucketOf } from './message.ts';
import type { Delivery, Receipt } from './message.ts';
import { complaintsOfTalkers, talker, talkers } from './testing/talkers.ts';
import type { TalkerState } from './testing/talkers.ts';

const BITS = 3;
const BUCKETS = Array.from({ length: 2 ** BITS }, (_, i) => i);
const ids = Array.from({ length: 12 }, (_, i) => talker(i));
const SETTLE_MAX_MS = 60_000;

interface Node extends TestEngine {
  readonly faulty: FaultyJournal;
}

/** How the network treats one message: how often it arrives, and after how long. */
interface Weather {
  copies(): number;
  delayMs(): number;
}

class Net {
  readonly nodes: Node[] = [];
  lost = 0;
  doubled = 0;
  private readonly weather: Weather;

  constructor(weather: Weather) {
    this.weather = weather;
  }

  deliver(from: number, delivery: Delivery): false {
    const to = this.nodes.findIndex((node, i) => i !== from && node.engine.owns(delivery.destination));
    if (to < 0) return false;
    // As over a wire: nothing is the other engine's.
    const messages = delivery.messages.map((message) => ({ ...message, to: new Address(message.to.text), next: null }));
    this.pass(() => this.nodes[to]!.engine.messages.receive({ ...delivery, messages }, (receipt) => this.acknowledge(from, receipt)));
    return false;
  }

  private acknowledge(to: number, receipt: Receipt): void {
    this.pass(() => this.nodes[to]!.engine.messages.received(receipt));
  }

  private pass(arrive: () => void): void {
    const copies = this.weather.copies();
    if (copies === 0) this.lost++;
    this.doubled += Math.max(0, copies - 1);
    for (let i = 0; i < copies; i++) setTimeout(arrive, this.weather.delayMs());
  }
}

async function setUp(t: Test, weather: Weather): Promise<Net> {
  const shared = createMemoryJournal();
  await shared.open();
  const net = new Net(weather);
  for (const i of [0, 1]) {
    const faulty = new FaultyJournal(shared);
    const journal = faulty.asJournal();
    const back = ({ failed }: { failed(error: { code: 'NOT_OWNER'; message: string }): void }): void => failed({ code: 'NOT_OWNER', message: 'given back' });
    const node = await startEngine({ journal, bucketBits: BITS, elsewhere: { command: back, get: back }, courier: { deliver: (delivery) => net.deliver(i, delivery) } });
    t.teardown(() => node.close());
    const { bundle, types } = await node.engine.prepare(talkers);
    await node.engine.putInService(bundle, types);
    net.nodes.push({ ...node, faulty });
  }
  await net.nodes[0]!.engine.ownership.acquire(BUCKETS.filter((i) => i % 2 === 0), async () => undefined);
  await net.nodes[1]!.engine.ownership.acquire(BUCKETS.filter((i) => i % 2 === 1), async () => undefined);
  return net;
}

/** Asks whoever owns the bucket, until it is answered for good. With its key a command is applied once. @throws Error when asking again is of no use */
async function insist(net: Net, address: string, ask: (node: Node) => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const owner = net.nodes.find((node) => node.engine.owns(bucketOf(address, BITS)));
    const answer = owner === undefined ? null : await ask(owner);
    if (answer !== null && answer.error === null) return answer;
    if (answer !== null && !catalogue[answer.error!.code].retryable) throw new Error(`${address}: ${answer.error!.code} ${answer.error!.message}`);
    await sleep(5);
  }
}

async function statesOf(net: Net): Promise<Map<string, TalkerState>> {
  const states = new Map<string, TalkerState>();
  for (const id of ids) states.set(id, (await insist(net, id, (node) => node.get(id))).body as TalkerState);
  return states;
}

async function settled(net: Net): Promise<string[]> {
  const until = performance.now() + SETTLE_MAX_MS;
  let complaints = complaintsOfTalkers(await statesOf(net));
  while (complaints.length > 0 && performance.now() < until) {
    await sleep(100);
    complaints = complaintsOfTalkers(await statesOf(net));
  }
  return complaints;
}

/** Goes on until enough has happened meanwhile. */
async function talk(net: Net, rounds: number, paceMs = 0, isEnough = () => true): Promise<void> {
  for (let round = 0; round < rounds || !isEnough(); round++) {
    await Promise.all(ids.map((id) => insist(net, id, (node) => node.send(id, 'Say', { to: ids }, `${id}/${round}`))));
    if (paceMs > 0) await sleep(paceMs);
  }
}

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state / 0x7fff_ffff;
  };
}

function stormy(random: () => number): Weather {
  return {
    copies: () => (random() < 0.15 ? 0 : random() < 0.2 ? 2 : 1),
    delayMs: () => random() * 30,
  };
}

t.test('a network that loses, doubles and reorders', async (t) => {
  const net = await setUp(t, stormy(randomFrom(7)));
  await talk(net, 12);
  t.same(await settled(net), []);
  t.ok(net.lost > 20 && net.doubled > 20, `${net.lost} lost, ${net.doubled} doubled`);
});

t.test('buckets change hands while everybody talks', async (t) => {
  const random = randomFrom(11);
  const net = await setUp(t, stormy(random));
  let isOver = false;
  let moves = 0;
  const moving = (async () => {
    while (!isOver) {
      const [from, to] = random() < 0.5 ? [0, 1] : [1, 0];
      const owned = net.nodes[from]!.engine.ownedIndexes().filter(() => random() < 0.5);
      if (owned.length > 0 && (await net.nodes[from]!.engine.ownership.release(owned))) {
        await net.nodes[to]!.engine.ownership.acquire(owned, async () => undefined);
        moves += owned.length;
      }
      await sleep(random() * 40);
    }
  })();
  await talk(net, 15, 10, () => moves > 20).finally(() => (isOver = true));
  await moving;
  t.same(await settled(net), []);
  t.ok(moves > 20, `${moves} buckets moved`);
});

t.test('sandboxes are killed and answers of the journal get lost while everybody talks', async (t) => {
  const random = randomFrom(13);
  const net = await setUp(t, stormy(random));
  let isOver = false;
  let struck = 0;
  let kills = 0;
  const answered = net.nodes.map(() => 0);
  const striking = (async () => {
    for (; !isOver; await sleep(150 + random() * 150)) {
      const i = random() < 0.5 ? 0 : 1;
      const { pool, faulty, engine } = net.nodes[i]!;
      if (random() < 0.4) {
        const { activePid } = pool.stat();
        const { commandsAnswered } = engine.stat();
        // A process that is killed while it starts is started ever more slowly, and a command that meets three deaths has failed for good.
        if (activePid === 0 || commandsAnswered < answered[i]! + ids.length) continue;
        answered[i] = commandsAnswered;
        process.kill(activePid, 'SIGKILL');
        kills++;
      } else if (random() < 0.5) faulty.loseNextAnswer();
      else {
        const outcome: AppendOutcome = { kind: 'unknown', message: 'nobody knows' };
        let left = 2;
        faulty.judge = () => (left-- > 0 ? outcome : null);
      }
      struck++;
    }
  })();
  await talk(net, 12, 60, () => struck >= 5 && kills > 0).finally(() => (isOver = true));
  await striking;
  t.same(await settled(net), []);
  t.ok(struck >= 5 && kills > 0, `${struck} faults, ${kills} of them kills`);
});
