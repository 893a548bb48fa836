/** From an event back to the client's command, with the lines that did it; and what events changed. The oracle is the text of the scripts. */

import t from 'tap';
import type { Test } from 'tap';

import { MemoryBundleStore } from '../../bundle/memory-store.ts';
import { createMemoryJournal, MemoryStore } from '../../journal/memory/memory-journal.ts';
import type { Journal } from '../../journal/journal.ts';
import { makeBundle, startEngine } from '../testing/harness.ts';
import type { TestEngine } from '../testing/harness.ts';
import type { CauseChain, CauseLink } from '../engine.ts';
import { chainOf } from './chain.ts';

t.setTimeout(1_200_000);

const proto = `
syntax = "proto3";
package test.v1;
message Refusal { string code = 1; string message = 2; }
message OrderState { string status = 1; repeated Line lines = 2; uint32 reminders = 3; }
message Line { string product = 1; uint32 quantity = 2; }
message Place { string product = 1; uint32 quantity = 2; }
message PlaceReply {}
message TakeReservation { string from = 1; ReserveReply reply = 2; Refusal refusal = 3; }
message TakeReservationReply {}
message Remind {}
message RemindReply {}
message Follow { string product = 1; }
message FollowReply {}
message HearNews { string text = 1; }
message HearNewsReply {}
message Placed { string product = 1; uint32 quantity = 2; }
message Settled { string status = 1; }
message Reminded {}
message OrderEvent { oneof event { Placed placed = 1; Settled settled = 2; Reminded reminded = 3; } }
service OrderCommands {
  rpc Place(test.v1.Place) returns (PlaceReply);
  rpc TakeReservation(test.v1.TakeReservation) returns (TakeReservationReply);
  rpc Remind(test.v1.Remind) returns (RemindReply);
  rpc Follow(test.v1.Follow) returns (FollowReply);
  rpc HearNews(test.v1.HearNews) returns (HearNewsReply);
}
message StockState { map<string, uint32> reserved = 1; uint32 left = 2; }
message Fill { uint32 quantity = 1; }
message FillReply {}
message Reserve { uint32 quantity = 1; }
message ReserveReply { uint32 left = 1; }
message Tell { string text = 1; }
message TellReply {}
message Filled { uint32 quantity = 1; }
message Reserved { string by = 1; uint32 quantity = 2; }
message StockEvent { oneof event { Filled filled = 1; Reserved reserved = 2; } }
service StockCommands {
  rpc Fill(test.v1.Fill) returns (FillReply);
  rpc Reserve(test.v1.Reserve) returns (ReserveReply);
  rpc Tell(test.v1.Tell) returns (TellReply);
}
`;

const orderScript = `import { defineActor } from 'troupe';

function settle(ctx, status) {
  ctx.emit('Settled', { status }); // settles
}

export default defineActor('test.v1.Order', {
  initialState: () => ({ status: 'NEW' }),
  decide: {
    Place(state, { product, quantity }, ctx) {
      ctx.random();
      ctx.emit('Placed', { product, quantity }); // places
      ctx.send('test.v1.Stock:other', 'Tell', { text: 'x' }); // tells
      ctx.send('test.v1.Stock:' + product, 'Reserve', { quantity }, { onReply: 'TakeReservation' }); // reserves
      ctx.timer('reminder', { in: 20 }, 'Remind', {}); // arms
      return {};
    },
    TakeReservation(state, { refusal }, ctx) {
      settle(ctx, refusal ? 'REFUSED' : 'RESERVED');
      return {};
    },
    Remind(state, command, ctx) { ctx.emit('Reminded', {}); return {}; }, // reminds
    Follow(state, { product }, ctx) { ctx.link('test.v1.Stock:' + product); return {}; }, // links
    HearNews(state, { text }, ctx) { settle(ctx, text); return {}; },
  },
  evolve: {
    Placed: (state, line) => ({ ...state, status: 'PLACED', lines: [...state.lines, line] }),
    Settled: (state, { status }) => ({ ...state, status }),
    Reminded: (state) => ({ ...state, reminders: state.reminders + 1 }),
  },
});
`;
const stockScript = (reserve = ''): string => `import { defineActor } from 'troupe';
export default defineActor('test.v1.Stock', {
  initialState: () => ({ left: 5 }),
  decide: {
    Fill(state, { quantity }, ctx) { ctx.emit('Filled', { quantity }); return {}; },
    Reserve(state, { quantity }, ctx) {
      ${reserve}
      if (quantity > state.left) ctx.reject('OUT_OF_STOCK', 'only ' + state.left); // refuses
      ctx.emit('Reserved', { by: ctx.caller, quantity }); // takes
      return { left: state.left - quantity };
    },
    Tell(state, { text }, ctx) { ctx.broadcast('HearNews', { text }); return {}; }, // spreads
  },
  evolve: {
    Filled: (state, { quantity }) => ({ ...state, left: state.left + quantity }),
    Reserved: (state, { by, quantity }) => ({ left: state.left - quantity, reserved: { ...state.reserved, [by]: quantity } }),
  },
});
`;

