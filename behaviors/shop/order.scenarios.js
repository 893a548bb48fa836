const NOW = 1_700_000_000_000;
const PAY_BEFORE = NOW + 30 * 60 * 1000;

const tea = { productId: 'tea', quantity: 2, unitPrice: 450, inventoryId: 'tea' };
const cup = { productId: 'cup', quantity: 1, unitPrice: 300, inventoryId: 'cup' };
const place = { userId: 'u-1', lines: [{ productId: 'tea', quantity: 2, unitPrice: 450 }] };
const placed = ['OrderPlaced', { userId: 'u-1', lines: [tea], total: 900, payBeforeMs: PAY_BEFORE }];
const offered = ['OfferConfirmed', { productId: 'tea' }];
const reserved = ['LinesReserved', { inventoryId: 'tea' }];
const paid = ['OrderPaid', { amount: 900, paymentId: 'pay-1', userId: 'u-1' }];
const everythingReserved = ['OrderReserved', { userId: 'u-1' }];
const confirmed = ['OrderConfirmed', { userId: 'u-1' }];
const expired = ['OrderExpired', { userId: 'u-1' }];
const voided = ['OrderVoided', { reason: 'NOT_ON_SALE', userId: 'u-1' }];
const voidedFor = (reason) => ['OrderVoided', { reason, userId: 'u-1' }];
const order = { userId: 'u-1', lines: [tea], total: 900, payBeforeMs: PAY_BEFORE };
const open = { openOffers: ['tea'], openReservations: ['tea'] };

const release = ['shop.v1.Inventory:tea', 'Release', { orderId: 'o-1' }];
const confirm = ['shop.v1.Inventory:tea', 'Confirm', { orderId: 'o-1' }];
const refund = ['shop.v1.Payment:pay-1', 'RefundPayment', { reason: 'OUT_OF_STOCK' }];
const offer = { from: 'shop.v1.Product:tea', reply: { unitPrice: 450 } };
const reservation = { from: 'shop.v1.Inventory:tea', reply: { quantity: 2, available: 8 } };
const noted = (status) => ['shop.v1.User:u-1', 'NoteOrderStatus', { orderId: 'o-1', status: `ORDER_STATUS_${status}` }];
const notified = (status, reason = '') => ['shop.v1.Notification:n-1', 'Notify', { orderId: 'o-1', status: `ORDER_STATUS_${status}`, reason }];
const withNotify = ([name, body]) => [name, { ...body, notify: 'n-1' }];
// Paid, it stays the user's; over, it is nobody's.
const detached = { cancelled: ['expiry'], unlinks: ['shop.v1.Product:tea'] };
const over = { cancelled: ['expiry'], unlinks: ['shop.v1.User:u-1', 'shop.v1.Product:tea'] };
const untouched = { events: [], sends: [], cancelled: [], unlinks: [] };

const placing = (lines) => ['PlaceOrder', { userId: 'u-1', lines }];

