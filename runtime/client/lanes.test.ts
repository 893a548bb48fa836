import fc from 'fast-check';
import t from 'tap';

import { Lanes } from './lanes.ts';
import type { Command } from './lanes.ts';

interface Wire {
  readonly name: string;
  readonly sent: string[];
}

interface Sent extends Command {
  readonly name: string;
}

function rig(inFlightPerActorMax: number, inFlightMax: number) {
  const a: Wire = { name: 'a', sent: [] };
  const b: Wire = { name: 'b', sent: [] };
  const state: { route: Wire | null } = { route: a };
  const lanes = new Lanes<Sent, Wire>({
    inFlightPerActorMax, inFlightMax,
    route: () => state.route,
    transmit: (command, wire) => wire.sent.push(command.name),
  });
  const command = (lane: string, n: number): Sent => ({ lane, hash: 0, name: `${lane}${n}`, isSent: false, attempts: 0 });
  return { a, b, state, lanes, command };
}

t.test('another connection waits until nothing is on the one before (K4)', async (t) => {
  const { a, b, state, lanes, command } = rig(4, 10);
  const [x1, x2, x3, x4] = [1, 2, 3, 4].map((n) => command('x', n)) as [Sent, Sent, Sent, Sent];
  lanes.add(x1);
  lanes.add(x2);
  state.route = b;
  lanes.add(x3);
  lanes.add(command('y', 1));
  lanes.flow();
  lanes.remove(x2);
  t.same([a.sent, b.sent], [['x1', 'x2'], ['y1']], 'only another actor goes over at once');
  state.route = a;
  lanes.add(x4);
  t.same(a.sent, ['x1', 'x2', 'x3', 'x4'], 'the way back is open');
  state.route = b;
  lanes.down(a);
  lanes.flow();
  t.same(b.sent, ['y1', 'x1', 'x3', 'x4'], 'nothing is on a connection that was lost: all that is open is sent again, from the front');
});

t.test('what was refused keeps its place on whichever connection', async (t) => {
  const { a, b, state, lanes, command } = rig(2, 10);
  const x1 = command('x', 1);
  lanes.add(x1);
  lanes.rest(x1);
  lanes.add(command('x', 2));
  state.route = b;
  lanes.flow();
  t.same(b.sent, [], 'nothing of it moves while it rests');
  lanes.wake('x');
  t.same([a.sent, b.sent], [['x1'], ['x1', 'x2']]);
});

t.test('room is counted per connection (K3)', async (t) => {
  const { a, b, state, lanes, command } = rig(1, 2);
  const all = ['p', 'q', 'r', 's'].map((lane) => command(lane, 1));
  for (const one of all) lanes.add(one);
  t.same(a.sent, ['p1', 'q1']);
  state.route = b;
  lanes.add(command('z', 1));
  t.same(b.sent, ['z1'], 'the other one has room');
  state.route = a;
  lanes.remove(all[0]!);
  t.same(a.sent, ['p1', 'q1', 'r1'], 'who waited longest is next');
  state.route = b;
  lanes.remove(all[1]!);
  t.same(b.sent, ['z1', 's1'], 'and goes where its actor is by then');
  t.ok(lanes.isBusy(a));
  lanes.remove(all[2]!);
  t.notOk(lanes.isBusy(a));
});

t.test('whatever happens, no command is on two connections, and each lane keeps its order', async () => {
  const act = fc.oneof(
    { weight: 4, arbitrary: fc.record({ what: fc.constant('add' as const), lane: fc.nat(2) }) },
    { weight: 4, arbitrary: fc.record({ what: fc.constant('answer' as const), which: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('route' as const), to: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('down' as const), of: fc.nat(1) }) },
  );
  fc.assert(fc.property(fc.array(act, { maxLength: 80 }), fc.integer({ min: 1, max: 4 }), (acts, perActor) => {
    const wires = [0, 1].map((i) => ({ name: String(i), open: [] as Sent[] }));
    let route: (typeof wires)[number] | null = wires[0]!;
    const lastDone = [0, 0, 0];
    let added = 0;
    let isRight = true;
    const lanes = new Lanes<Sent, (typeof wires)[number]>({
      inFlightPerActorMax: perActor, inFlightMax: 3, route: () => route,
      transmit: (command, wire) => {
        const other = wires.find((one) => one !== wire)!;
        isRight &&= !other.open.some(({ lane }) => lane === command.lane);
        isRight &&= !wire.open.some(({ lane, name }) => lane === command.lane && Number(name) >= Number(command.name));
        wire.open.push(command);
      },
    });
    for (const one of acts) {
      if (one.what === 'add') lanes.add({ lane: String(one.lane), hash: 0, name: String(++added), isSent: false, attempts: 0 });
      else if (one.what === 'route') {
        route = wires[one.to] ?? null;
        lanes.flow();
      } else if (one.what === 'down') {
        wires[one.of]!.open = [];
        lanes.down(wires[one.of]!);
        lanes.flow();
      } else {
        // A node answers the commands of one actor in their order.
        const open = wires.flatMap((wire) => wire.open.filter((command, i) => wire.open.findIndex(({ lane }) => lane === command.lane) === i));
        const command = open[one.which % Math.max(open.length, 1)];
        if (command === undefined) continue;
        for (const wire of wires) wire.open = wire.open.filter((other) => other !== command);
        isRight &&= Number(command.name) > lastDone[Number(command.lane)]!;
        lastDone[Number(command.lane)] = Number(command.name);
        lanes.remove(command);
      }
    }
    return isRight;
  }), { numRuns: 500 });
});