/** Where the script calls ctx in the line with this comment. */
function placeOf(file: string, script: string, comment: string): string {
  const lines = script.split('\n');
  const line = lines.findIndex((text) => text.endsWith(`// ${comment}`));
  return `${file}:${line + 1}:${lines[line]!.search(/ctx\.(emit|send|timer|link|broadcast|reject)/) + 'ctx.'.length + 1}`;
}

const inOrder = (comment: string): string => placeOf('order.js', orderScript, comment);
const inStock = (comment: string, reserve = ''): string => placeOf('stock.js', stockScript(reserve), comment);
const bundleOf = (reserve = ''): Buffer => makeBundle(proto, '', 'causes', { 'order.js': orderScript, 'stock.js': stockScript(reserve) });

async function start(t: Test, options: { journal?: Journal; store?: MemoryBundleStore } = {}): Promise<TestEngine> {
  const journal = options.journal ?? createMemoryJournal();
  if (options.journal === undefined) await journal.open();
  const node = await startEngine({ journal, bucketBits: 3, ...(options.store === undefined ? {} : { store: options.store }) });
  t.teardown(() => node.close());
  return node;
}

const order = (id: string): string => `test.v1.Order:${id}`;
const stock = (id: string): string => `test.v1.Stock:${id}`;

async function until<T>(look: () => Promise<T>, holds: (seen: T) => boolean): Promise<T> {
  for (let i = 0; i < 12_000; i++) {
    const seen = await look();
    if (holds(seen)) return seen;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`still ${JSON.stringify(await look())}`);
}

const settled = (node: TestEngine, id: string, status: string): Promise<unknown> => until(() => node.get(order(id)), ({ body }) => body?.status === status);

/** "kind command of actor" of each link, from the effect back. */
function outline({ links }: CauseChain): string[] {
  return links.map(({ record, cause }) => `${record.kind} ${record.command} of ${record.actor || record.addressee || record.cursor?.actor || record.linkTaken?.target} <- ${cause.kind}`);
}

const why = (node: TestEngine, actor: string, seq: number, linksMax = 100): Promise<CauseChain> => chainOf(node.engine.history, { actor, seq }, linksMax);
const traceOf = (link: CauseLink | undefined): unknown => link?.trace;

t.test('an event leads back to the client\'s command, line by line', async (t) => {
  const node = await start(t);
  await node.engine.deploy(bundleOf());
  await node.send(order('a'), 'Place', { product: 'tea', quantity: 2 }, 'k1', 'alice');
  await until(() => node.get(order('a')), ({ body }) => body?.status === 'RESERVED' && body.reminders === 1);
  const events = (await node.engine.records(order('a'), 1, 10)).flatMap((record) => record.events);
  const chain = await why(node, order('a'), events.find(({ name }) => name === 'Settled')!.seq);
  t.equal(chain.broken, '');
  t.same(outline(chain), [`decision TakeReservation of ${order('a')} <- message`, `decision Reserve of ${stock('tea')} <- message`, `decision Place of ${order('a')} <- client`]);
  const [taken, reserved, placed] = chain.links;
  t.match(traceOf(taken), { problem: '', events: [inOrder('settles')], sends: [] });
  t.match(traceOf(reserved), { problem: '', events: [inStock('takes')], sends: [] });
  t.match(traceOf(placed), { problem: '', events: [inOrder('places')], sends: [inOrder('tells'), inOrder('reserves')], timers: [inOrder('arms')] });
  t.equal(taken!.cause.entry, 0, 'the reply is the first send of the record that answers');
  t.equal(reserved!.cause.entry, 1, 'and the command the second of the one that sent it');
  t.match(placed!.record, { principal: 'alice', key: 'k1', cause: { session: 's-test' } });

  const reminded = await why(node, order('a'), events.find(({ name }) => name === 'Reminded')!.seq);
  t.same(outline(reminded), [`decision Remind of ${order('a')} <- timer`, `decision Place of ${order('a')} <- client`]);
  t.equal(reminded.links[1]!.trace!.timers[reminded.links[0]!.cause.entry], inOrder('arms'));
  t.same((await why(node, order('a'), 1)).links.length, 1);
  t.match(await why(node, order('a'), 2, 1), { broken: /it goes on at/ });
});

