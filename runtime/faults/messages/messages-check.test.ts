/** The checks of what goes on between actors: each is seen to be broken by a history that breaks it. */

import t from 'tap';

import { bucketIndex, hashText, parseAddress, shardKey } from '../../codec/address.ts';
import { Findings } from '../book.ts';
import { DECISION, LINKED, bucketOf } from './log-record.ts';
import { BITS, LogStory, ORIGIN, START_MS, storedLog } from './log-story.ts';
import type { PlainRecord } from './log-story.ts';
import { MessagesCheck } from './messages-check.ts';
import type { AnsweredCommand } from './messages-check.ts';
import { encodeCommand, encodeEvent, encodeState } from './shop-messages.ts';

const P1 = 'shop.v1.Product:p-1';
const P2 = 'shop.v1.Product:p-2';
const I1 = 'shop.v1.Inventory:p-1';
const I2 = 'shop.v1.Inventory:p-2';
const BOX = 'test.v1.Box:b';
const SENDER = 'test.v1.Sender:s';
const CLOCK = 'test.v1.Clock:c';
const order = (n: number): string => `shop.v1.Order:o-${n}`;
const payment = (n: number): string => `shop.v1.Payment:pay-${n}`;
const PAY_MS = 5_000;
const USER = 'shop.v1.User:u';
const NOTIFICATION = 'shop.v1.Notification:n';

interface Story {
  readonly logs: PlainRecord[][];
  readonly answered: AnsweredCommand[];
  /** Records by what they are for. */
  readonly at: Record<string, PlainRecord>;
  readonly nowMs: number;
}

