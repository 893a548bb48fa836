/**
 * The router against nodes of paper: buckets that move at random, answers that take their time, connections that are lost with
 * what is on them, nodes that stand still while their buckets are given to others. Whatever happens, commands of one client to one actor take effect in their order and once, and each is answered once.
 */

import t from 'tap';

import { Address } from '../runtime/actor/engine.ts';
import type { ErrorCode } from '../runtime/codec/errors.ts';
import { isCommand, ServedCommand } from './forward.ts';
import type { CommandValue } from './methods.ts';
import { Refusals } from './refusals.ts';
import { BUCKETS, command, NODES, World } from './testing/paper-cluster.ts';
import type { Outcome } from './testing/paper-cluster.ts';
import type { Failure, IncomingRequest, Peer, Pending } from './transport/transport.ts';

function run(seed: number, options: Partial<Pick<World, 'keepsKeys' | 'keepsEras' | 'keepsPlaces' | 'keysMax'>> = {}): { world: World; sent: Map<string, Outcome[]> } {
  const world = Object.assign(new World(seed), options);
  world.time.run(50);
  const { dice, time } = world;
  /** By gateway and actor. */
  const sent = new Map<string, Outcome[]>();
  for (let step = 0; step < 600; step++) {
    // What stands still takes nothing from its clients either.
    const gateway = dice.pick(NODES.filter((number) => !world.nodes.get(number)!.isStalled));
    const actor = `a.A:${dice.below(8)}`;
    const line = `${gateway} ${actor}`;
    const list = sent.get(line) ?? [];
    sent.set(line, list);
    const outcome: Outcome = { key: `${line} ${list.length}`, answers: [] };
    list.push(outcome);
    world.nodes.get(gateway)!.router.route(command(actor, outcome.key, outcome));
    if (dice.below(12) === 0) world.move();
    if (dice.below(25) === 0) world.nodes.get(dice.pick(NODES))!.cut(dice.pick(NODES));
    if (dice.below(100) === 0 && [...world.nodes.values()].every(({ isStalled }) => !isStalled)) world.stall(dice.pick(NODES), 50 + dice.below(300));
    time.run(time.now + dice.below(4));
  }
  time.run(time.now + 60_000);
  return { world, sent };
}

t.test('random moves and losses: every command once, in order, answered once', async (t) => {
  let redirected = 0;
  let lost = 0;
  let recalled = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const { world, sent } = run(seed);
    for (const [line, outcomes] of sent) {
      const actor = line.split(' ')[1]!;
      const log = (world.log.get(actor) ?? []).filter((key) => key.startsWith(`${line} `));
      t.same(log, outcomes.map(({ key }) => key), `seed ${seed}, ${line}: in order, once`);
      t.same(outcomes.filter(({ answers }) => answers.join() !== 'ok'), [], `seed ${seed}, ${line}: answered once`);
    }
    for (const node of world.nodes.values()) {
      redirected += node.router.redirected;
      recalled += node.router.recalled;
      t.equal(node.router.held, 0);
    }
    lost += world.lost;
  }
  t.ok(recalled > 50, `${recalled} were taken back from a former owner`);
  t.ok(redirected > 500 && lost > 50, `${redirected} were sent again, ${lost} of them because their connection was lost`);
});

t.test('an owner that says nothing and has lost its buckets is not waited for, and not heard later', async (t) => {
  const world = new World(1);
  world.time.run(50);
  const gateway = world.nodes.get(1)!;
  const index = world.owner.indexOf(2);
  const actor = Array.from({ length: 20 }, (_, i) => `a.A:${i}`).find((text) => gateway.router.indexOf(new Address(text)) === index)!;
  world.nodes.get(2)!.stall(5_000);
  const outcomes = Array.from({ length: 4 }, (_, i): Outcome => ({ key: `k${i}`, answers: [] }));
  for (const outcome of outcomes.slice(0, 2)) gateway.router.route(command(actor, outcome.key, outcome));
  world.time.run(1_000);
  t.same(outcomes.map(({ answers }) => answers.length), [0, 0, 0, 0]);
  world.stall(2, 4_000);
  world.time.run(1_100);
  for (const outcome of outcomes.slice(2)) gateway.router.route(command(actor, outcome.key, outcome));
  world.time.run(1_200);
  t.same(outcomes.map(({ answers }) => answers.join()), ['ok', 'ok', 'ok', 'ok']);
  t.same(world.log.get(actor), outcomes.map(({ key }) => key));
  t.equal(gateway.router.recalled, 2);
  world.time.run(20_000);
  t.same(outcomes.map(({ answers }) => answers.join()), ['ok', 'ok', 'ok', 'ok']);
  t.same(world.log.get(actor), outcomes.map(({ key }) => key));
});

t.test('without the keys, what is sent again is applied twice: the check sees it', async (t) => {
  let doubled = 0;
  for (let seed = 1; seed <= 10; seed++) {
    const { world } = run(seed, { keepsKeys: false, keepsPlaces: false });
    for (const keys of world.log.values()) doubled += keys.length - new Set(keys).size;
  }
  t.ok(doubled > 0, `${doubled} commands were applied twice`);
});