t.test('refusals, links and broadcasts', async (t) => {
  const node = await start(t);
  await node.engine.deploy(bundleOf());
  await node.send(order('a'), 'Place', { product: 'tea', quantity: 6 });
  await settled(node, 'a', 'REFUSED');
  const seq = (await node.engine.records(order('a'), 1, 10)).flatMap(({ events }) => events).find(({ name }) => name === 'Settled')!.seq;
  const refused = await why(node, order('a'), seq);
  t.same(outline(refused), [`decision TakeReservation of ${order('a')} <- message`, `rejection Reserve of ${stock('tea')} <- message`, `decision Place of ${order('a')} <- client`]);
  t.match(traceOf(refused.links[1]), { problem: '', refusal: inStock('refuses'), events: [] });

  await node.send(order('b'), 'Follow', { product: 'tea' });
  await until(() => node.engine.links.linkedTo(stock('tea'), 1, 1), ({ count }) => count === 1);
  await node.send(stock('tea'), 'Tell', { text: 'SALE' });
  await settled(node, 'b', 'SALE');
  const news = await why(node, order('b'), 1);
  t.equal(outline(news).at(-1), `decision Tell of ${stock('tea')} <- client`);
  t.match(traceOf(news.links.at(-1)), { problem: '', broadcasts: [inStock('spreads')] });
  t.match(news.links.at(-2)!.record, { kind: 'cursor', sends: [{ to: order('b'), name: 'HearNews', body: { text: 'SALE' } }] }, 'the chunk says what it says, although its record names no bundle');
  t.match((await why(node, order('b'), 0)).links[0]!.record.command, 'HearNews', 'without a seq, the newest record');
  const [followed] = await node.engine.records(order('b'), 1, 1);
  t.equal(followed!.command, 'Follow');
  t.match(followed!.links, [{ actor: stock('tea'), unlink: false, number: 1, linkedNumber: 0 }]);
  t.match(await node.engine.history.explain({ bucket: followed!.bucket, position: followed!.position }), { trace: { problem: '', links: [inOrder('links')] } });
});

t.test('what a dropped message was refused with can be read', async (t) => {
  const node = await start(t);
  await node.engine.deploy(bundleOf("throw new Error('broken');"));
  await node.send(order('a'), 'Place', { product: 'tea', quantity: 2 });
  const { desk } = node.engine.messages;
  const { letters } = await until(() => desk.deadLetters({ type: '', after: { bucket: 0, position: 0 }, max: 10 }), (page) => page.letters.length === 1);
  const { record } = await desk.drop(letters[0]!);
  const body = { from: stock('tea'), refusal: { code: 'MESSAGE_DROPPED', message: 'Reserve was dropped by an operator' } };
  t.match((await node.engine.history.explain(record)).record, { kind: 'dropped', sends: [{ to: order('a'), name: 'TakeReservation', body }] });
});

t.test('a message that failed and was retried leads through its failure', async (t) => {
  const node = await start(t);
  const broken = "throw new Error('broken');";
  await node.engine.deploy(bundleOf(broken));
  await node.send(order('a'), 'Place', { product: 'tea', quantity: 2 });
  const { desk } = node.engine.messages;
  const { letters } = await until(() => desk.deadLetters({ type: '', after: { bucket: 0, position: 0 }, max: 10 }), (page) => page.letters.length === 1);
  await node.engine.deploy(bundleOf());
  await desk.retry(letters[0]!);
  await settled(node, 'a', 'RESERVED');
  const chain = await why(node, stock('tea'), 1);
  t.same(outline(chain), [`decision Reserve of ${stock('tea')} <- again`, `failed Reserve of ${stock('tea')} <- message`, `decision Place of ${order('a')} <- client`]);
  t.match(chain.links[1], { trace: null, record: { failure: { code: 'BEHAVIOR_ERROR' }, onReply: 'TakeReservation' } });
  t.match(traceOf(chain.links[0]), { problem: '', events: [inStock('takes')] }, 'by the bundle that decided, not by the one before');
});