/** Six orders: paid, expired, void with their product, refused by it, refused by the inventory, paid twice; letters; a clock. */
function rightStory(): Story {
  const story = new LogStory();
  const at: Record<string, PlainRecord> = {};
  const place = (n: number, product: string, quantity: number): PlainRecord => {
    const line = { productId: product.slice(16), quantity, unitPrice: 100, inventoryId: product.slice(16) };
    const payBeforeMs = story.nowMs + PAY_MS;
    const inventory = `shop.v1.Inventory:${line.inventoryId}`;
    const total = 100 * quantity;
    return story.command(order(n), 'PlaceOrder', { userId: 'u', lines: [line], paymentTimeSeconds: PAY_MS / 1_000, notify: 'n' }, {
      events: [['OrderPlaced', { userId: 'u', lines: [line], total, payBeforeMs, notify: 'n' }]],
      timers: [['expiry', payBeforeMs, 'ExpireOrder']], links: [product],
      sends: [[product, 'CheckOffer', { unitPrice: 100 }, 'TakeOffer'], [inventory, 'Reserve', { orderId: `o-${n}`, quantity }, 'TakeReservation'], [USER, 'NoteOrder', { orderId: `o-${n}`, total }]],
      reply: { orderId: `o-${n}`, total, payBeforeMs },
    });
  };
  /** What an order that has ended tells those who listen, and what they make of it. */
  const tells = (n: number, status: string): NonNullable<Parameters<LogStory['receive']>[2]['sends']> => [
    [USER, 'NoteOrderStatus', { orderId: `o-${n}`, status }], [NOTIFICATION, 'Notify', { orderId: `o-${n}`, status }],
  ];
  const noted = (n: number, status: string): void => {
    story.receive(USER, order(n), { events: [['OrderStatusNoted', { orderId: `o-${n}`, status }]] });
    at[`noted ${n}`] = story.receive(NOTIFICATION, order(n), { events: [['Notified', { orderId: `o-${n}`, status, atMs: story.nowMs }]] });
  };
  const answer = (n: number, product: string, quantity: number): void => {
    const inventory = product.replace('Product', 'Inventory');
    story.receiveLinks(product, order(n));
    story.receive(product, order(n), { reply: { unitPrice: 100 } });
    story.receive(order(n), product, { events: [['OfferConfirmed', { productId: product.slice(16) }]], reply: {} });
    story.receive(inventory, order(n), { events: [['StockReserved', { orderId: `o-${n}`, quantity }]], reply: { quantity } });
    story.receive(order(n), inventory, { events: [['LinesReserved', { inventoryId: product.slice(16) }], ['OrderReserved', {}]] });
    story.receive(USER, order(n), { events: [['OrderNoted', { orderId: `o-${n}`, total: 100 * quantity }]] });
  };
  const end = (n: number, product: string, status: string): Partial<Parameters<LogStory['receive']>[2]> => ({
    cancels: ['expiry'], unlinks: [product], sends: [[product.replace('Product', 'Inventory'), 'Release', { orderId: `o-${n}` }], ...tells(n, status)],
  });
  const gone = (n: number, product: string, status: string, quantity: number): void => {
    story.receiveLinks(product, order(n));
    story.receive(product.replace('Product', 'Inventory'), order(n), { events: [['ReservationReleased', { orderId: `o-${n}`, quantity }]] });
    noted(n, status);
  };
  const pay = (n: number, by: number): PlainRecord => story.command(payment(by), 'AuthorisePayment', { orderId: `o-${n}`, amount: 200, method: 'card' }, {
    events: [['PaymentAuthorised', { orderId: `o-${n}`, amount: 200, method: 'card' }]],
    sends: [[order(n), 'PayOrder', { amount: 200, paymentId: `pay-${by}` }, 'TakeOrderAnswer']], reply: { paymentId: `pay-${by}` },
  });

  at['stock'] = story.command(I1, 'AddStock', { quantity: 10 }, { events: [['StockAdded', { quantity: 10 }]], reply: { available: 10 } });
  story.command(I2, 'AddStock', { quantity: 1 }, { events: [['StockAdded', { quantity: 1 }]], reply: { available: 1 } });
  for (const product of [P1, P2]) {
    story.command(product, 'CreateProduct', { name: 'n', price: 100, onSale: true }, { events: [['ProductCreated', { name: 'n', price: 100, inventoryId: product.slice(16) }], ['ProductPutOnSale', {}]] });
  }

  at['place'] = place(1, P1, 2);
  answer(1, P1, 2);
  story.nowMs += 10;
  pay(1, 1);
  at['paid'] = story.receive(order(1), payment(1), {
    events: [['OrderPaid', { amount: 200, paymentId: 'pay-1' }], ['OrderConfirmed', {}]], cancels: ['expiry'], unlinks: [P1],
    sends: [[I1, 'Confirm', { orderId: 'o-1' }], [USER, 'NoteOrderStatus', { orderId: 'o-1', status: 'ORDER_STATUS_PAID' }], ...tells(1, 'ORDER_STATUS_CONFIRMED')],
    reply: { status: 'ORDER_STATUS_CONFIRMED' },
  });
  story.receiveLinks(P1, order(1));
  at['sold'] = story.receive(I1, order(1), { events: [['ReservationConfirmed', { orderId: 'o-1', quantity: 2 }]], reply: { quantity: 2 } });
  story.receive(USER, order(1), { events: [['OrderStatusNoted', { orderId: 'o-1', status: 'ORDER_STATUS_PAID' }]] });
  noted(1, 'ORDER_STATUS_CONFIRMED');
  at['captured'] = story.receive(payment(1), order(1), { events: [['PaymentCaptured', { amount: 200 }]] });
  pay(1, 2);
  at['refused'] = story.receive(order(1), payment(2), { reject: 'ALREADY_PAID' });
  story.receive(payment(2), order(1), { events: [['PaymentFailed', { reason: 'ALREADY_PAID' }]] });

  at['place 2'] = place(2, P1, 3);
  answer(2, P1, 3);
  story.nowMs += PAY_MS + 20;
  at['expired'] = story.fire(order(2), 'expiry', { events: [['OrderExpired', {}]], ...end(2, P1, 'ORDER_STATUS_EXPIRED'), cancels: [] });
  gone(2, P1, 'ORDER_STATUS_EXPIRED', 3);

  place(3, P1, 1);
  answer(3, P1, 1);
  place(4, P1, 1);
  answer(4, P1, 1);
  at['off sale'] = story.command(P1, 'TakeOffSale', {}, { events: [['ProductTakenOffSale', {}]], broadcasts: [['VoidOrder', { reason: 'NOT_ON_SALE' }]] });
  at['link 5'] = place(5, P1, 1);
  story.receiveLinks(P1, order(5));
  story.receive(P1, order(5), { reject: 'NOT_ON_SALE' });
  const links = story.logs[bucketOf(P1, BITS)]!.filter(({ kind, linkTaken }) => kind === LINKED && linkTaken.target === P1 && !linkTaken.unlink);
  at['cursor'] = story.cursor(at['off sale'], [order(3)], links.at(-3)!['position'], false);
  at['cursor 2'] = story.cursor(at['off sale'], [order(4)], links.at(-2)!['position'], true);
  for (const n of [3, 4]) {
    at[`void ${n}`] = story.receive(order(n), P1, { events: [['OrderVoided', { reason: 'NOT_ON_SALE' }]], ...end(n, P1, 'ORDER_STATUS_VOID') });
    gone(n, P1, 'ORDER_STATUS_VOID', 1);
  }
  story.receive(order(5), P1, { events: [['OrderVoided', { reason: 'NOT_ON_SALE' }]], ...end(5, P1, 'ORDER_STATUS_VOID') });
  story.receiveLinks(P1, order(5));
  story.receive(I1, order(5), { events: [['StockReserved', { orderId: 'o-5', quantity: 1 }]], reply: { quantity: 1 } });
  story.receive(USER, order(5), { events: [['OrderNoted', { orderId: 'o-5', total: 100 }]] });
  story.receive(I1, order(5), { events: [['ReservationReleased', { orderId: 'o-5', quantity: 1 }]] });
  story.receive(order(5), I1, {});
  noted(5, 'ORDER_STATUS_VOID');

  for (let i = 1; i <= 4; i++) story.command(SENDER, 'Tell', { n: i }, { sends: [[BOX, 'Put', { word: `w${i}` }, 'TakeAnswer']] });
  at['parked 1'] = story.park(BOX, SENDER);
  at['parked 2'] = story.park(BOX, SENDER);
  at['resumed 1'] = story.resume(BOX, at['parked 1'], { events: [['Got', {}]] });
  at['resumed 2'] = story.resume(BOX, at['parked 2'], { events: [['Got', {}]] });
  at['failed 3'] = story.fail(BOX, SENDER);
  at['box 4'] = story.receive(BOX, SENDER, { events: [['Got', {}]] });
  at['dropped 3'] = story.drop(BOX, at['failed 3']);
  for (let i = 1; i <= 4; i++) story.receive(SENDER, BOX, {});

  at['armed'] = story.command(CLOCK, 'Start', {}, { timers: [['tick', story.nowMs + 1_000, 'Tick', 1_000], ['once', story.nowMs + 500, 'Bell']] });
  at['replaced'] = story.command(CLOCK, 'Start', {}, { timers: [['once', story.nowMs + 700, 'Bell']] });
  story.nowMs += 1_010;
  at['bell'] = story.fire(CLOCK, 'once', {});
  at['tick'] = story.fire(CLOCK, 'tick', {});
  story.nowMs += 3_500;
  at['late tick'] = story.fire(CLOCK, 'tick', {}, 2);
  at['stop'] = story.command(CLOCK, 'Stop', {}, { cancels: ['tick'] });

  const answered = story.logs.flat().filter(({ key }) => key).map(({ actor, key, firstSeq, events }) => ({ actor, key, seq: firstSeq - 1 + events.length }));
  return { logs: story.logs, answered, at, nowMs: story.nowMs };
}