const scenarios = [
  {
    name: 'is placed: asks product and inventory, and waits for payment',
    when: ['PlaceOrder', place],
    then: {
      events: [placed],
      reply: { orderId: 'o-1', total: 900, payBeforeMs: PAY_BEFORE },
      sends: [
        ['shop.v1.Product:tea', 'CheckOffer', { unitPrice: 450, inventoryId: 'tea' }, { onReply: 'TakeOffer' }],
        ['shop.v1.Inventory:tea', 'Reserve', { orderId: 'o-1', quantity: 2 }, { onReply: 'TakeReservation' }],
        ['shop.v1.User:u-1', 'NoteOrder', { orderId: 'o-1', total: 900, placedMs: NOW }],
      ],
      timers: [['expiry', { in: 30 * 60 * 1000 }, 'ExpireOrder', {}]],
      links: ['shop.v1.User:u-1', 'shop.v1.Product:tea'],
      state: { ...order, ...open, status: 'ORDER_STATUS_AWAITING_PAYMENT' },
    },
  },
  {
    name: 'lines that share an inventory are reserved together',
    when: placing([{ ...tea, inventoryId: 'all' }, { ...cup, inventoryId: 'all' }]),
    then: {
      reply: { orderId: 'o-1', total: 1200, payBeforeMs: PAY_BEFORE },
      sends: [
        ['shop.v1.Product:tea', 'CheckOffer', { unitPrice: 450, inventoryId: 'all' }, { onReply: 'TakeOffer' }],
        ['shop.v1.Product:cup', 'CheckOffer', { unitPrice: 300, inventoryId: 'all' }, { onReply: 'TakeOffer' }],
        ['shop.v1.Inventory:all', 'Reserve', { orderId: 'o-1', quantity: 3 }, { onReply: 'TakeReservation' }],
        ['shop.v1.User:u-1', 'NoteOrder', { orderId: 'o-1', total: 1200, placedMs: NOW }],
      ],
      links: ['shop.v1.User:u-1', 'shop.v1.Product:tea', 'shop.v1.Product:cup'],
    },
  },
  {
    name: 'may ask for another time to pay',
    when: ['PlaceOrder', { ...place, paymentTimeSeconds: 60 }],
    then: { reply: { orderId: 'o-1', total: 900, payBeforeMs: NOW + 60_000 }, timers: [['expiry', NOW + 60_000, 'ExpireOrder', {}]] },
  },
  {
    name: 'may leave thirty days to pay',
    when: ['PlaceOrder', { ...place, paymentTimeSeconds: 2_592_000 }],
    then: { reply: { orderId: 'o-1', total: 900, payBeforeMs: NOW + 2_592_000_000 } },
  },
  {
    name: 'may have a hundred lines, for nothing',
    when: placing(Array.from({ length: 100 }, (_, i) => ({ productId: `p-${i}`, quantity: 1 }))),
    then: { reply: { orderId: 'o-1', total: 0, payBeforeMs: PAY_BEFORE } },
  },
  { name: 'is placed once', given: [placed], when: ['PlaceOrder', place], then: { rejected: 'ALREADY_PLACED' } },
  { name: 'is not placed again when it is over', given: [placed, expired], when: ['PlaceOrder', place], then: { rejected: 'ALREADY_PLACED' } },
  { name: 'belongs to a user', when: ['PlaceOrder', { ...place, userId: '' }], then: { rejected: 'BAD_USER' } },
  { name: 'belongs to a user who can be told', when: ['PlaceOrder', { ...place, userId: 'u\u0000' }], then: { rejected: 'BAD_USER' } },
  { name: 'takes the longest id of a user', when: ['PlaceOrder', { ...place, userId: '\u{1f600}'.repeat(50) }], then: { reply: { orderId: 'o-1', total: 900, payBeforeMs: PAY_BEFORE } } },
  { name: 'bounds the id of the user', when: ['PlaceOrder', { ...place, userId: 'u'.repeat(101) }], then: { rejected: 'BAD_USER' } },
  {
    name: 'remembers whom to notify',
    when: ['PlaceOrder', { ...place, notify: 'n-1' }],
    then: {
      events: [withNotify(placed)],
      state: { ...order, ...open, status: 'ORDER_STATUS_AWAITING_PAYMENT', notify: 'n-1' },
    },
  },
  { name: 'notifies only who can be', when: ['PlaceOrder', { ...place, notify: 'n\n' }], then: { rejected: 'BAD_NOTIFY' } },
  { name: 'reserves only where there can be stock', when: placing([{ ...tea, inventoryId: '\u2028' }]), then: { rejected: 'BAD_INVENTORY' } },
  { name: 'has lines', when: placing([]), then: { rejected: 'NO_LINES' } },
  { name: 'has at most a hundred lines', when: placing(Array.from({ length: 101 }, (_, i) => ({ ...tea, productId: `p-${i}` }))), then: { rejected: 'TOO_MANY_LINES' } },
  { name: 'names the product in every line', when: placing([{ ...tea, productId: '' }]), then: { rejected: 'BAD_PRODUCT' } },
  { name: 'has one line a product', when: placing([tea, tea]), then: { rejected: 'DUPLICATE_PRODUCT' } },
  { name: 'is for at least one piece', when: placing([{ ...tea, quantity: 0 }]), then: { rejected: 'BAD_QUANTITY' } },
  { name: 'has no negative prices', when: placing([{ ...tea, unitPrice: -1 }]), then: { rejected: 'BAD_PRICE' } },
  {
    name: 'has a total that a number can hold',
    when: placing([{ ...tea, quantity: 1_000_000, unitPrice: 1_000_000_000_000 }]),
    then: { rejected: 'TOTAL_TOO_LARGE' },
  },
  { name: 'leaves at most thirty days to pay', when: ['PlaceOrder', { ...place, paymentTimeSeconds: 2_592_001 }], then: { rejected: 'BAD_PAYMENT_TIME' } },

  {
    name: 'is paid before the answers are there',
    given: [placed],
    when: ['PayOrder', { amount: 900, paymentId: 'pay-1' }],
    then: { events: [paid], reply: { status: 'ORDER_STATUS_PAID' }, sends: [noted('PAID')], ...detached, state: { ...order, ...open, status: 'ORDER_STATUS_PAID', paymentId: 'pay-1' } },
  },
  {
    name: 'is paid after all answers: confirmed',
    given: [placed, offered, reserved],
    when: ['PayOrder', { amount: 900, paymentId: 'pay-1' }],
    then: {
      events: [paid, confirmed],
      reply: { status: 'ORDER_STATUS_CONFIRMED' },
      sends: [confirm, noted('PAID'), noted('CONFIRMED')],
      ...detached,
      state: { ...order, status: 'ORDER_STATUS_CONFIRMED', paymentId: 'pay-1' },
    },
  },
  {
    name: 'may be paid by hand',
    given: [placed],
    when: ['PayOrder', { amount: 900 }],
    then: { events: [['OrderPaid', { amount: 900, userId: 'u-1' }]], reply: { status: 'ORDER_STATUS_PAID' } },
  },
  { name: 'costs what it costs', given: [placed], when: ['PayOrder', { amount: 899 }], then: { rejected: 'WRONG_AMOUNT' } },
  { name: 'may be paid until the last millisecond', given: [placed], now: PAY_BEFORE - 1, when: ['PayOrder', { amount: 900 }], then: { reply: { status: 'ORDER_STATUS_PAID' } } },
  { name: 'is not paid late, however late the timer is', given: [placed], now: PAY_BEFORE, when: ['PayOrder', { amount: 900 }], then: { rejected: 'ORDER_EXPIRED' } },
  { name: 'is paid once', given: [placed, paid], when: ['PayOrder', { amount: 900, paymentId: 'pay-2' }], then: { rejected: 'ALREADY_PAID' } },
  { name: 'is paid once by hand', given: [placed, ['OrderPaid', { amount: 900 }]], when: ['PayOrder', { amount: 900 }], then: { rejected: 'ALREADY_PAID' } },
  {
    name: 'the same payment may say so twice',
    given: [placed, paid],
    when: ['PayOrder', { amount: 900, paymentId: 'pay-1' }],
    then: { ...untouched, reply: { status: 'ORDER_STATUS_PAID' } },
  },
  { name: 'is paid by nobody in the name of a payment', given: [placed], caller: 'ada', when: ['PayOrder', { amount: 900, paymentId: 'pay-1' }], then: { rejected: 'NOT_THE_PAYMENT' } },
  { name: 'is not paid when expired', given: [placed, expired], when: ['PayOrder', { amount: 900 }], then: { rejected: 'ORDER_EXPIRED' } },
  { name: 'is not paid when void', given: [placed, voided], when: ['PayOrder', { amount: 900 }], then: { rejected: 'ORDER_VOID' } },
  { name: 'is not paid before it is placed', when: ['PayOrder', { amount: 900 }], then: { rejected: 'NOT_FOUND' } },

  {
    name: 'expires, and gives its reservation back',
    given: [placed, reserved],
    now: PAY_BEFORE,
    when: ['ExpireOrder', {}],
    then: { events: [expired], reply: { status: 'ORDER_STATUS_EXPIRED' }, sends: [release, noted('EXPIRED')], ...over },
  },
  {
    name: 'notifies of its expiry',
    given: [withNotify(placed)],
    now: PAY_BEFORE,
    when: ['ExpireOrder', {}],
    then: { events: [withNotify(expired)], sends: [release, notified('EXPIRED'), noted('EXPIRED')] },
  },
  { name: 'does not expire early', given: [placed], now: PAY_BEFORE - 1, when: ['ExpireOrder', {}], then: { rejected: 'NOT_DUE' } },
  { name: 'does not expire once paid', given: [placed, paid], now: PAY_BEFORE, when: ['ExpireOrder', {}], then: { ...untouched, reply: { status: 'ORDER_STATUS_PAID' } } },
  { name: 'does not expire before it is placed', now: PAY_BEFORE, when: ['ExpireOrder', {}], then: { rejected: 'NOT_FOUND' } },

  {
    name: 'is void when a product goes off sale',
    given: [placed, reserved],
    when: ['VoidOrder', { reason: 'NOT_ON_SALE' }],
    then: {
      events: [voided],
      reply: { status: 'ORDER_STATUS_VOID' },
      sends: [release, noted('VOID')],
      ...over,
      state: { ...order, status: 'ORDER_STATUS_VOID', openOffers: ['tea'], voidReason: 'NOT_ON_SALE' },
    },
  },
  {
    name: 'notifies that it is void, and why',
    given: [withNotify(placed)],
    when: ['VoidOrder', { reason: 'NOT_ON_SALE' }],
    then: { events: [withNotify(voided)], sends: [release, notified('VOID', 'NOT_ON_SALE'), noted('VOID')] },
  },
  { name: 'is not void once paid', given: [placed, paid], when: ['VoidOrder', { reason: 'NOT_ON_SALE' }], then: { ...untouched, reply: { status: 'ORDER_STATUS_PAID' } } },
  { name: 'is void once', given: [placed, voided], when: ['VoidOrder', {}], then: { ...untouched, reply: { status: 'ORDER_STATUS_VOID' } } },
  { name: 'is not void before it is placed', when: ['VoidOrder', {}], then: { rejected: 'NOT_FOUND' } },

  { name: 'takes an offer', given: [placed], when: ['TakeOffer', offer], then: { events: [offered], sends: [], reply: { status: 'ORDER_STATUS_AWAITING_PAYMENT' } } },
  { name: 'takes an offer once', given: [placed, offered], when: ['TakeOffer', offer], then: { ...untouched } },
  {
    name: 'the last offer confirms a paid order',
    given: [placed, reserved, paid],
    when: ['TakeOffer', offer],
    then: { events: [offered, everythingReserved, confirmed], reply: { status: 'ORDER_STATUS_CONFIRMED' }, sends: [confirm, noted('CONFIRMED')] },
  },
  {
    name: 'a refused offer voids it',
    given: [placed],
    when: ['TakeOffer', { from: 'shop.v1.Product:tea', refusal: { code: 'PRICE_CHANGED' } }],
    then: { events: [voidedFor('PRICE_CHANGED')], reply: { status: 'ORDER_STATUS_VOID' }, sends: [release, noted('VOID')], ...over },
  },
  { name: 'takes no offer in the name of a product', given: [placed], caller: 'ada', when: ['TakeOffer', offer], then: { rejected: 'NOT_ASKED' } },
  { name: 'takes no offer from strangers', given: [placed], when: ['TakeOffer', { ...offer, from: 'shop.v1.Product:cup' }], then: { rejected: 'NOT_ASKED' } },
  { name: 'takes no offer before it is placed', when: ['TakeOffer', offer], then: { rejected: 'NOT_FOUND' } },

  {
    name: 'takes a reservation',
    given: [placed],
    when: ['TakeReservation', reservation],
    then: { events: [reserved], sends: [], reply: { status: 'ORDER_STATUS_AWAITING_PAYMENT' } },
  },
  {
    name: 'the last answer: everything is reserved, and whoever asked is told',
    given: [withNotify(placed), offered],
    when: ['TakeReservation', reservation],
    then: {
      events: [reserved, withNotify(everythingReserved)],
      sends: [notified('AWAITING_PAYMENT')],
      reply: { status: 'ORDER_STATUS_AWAITING_PAYMENT' },
      state: { ...order, status: 'ORDER_STATUS_AWAITING_PAYMENT', notify: 'n-1' },
    },
  },
  {
    name: 'the last reservation confirms a paid order',
    given: [withNotify(placed), offered, paid],
    when: ['TakeReservation', reservation],
    then: {
      events: [reserved, withNotify(everythingReserved), withNotify(confirmed)],
      reply: { status: 'ORDER_STATUS_CONFIRMED' },
      sends: [confirm, notified('AWAITING_PAYMENT'), notified('CONFIRMED'), noted('CONFIRMED')],
    },
  },
  {
    name: 'a paid order is not confirmed while an answer is open',
    given: [placed, paid],
    when: ['TakeReservation', reservation],
    then: { events: [reserved], reply: { status: 'ORDER_STATUS_PAID' }, sends: [] },
  },
  {
    name: 'without stock it is void',
    given: [placed],
    when: ['TakeReservation', { from: 'shop.v1.Inventory:tea', refusal: { code: 'OUT_OF_STOCK' } }],
    then: { events: [voidedFor('OUT_OF_STOCK')], reply: { status: 'ORDER_STATUS_VOID' }, sends: [release, noted('VOID')], ...over },
  },
  {
    name: 'one of two without stock: nothing is kept of either',
    given: [['OrderPlaced', { userId: 'u-1', lines: [tea, cup], total: 1200, payBeforeMs: PAY_BEFORE }], ['LinesReserved', { inventoryId: 'cup' }]],
    when: ['TakeReservation', { from: 'shop.v1.Inventory:tea', refusal: { code: 'OUT_OF_STOCK' } }],
    then: { sends: [release, ['shop.v1.Inventory:cup', 'Release', { orderId: 'o-1' }], noted('VOID')] },
  },
  {
    name: 'without stock after payment it is void, and the money goes back',
    given: [placed, paid],
    when: ['TakeReservation', { from: 'shop.v1.Inventory:tea', refusal: { code: 'OUT_OF_STOCK' } }],
    then: {
      events: [voidedFor('OUT_OF_STOCK')],
      reply: { status: 'ORDER_STATUS_VOID' },
      sends: [release, refund, noted('VOID')],
      cancelled: [],
      unlinks: ['shop.v1.User:u-1'],
    },
  },
  { name: 'a late reservation changes nothing', given: [placed, expired], when: ['TakeReservation', reservation], then: { ...untouched, reply: { status: 'ORDER_STATUS_EXPIRED' } } },
  { name: 'takes no reservation in the name of an inventory', given: [placed], caller: 'ada', when: ['TakeReservation', reservation], then: { rejected: 'NOT_ASKED' } },
  { name: 'takes no reservation from strangers', given: [placed], when: ['TakeReservation', { ...reservation, from: 'tea' }], then: { rejected: 'NOT_ASKED' } },
  { name: 'takes no reservation before it is placed', when: ['TakeReservation', reservation], then: { rejected: 'NOT_FOUND' } },
];

/** Who says so: an answer comes from who gives it, a payment from the payment. */
function callerOf([, { from, paymentId }]) {
  return from ?? (paymentId === undefined ? 'ada' : `shop.v1.Payment:${paymentId}`);
}

export default scenarios.map((scenario) => ({ actor: 'o-1', now: NOW, caller: callerOf(scenario.when), ...scenario }));