t.test('a decision is run again on the state before it, from a snapshot or without, after a restart and under the bundle of then', async (t) => {
  const disk = new MemoryStore();
  const store = new MemoryBundleStore();
  const journal = createMemoryJournal(disk);
  await journal.open();
  const node = await startEngine({ journal, store, bucketBits: 3, limits: { recordsPerSnapshotMax: 10 } });
  await node.engine.deploy(bundleOf());
  // 5 in the beginning and 30 come: the 36th is one too many, which the state alone tells.
  for (let i = 0; i < 30; i++) await node.send(stock('tea'), 'Fill', { quantity: 1 });
  for (let i = 0; i < 36; i++) await node.send(stock('tea'), 'Reserve', { quantity: 1 });
  await node.close();
  const again = await start(t, { journal, store });
  const moved = `\n\n${''}      `;
  await again.engine.deploy(bundleOf(moved));
  await again.send(stock('tea'), 'Fill', { quantity: 1 });
  await again.send(stock('tea'), 'Reserve', { quantity: 1 });
  const records = await again.engine.records(stock('tea'), 1, 100);
  t.equal(records.length, 69);
  t.equal(records[66]!.kind, 'migrate');
  for (const i of [0, 29, 30, 47, 64, 65, 67, 68]) {
    const { bucket, position, kind, command } = records[i]!;
    const link = await again.engine.history.explain({ bucket, position });
    t.equal(link.trace!.problem, '', `${i} ${kind} ${command}`);
    if (kind === 'rejection') t.equal(link.trace!.refusal, inStock('refuses'));
    else if (command === 'Reserve') t.same(link.trace!.events, [inStock('takes', i === 68 ? moved : '')]);
  }
  t.equal(records[65]!.kind, 'rejection');
});

t.test('when it does not come out the same, that is said, and no line is shown', async (t) => {
  const disk = new MemoryStore();
  const journal = createMemoryJournal(disk);
  await journal.open();
  const node = await start(t, { journal });
  await node.engine.deploy(bundleOf());
  await node.send(stock('tea'), 'Reserve', { quantity: 1 });
  await node.send(stock('tea'), 'Reserve', { quantity: 2 });
  const [, second] = await node.engine.records(stock('tea'), 1, 10);
  const { readActorRecords } = journal;
  // Somebody has a history that is another one, and no snapshot that knows better.
  const { readActor } = journal;
  journal.readActor = async (...args) => ({ ...(await readActor.apply(journal, args)), snapshot: null });
  journal.readActorRecords = async (bucket, actor, hash, options) => (await readActorRecords.call(journal, bucket, actor, hash, options)).map((record) => {
    const bytes = Buffer.from(record.bytes);
    const at = bytes.indexOf(Buffer.from([16, 1]), bytes.indexOf('Reserved'));
    if (at > 0 && record.position !== second!.position) bytes[at + 1] = 4;
    return { ...record, bytes };
  });
  const link = await node.engine.history.explain({ bucket: second!.bucket, position: second!.position });
  t.match(link.trace, { problem: /decided again, it refuses: the behaviour is not deterministic/, events: [], refusal: '' });
});

t.test('what each event changed', async (t) => {
  const node = await start(t);
  await node.engine.deploy(bundleOf());
  await node.send(order('a'), 'Place', { product: 'tea', quantity: 2 });
  await until(() => node.get(order('a')), ({ body }) => body?.status === 'RESERVED' && body.reminders === 1);
  const records = await node.engine.records(order('a'), 1, 10, true);
  const changes = new Map(records.flatMap(({ events }) => events.map(({ name, changes: of }) => [name, of] as const)));
  t.same(changes.get('Placed'), [{ path: 'status', before: 'NEW', after: 'PLACED' }, { path: 'lines[0]', after: { product: 'tea', quantity: 2 } }]);
  t.same(changes.get('Settled'), [{ path: 'status', before: 'PLACED', after: 'RESERVED' }]);
  t.match(changes.get('Reminded'), [{ path: 'reminders', after: 1 }]);
  const [reserved] = (await node.engine.records(stock('tea'), 1, 10, true))[0]!.events;
  t.same(reserved!.changes, [{ path: `reserved["${order('a')}"]`, after: 2 }, { path: 'left', before: 5, after: 3 }]);
  const [last] = await node.engine.records(order('a'), 3, 1, true);
  t.equal(last!.events.at(-1)!.changes!.length, 1, 'beginning in the middle');
});