async function checked({ logs, answered, nowMs }: Story): Promise<{ check: MessagesCheck; found: readonly string[] }> {
  const findings = new Findings();
  const check = new MessagesCheck(findings);
  for (const [index, log] of logs.entries()) {
    await check.bucket({ bits: BITS, index }, ORIGIN, (async function* () {
      yield* storedLog(log);
    })());
  }
  check.settle({ nowMs, timerGraceMs: 100 }, answered);
  return { check, found: findings.list };
}

t.test('buckets are found as the nodes find them', async (t) => {
  for (const address of ['shop.v1.Order:o-1', 'a.B:{u1}', 'a.B:x{}{u1}y', 'a.B:{{x}', 'a.B:}{y', 'a.B:{', 'a.B:ü{€}', 'a.B:{}']) {
    t.equal(bucketOf(address, 8), bucketIndex(hashText(shardKey(parseAddress(address))), 8), address);
  }
});

t.test('a right history leaves nothing to find', async (t) => {
  const { check, found } = await checked(rightStory());
  t.same(found, []);
  const { sent, replies, timersFired, timersMissed, broadcasts, broadcastSends, parked, failed } = check.figures;
  t.same({ replies, timersFired, timersMissed, broadcasts, broadcastSends, parked, failed }, { replies: 16, timersFired: 4, timersMissed: 2, broadcasts: 1, broadcastSends: 2, parked: 2, failed: 1 });
  t.ok(sent > 40, `${sent} messages`);
  t.equal(check.channels.inFlight, 0);
  t.equal(check.letters.open, 0);
  t.same(check.shop.outcomes, { ORDER_STATUS_CONFIRMED: 1, ORDER_STATUS_EXPIRED: 1, ORDER_STATUS_VOID: 3 });
  check.shop.compare(I1, 11, encodeState('shop.v1.Inventory', { available: 8, sold: 2 }));
});