t.test('owners that remember three keys of an actor: every command once all the same, since what is sent again says from where on it may stand in the log', async (t) => {
  let searched = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const { world, sent } = run(seed, { keysMax: 3 });
    for (const [line, outcomes] of sent) {
      const log = (world.log.get(line.split(' ')[1]!) ?? []).filter((key) => key.startsWith(`${line} `));
      t.same(log, outcomes.map(({ key }) => key), `seed ${seed}, ${line}: in order, once`);
    }
    searched += world.searched;
  }
  t.ok(searched > 100, `${searched} were looked for in the log`);
  let doubled = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const { world } = run(seed, { keysMax: 3, keepsPlaces: false });
    for (const keys of world.log.values()) doubled += keys.length - new Set(keys).size;
  }
  t.ok(doubled > 0, `${doubled} commands are applied twice when the log is not looked at`);
});

t.test('a client is not told that nothing was done when an earlier try may have taken effect', async (t) => {
  const failures: [Failure['outcome'], ErrorCode][] = [['lost', 'UNKNOWN_OUTCOME'], ['answered', 'MAILBOX_FULL']];
  for (const [tries, code] of [[failures, 'UNKNOWN_OUTCOME'], [failures.slice(1), 'MAILBOX_FULL']] as const) {
    const world = new World(1);
    world.time.run(50);
    const node = world.nodes.get(1)!;
    const actor = Array.from({ length: 20 }, (_, i) => `a.A:${i}`).find((text) => world.owner[node.router.indexOf(new Address(text))] === 2)!;
    const values: CommandValue[] = [];
    const left = [...tries];
    (node.connectionTo(2) as { peer: Peer }).peer = {
      request: (pending: Pending, _method: number, value: unknown) => {
        values.push(value as CommandValue);
        const [outcome, error] = left.shift()!;
        world.time.later(1, () => pending.failed({ outcome, code: error, message: 'no' }));
      },
    } as unknown as Peer;
    const outcome: Outcome = { key: 'k', answers: [] };
    node.router.route(command(actor, 'k', outcome));
    world.time.run(1_000);
    t.same(outcome.answers, [code]);
    t.same(values.map((value) => value[7] !== null), tries.map((_, i) => i > 0), 'what is sent again says so');
  }
});

t.test('without the eras, what was on its way overtakes what is sent again: the check sees it', async (t) => {
  let overtaken = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const { world, sent } = run(seed, { keepsEras: false });
    for (const [line, outcomes] of sent) {
      const log = (world.log.get(line.split(' ')[1]!) ?? []).filter((key) => key.startsWith(`${line} `));
      if (log.join() !== outcomes.map(({ key }) => key).join()) overtaken++;
    }
  }
  t.ok(overtaken > 0, `${overtaken} orders were not kept`);
});

t.test('a command without a key gets one on its way to another node, and only then', async (t) => {
  const world = new World(1);
  world.time.run(50);
  const outcome: Outcome = { key: '', answers: [] };
  for (let actor = 0; actor < 8; actor++) world.nodes.get(1)!.router.route(command(`a.A:${actor}`, '', outcome));
  world.time.run(1_000);
  const keys = [...world.log.values()].flat();
  t.equal(keys.length, 8);
  t.ok(keys.includes(''), 'those of this node');
  const minted = keys.filter((key) => key !== '');
  t.ok(minted.length > 0 && minted.every((key) => key.startsWith('\u0001i1.')));
  t.equal(new Set(minted).size, minted.length);
});

t.test('what finds no owner is answered in time, and what waits is bounded', async (t) => {
  const world = new World(1, { routeTimeMaxMs: 500, requestsHeldMax: 3 });
  world.time.run(50);
  for (let index = 0; index < BUCKETS; index++) world.owner[index] = 0;
  world.publish();
  world.time.run(200);
  const outcomes = Array.from({ length: 5 }, (_, i): Outcome => ({ key: `k${i}`, answers: [] }));
  for (const outcome of outcomes) world.nodes.get(1)!.router.route(command('a.A:1', outcome.key, outcome));
  t.ok(outcomes.every(({ answers }) => answers.length === 0), 'nobody is answered at once');
  world.time.run(world.time.now + 2_000);
  t.same(outcomes.map(({ answers }) => answers.join()), ['NOT_OWNER', 'NOT_OWNER', 'NOT_OWNER', 'OVERLOADED', 'OVERLOADED']);
  t.equal(world.nodes.get(1)!.router.held, 0);
});

t.test('a request of another node is not passed on', async (t) => {
  const world = new World(1);
  world.time.run(50);
  const answers: string[] = [];
  const node = world.nodes.get(1)!;
  const index = [0, 1, 2, 3].find((one) => world.owner[one] === 2)!;
  const actor = Array.from({ length: 20 }, (_, i) => `a.A:${i}`).find((text) => node.router.indexOf(new Address(text)) === index)!;
  const value: CommandValue = [actor, 'Do', 0 as CommandValue[2], 'k', '', '', 1, null];
  const incoming = { value, buffer: Buffer.alloc(0), bodyFrom: 0, bodyTo: 0, fail: ({ code, reason }: { code: string; reason: string }) => answers.push(`${code} ${reason}`) };
  const from = { node: 'n3', incarnation: 'i' };
  const served = new ServedCommand({ ...incoming, from } as unknown as IncomingRequest, new Refusals((to) => node.router.indexOf(to as Address)));
  t.ok(isCommand(served));
  node.router.refuse(served);
  t.same(answers, ['NOT_OWNER n2']);
});