t.test('what is on its way is counted, at the end and at every moment before', async (t) => {
  const story = rightStory();
  const { check } = await checked(story);
  const empty = story.logs.map(() => 0);
  t.equal(check.channels.inFlightAt(empty), 0);
  const cut = [...empty];
  const { bucketIndex: bucket, position } = story.at['place']!;
  cut[bucket] = position;
  const before = story.logs[bucket]!.slice(0, position).reduce((sum, record) => sum + record['sends']!.length, 0);
  t.equal(check.channels.inFlightAt(cut), before + 1, 'its sends and a link');
});

t.test('a state that is not the fold: C7 says so', async (t) => {
  const findings = new Findings();
  const { logs } = rightStory();
  const check = new MessagesCheck(findings);
  for (const [index, log] of logs.entries()) await check.bucket({ bits: BITS, index }, ORIGIN, (async function* () { yield* storedLog(log); })());
  check.shop.compare(I1, 11, encodeState('shop.v1.Inventory', { available: 7, sold: 2, reserved: 1 }));
  check.shop.compare(I1, 12, encodeState('shop.v1.Inventory', { available: 8, sold: 2 }));
  t.match(findings.list, [/^C7: the state of/, /^C7: .* is at seq 12/]);
});

t.test('a log that was read on from elsewhere than it was read to: L3 says so', async (t) => {
  const findings = new Findings();
  const { logs } = rightStory();
  const [index, log] = [...logs.entries()].find(([, { length }]) => length > 4)!;
  const check = new MessagesCheck(findings);
  const read = (from: number, to: number, of = log): Promise<void> => check.bucket({ bits: BITS, index }, ORIGIN, (async function* () { yield* storedLog(of).slice(from, to); })());
  await read(0, 2);
  t.equal(check.positionOf(index), 2);
  t.same(findings.list, []);
  await read(2, 4, [{ ...log[0]!, nowMs: START_MS - 1 }, ...log.slice(1)]);
  t.match(findings.list, [/^L3/]);
});

/** What is still there of a record whose effects are lost: something that nobody looks at. */
function blank(record: PlainRecord): void {
  for (const field of Object.keys(record)) {
    if (!['bucketBits', 'bucketIndex', 'position', 'epoch', 'incarnation', 'nowMs'].includes(field)) delete record[field];
  }
  record['kind'] = 6;
}

/** The same once more, at the end of its log. */
function again({ logs }: Story, record: PlainRecord, changes: PlainRecord = {}): void {
  const log = logs[record['bucketIndex']]!;
  const seq = log.reduce((sum, { actor, events }) => sum + (actor === record['actor'] ? (events ?? []).length : 0), 0);
  log.push({ ...record, firstSeq: seq + 1, position: log.length + 1, nowMs: log.at(-1)!['nowMs'], ...changes });
}

function swap({ logs }: Story, a: PlainRecord, b: PlainRecord): void {
  const log = logs[a['bucketIndex']]!;
  const [i, j] = [log.indexOf(a), log.indexOf(b)];
  log[i] = { ...b, position: i + 1, nowMs: a['nowMs'] };
  log[j] = { ...a, position: j + 1, nowMs: b['nowMs'] };
}

function taken({ logs }: Story, what: (record: PlainRecord) => boolean): PlainRecord {
  return logs.flat().find((record) => record['cause'] && what(record))!;
}

const put = (story: Story): PlainRecord => taken(story, ({ kind, name }) => kind === DECISION && name === 'Put');
const reserve = (story: Story): PlainRecord => taken(story, ({ name }) => name === 'Reserve');
const send = (record: PlainRecord, index = -1): PlainRecord => record['sends'].at(index);

const spoils: readonly [what: string, rule: string, spoil: (story: Story) => void][] = [
  ['numbers are positions', 'C1', ({ logs }) => logs.flat().forEach((record) => (record['sendNumbers'] = (record['sendNumbers'] ?? []).map(() => record['position'])))],
  ['a number is left out', 'C1', ({ at }) => at['paid']!['sendNumbers'][0]++],
  ['a number is given out twice', 'C1', ({ at }) => at['paid']!['sendNumbers'][0]--],
  ['a send has no number', 'C1', ({ at }) => at['paid']!['sendNumbers'].pop()],
  ['a link has no note', 'C1', ({ at }) => at['place']!['linkNotes'].pop()],
  ['sends are numbered before links', 'C1', ({ at }) => {
    const { linkNotes, sendNumbers } = at['place']!;
    [linkNotes[0].number, sendNumbers[0]] = [sendNumbers[0], linkNotes[0].number];
  }],
  ['an effect is dropped', 'C2', (story) => blank(put(story))],
  ['the last effect of a channel is dropped', 'C2', ({ at }) => blank(at['box 4']!)],
  ['an effect is doubled', 'C2', (story) => again(story, put(story))],
  ['an effect is doubled under the next number', 'C2', (story) => again(story, at4(story), { cause: { ...at4(story)['cause'], number: 5 } })],
  ['two effects change places', 'C2', (story) => {
    const [first, second] = story.logs.flat().filter(({ actor, cause, name }) => actor === I1 && cause && name === 'Reserve');
    swap(story, first!, second!);
  }],
  ['a mark is missing', 'C2', (story) => (put(story)['cause'] = null)],
  ['a mark has no number', 'C2', (story) => (put(story)['cause'].number = 0)],
  ['a mark is a position', 'C2', (story) => (put(story)['cause'].number = put(story)['cause'].position + 40)],
  ['the cause is another record', 'C2', (story) => put(story)['cause'].position++],
  ['the cause is another entry', 'C2', (story) => put(story)['cause'].index++],
  ['the effect is another actor’s', 'C2', (story) => (put(story)['actor'] = 'test.v1.Box:{test.v1.Box:b}')],
  ['the command is another', 'C2', (story) => (put(story)['name'] = 'Take')],
  ['the payload is another', 'C2', (story) => (reserve(story)['payload'] = { data: encodeCommand('shop.v1.Inventory', 'Reserve', { orderId: 'o-9', quantity: 2 }) })],
  ['the sender is another', 'C2', (story) => (put(story)['principal'] = 'test.v1.Sender:t')],
  ['a link arrives as the end of one', 'C2', (story) => (taken(story, ({ kind }) => kind === LINKED)['linkTaken'].unlink = true)],
  ['something is taken in that nobody sent', 'C2', (story) => again(story, put(story), { cause: { ...put(story)['cause'], bucketIndex: (put(story)['cause'].bucketIndex + 1) % 8, number: 1 } })],
  ['a parked message forgets who wants the reply', 'C2', ({ at }) => (at['parked 1']!['onReply'] = '')],
  ['a reply is not sent', 'C3', ({ at }) => {
    at['paid']!['sends'].pop();
    at['paid']!['sendNumbers'].pop();
  }],
  ['a reply is sent twice', 'C3', ({ at }) => {
    at['paid']!['sends'].push(at['paid']!['sends'].at(-1));
    at['paid']!['sendNumbers'].push(at['paid']!['sendNumbers'].at(-1) + 1);
  }],
  ['a refusal is sent as a reply', 'C3', ({ at }) => (send(at['refused']!).data = send(at['paid']!).data)],
  ['a reply has another sender', 'C3', ({ at }) => (send(at['paid']!).data = Buffer.from(String(send(at['paid']!).data.toString('latin1')).replace('o-1', 'o-2'), 'latin1'))],
  ['a reply goes to somebody else', 'C3', ({ at }) => (send(at['paid']!).to = payment(2))],
  ['a reply has another command', 'C3', ({ at }) => (send(at['paid']!).name = 'CapturePayment')],
  ['another reply is recorded than sent', 'C3', ({ at }) => (at['paid']!['reply'] = { data: Buffer.from([8, 2]) })],
  ['a refusal sends what was emitted before', 'C3', ({ at }) => {
    at['refused']!['sends'].unshift({ to: I1, name: 'Confirm', data: Buffer.alloc(0) });
    at['refused']!['sendNumbers'].unshift(99);
  }],
  ['a refusal has events', 'C3', ({ at }) => (at['refused']!['events'] = [{ name: 'OrderConfirmed', data: Buffer.alloc(0) }])],
  ['a refusal to a client is sent', 'C3', ({ at }) => Object.assign(at['stock']!, { kind: 2, events: [], sends: [{ to: P1, name: 'X' }], sendNumbers: [1] })],
  ['a resumed message is not answered', 'C3', ({ at }) => Object.assign(at['resumed 1']!, { sends: [], sendNumbers: [] })],
  ['a dropped message is not answered', 'C3', ({ at }) => Object.assign(at['dropped 3']!, { sends: [], sendNumbers: [] })],
  ['a parked message is answered', 'C3', ({ at }) => Object.assign(at['parked 1']!, { sends: at['resumed 1']!['sends'], sendNumbers: [1] })],
  ['a parked message is taken up twice', 'C4', (story) => again(story, story.at['resumed 1']!)],
  ['a failed message is taken up after it was dropped', 'C4', (story) => again(story, story.at['resumed 1']!, { resumes: story.at['failed 3']!['position'] })],
  ['parked messages change their order', 'C4', ({ at }) => {
    at['resumed 1']!['resumes'] = at['parked 2']!['position'];
    at['resumed 2']!['resumes'] = at['parked 1']!['position'];
  }],
  ['a message overtakes a parked one', 'C4', ({ at }) => Object.assign(at['parked 2']!, { kind: DECISION, actor: BOX, firstSeq: 1, addressee: '' })],
  ['a message is taken up as another', 'C4', ({ at }) => (at['resumed 1']!['payload'] = { data: Buffer.from('other') })],
  ['a message of another actor is taken up', 'C4', ({ at }) => (at['resumed 1']!['actor'] = 'test.v1.Box:{test.v1.Box:b}')],
  ['a timer fires twice', 'C5', (story) => again(story, story.at['bell']!)],
  ['a timer fires before it is due', 'C5', ({ at, logs }) => logs[at['expired']!['bucketIndex']]!.forEach((record) => (record['nowMs'] = START_MS + 10))],
  ['a replaced timer fires', 'C5', (story) => again(story, story.at['bell']!, { firing: { ...story.at['bell']!['firing'], timer: { position: story.at['armed']!['position'], index: 1 } } })],
  ['a replaced timer fires instead of the new one', 'C5', ({ at }) => (at['bell']!['firing'].timer = { position: at['armed']!['position'], index: 1 })],
  ['a cancelled timer fires', 'C5', (story) => again(story, story.at['tick']!)],
  ['a timer fires with another command', 'C5', ({ at }) => (at['bell']!['name'] = 'Gong')],
  ['a repeating timer fires out of phase', 'C5', ({ at }) => at['tick']!['firing'].nextDueMs++],
  ['missed firings are not counted', 'C5', ({ at }) => Object.assign(at['late tick']!['firing'], { missed: 0, nextDueMs: at['late tick']!['firing'].dueMs + 1_000 })],
  ['missed firings are counted that are yet to come', 'C5', ({ at }) => Object.assign(at['late tick']!['firing'], { missed: 5, nextDueMs: at['late tick']!['firing'].dueMs + 6_000 })],
  ['a repeating timer ends', 'C5', ({ at }) => (at['tick']!['firing'].nextDueMs = 0)],
  ['a one-off goes on', 'C5', ({ at }) => (at['bell']!['firing'].nextDueMs = at['bell']!['firing'].dueMs + 1_000)],
  ['a timer never fires', 'C5', ({ at }) => (at['bell']!['firing'] = null)],
  ['a change of a timer does not say what it ends', 'C5', ({ at }) => (at['replaced']!['timerNotes'][0].replaces = null)],
  ['a change of a timer has no note', 'C5', ({ at }) => (at['stop']!['timerNotes'] = [])],
  ['a timer is noted for another time', 'C5', ({ at }) => at['replaced']!['timerNotes'][0].dueMs--],
  ['a broadcast leaves one out', 'C6', ({ at }) => Object.assign(at['cursor']!, { sends: [], sendNumbers: [] })],
  ['a broadcast reaches one twice', 'C6', ({ at }) => {
    at['cursor 2']!['sends'].unshift(at['cursor']!['sends'][0]);
    at['cursor 2']!['sendNumbers'].unshift(99);
  }],
  ['a broadcast reaches one that was linked later', 'C6', ({ at }) => {
    at['cursor 2']!['sends'].push({ ...send(at['cursor 2']!), to: order(5) });
    at['cursor 2']!['sendNumbers'].push(99);
  }],
  ['a cursor skips', 'C6', ({ at }) => (at['cursor']!['cursor'].through = at['cursor 2']!['cursor'].through)],
  ['a cursor is done too early', 'C6', ({ at }) => (at['cursor']!['cursor'].done = true)],
  ['a broadcast overtakes an older one', 'C6', ({ at }) => at['off sale']!['broadcasts'].unshift({ name: 'VoidOrder', data: Buffer.alloc(0) })],
  ['a cursor never ends', 'C6', ({ at }) => (at['cursor 2']!['cursor'].done = false)],
  ['a broadcast stops', 'C6', ({ at }) => blank(at['cursor 2']!)],
  ['a broadcast is begun twice', 'C6', (story) => again(story, story.at['cursor']!)],
  ['a broadcast changes on its way', 'C6', ({ at }) => (send(at['cursor']!).name = 'ExpireOrder')],
  ['one who has been unlinked before is reached', 'C6', ({ at }) => {
    at['cursor']!['sends'].unshift({ ...send(at['cursor']!), to: order(1) });
    at['cursor']!['sendNumbers'].unshift(99);
  }],
  ['a link is told twice', 'C6', ({ at }) => {
    at['place']!['links'].push(at['place']!['links'][0]);
    at['place']!['linkNotes'].push({ number: 99, linkedNumber: 0 });
  }],
  ['the end of a link is not told', 'C6', ({ at }) => (at['paid']!['linkNotes'][0].number = 0)],
  ['another link is ended than is held', 'C6', ({ at }) => at['void 4']!['linkNotes'][0].linkedNumber--],
  ['pieces are reserved twice', 'C7', (story) => again(story, reserve(story), { cause: null })],
  ['pieces are sold that were not reserved', 'C7', (story) => (reserve(story)['events'] = [])],
  ['pieces vanish', 'C7', ({ at }) => (at['sold']!['events'] = [])],
  ['other pieces are sold than were wanted', 'C7', ({ at }) => (at['sold']!['events'] = [{ name: 'ReservationConfirmed', data: encodeEvent('shop.v1.Inventory', 'ReservationConfirmed', { orderId: 'o-1', quantity: 1 }) }])],
  ['a paid order expires, too', 'C7', (story) => again(story, story.at['expired']!, { actor: order(1), firing: null })],
  ['an order is paid and not captured', 'C7', ({ at }) => (at['captured']!['events'] = [])],
  ['more is captured than was authorised', 'C7', ({ at }) => (at['captured']!['events'] = [{ name: 'PaymentCaptured', data: encodeEvent('shop.v1.Payment', 'PaymentCaptured', { amount: 300 }) }])],
  ['an order is void and holds its pieces', 'C7', (story) => (taken(story, ({ name, events }) => name === 'Release' && events.length > 0)['events'] = [])],
  ['an outcome is noted twice', 'C7', (story) => again(story, story.at['noted 2']!, { cause: null })],
  ['an outcome is not noted', 'C7', ({ at }) => (at['noted 2']!['events'] = [])],
  ['an answered command is not in the log', 'C8', ({ at }) => blank(at['stock']!)],
  ['an answered command has another seq', 'C8', ({ answered }) => (answered[0] = { ...answered[0]!, seq: answered[0]!.seq! + 1 })],
  ['an answered command is recorded as refused', 'C8', ({ at }) => Object.assign(at['stock']!, { kind: 2, events: [], rejection: { code: 'X' } })],
  ['a position is left out', 'L1', ({ logs, at }) => logs[at['sold']!['bucketIndex']]!.forEach((record, i) => i > 2 && record['position']++)],
  ['an actor stands in another bucket', 'L1', ({ at }) => (at['stock']!['actor'] = elsewhere(at['stock']!['bucketIndex']))],
  ['time goes back', 'L2', ({ logs, at }) => (logs[at['stock']!['bucketIndex']]![0]!['nowMs'] += 1e9)],
  ['the epoch goes back', 'L2', ({ logs, at }) => (logs[at['stock']!['bucketIndex']]![0]!['epoch'] = 2)],
  ['a seq is given twice', 'L4', ({ at }) => (at['sold']!['firstSeq'] -= 1)],
  ['a command with a key is applied twice', 'L5', (story) => again(story, story.at['stock']!)],
];

function at4({ at }: Story): PlainRecord {
  return at['box 4']!;
}

function elsewhere(bucket: number): string {
  for (let n = 0; ; n++) if (bucketOf(`test.v1.Box:${n}`, BITS) !== bucket) return `test.v1.Box:${n}`;
}

for (const [what, rule, spoil] of spoils) {
  t.test(`${rule} finds that ${what}`, async (t) => {
    const story = rightStory();
    spoil(story);
    const { found } = await checked(story);
    t.ok(found.some((text) => text.startsWith(`${rule}: `)), found.join('\n') || 'nothing was found');
  });
}
