const added = ['StockAdded', { quantity: 10 }];
const reserved = ['StockReserved', { orderId: 'o-1', quantity: 4 }];

const scenarios = [
  {
    name: 'takes stock in',
    when: ['AddStock', { quantity: 10 }],
    then: { events: [added], reply: { available: 10 }, state: { available: 10 } },
  },
  { name: 'takes a million pieces in', when: ['AddStock', { quantity: 1_000_000 }], then: { reply: { available: 1_000_000 } } },
  { name: 'takes in at least one piece', when: ['AddStock', {}], then: { rejected: 'BAD_QUANTITY' } },
  { name: 'takes in at most a million pieces', when: ['AddStock', { quantity: 1_000_001 }], then: { rejected: 'BAD_QUANTITY' } },
  {
    name: 'writes stock off',
    given: [added],
    when: ['RemoveStock', { quantity: 3, reason: 'broken' }],
    then: { events: [['StockRemoved', { quantity: 3, reason: 'broken' }]], reply: { available: 7 }, state: { available: 7 } },
  },
  { name: 'writes all of it off', given: [added], when: ['RemoveStock', { quantity: 10 }], then: { reply: { available: 0 }, state: {} } },
  { name: 'does not write off what is reserved', given: [added, reserved], when: ['RemoveStock', { quantity: 7 }], then: { rejected: 'OUT_OF_STOCK' } },
  { name: 'writes off at least one piece', given: [added], when: ['RemoveStock', {}], then: { rejected: 'BAD_QUANTITY' } },
  {
    name: 'reserves for an order',
    given: [added],
    when: ['Reserve', { orderId: 'o-1', quantity: 4 }],
    then: {
      events: [reserved],
      reply: { quantity: 4, available: 6 },
      state: { available: 6, reserved: 4, shelves: { 19: { reservations: { 'o-1': 4 } } } },
    },
  },
  {
    name: 'reserves the last piece',
    given: [added],
    when: ['Reserve', { orderId: 'o-1', quantity: 10 }],
    then: { reply: { quantity: 10, available: 0 }, state: { reserved: 10, shelves: { 19: { reservations: { 'o-1': 10 } } } } },
  },
  { name: 'reserves no more than there is', given: [added], when: ['Reserve', { orderId: 'o-1', quantity: 11 }], then: { rejected: 'OUT_OF_STOCK' } },
  { name: 'reserves nothing twice', given: [added, reserved], when: ['Reserve', { orderId: 'o-2', quantity: 7 }], then: { rejected: 'OUT_OF_STOCK' } },
  {
    name: 'the same reservation again sets no more aside',
    given: [added, reserved],
    when: ['Reserve', { orderId: 'o-1', quantity: 4 }],
    then: { events: [], reply: { quantity: 4, available: 6 } },
  },
  { name: 'another quantity for the same order is refused', given: [added, reserved], when: ['Reserve', { orderId: 'o-1', quantity: 5 }], then: { rejected: 'ALREADY_RESERVED' } },
  {
    name: 'an order may have any id',
    given: [added],
    when: ['Reserve', { orderId: 'toString', quantity: 1 }],
    then: { events: [['StockReserved', { orderId: 'toString', quantity: 1 }]], reply: { quantity: 1, available: 9 } },
  },
  { name: 'reserves for nobody', given: [added], when: ['Reserve', { quantity: 1 }], then: { rejected: 'BAD_ORDER' } },
  { name: 'reserves at least one piece', given: [added], when: ['Reserve', { orderId: 'o-1' }], then: { rejected: 'BAD_QUANTITY' } },
  {
    name: 'sells what was reserved',
    given: [added, reserved],
    when: ['Confirm', { orderId: 'o-1' }],
    then: { events: [['ReservationConfirmed', { orderId: 'o-1', quantity: 4 }]], reply: { quantity: 4 }, state: { available: 6, sold: 4 } },
  },
  { name: 'sells nothing that is not reserved', given: [added], when: ['Confirm', { orderId: 'o-1' }], then: { rejected: 'NOT_RESERVED' } },
  {
    name: 'sells a reservation only once',
    given: [added, reserved, ['ReservationConfirmed', { orderId: 'o-1', quantity: 4 }]],
    when: ['Confirm', { orderId: 'o-1' }],
    then: { rejected: 'NOT_RESERVED' },
  },
  {
    name: 'gives a reservation back',
    given: [added, reserved],
    when: ['Release', { orderId: 'o-1' }],
    then: { events: [['ReservationReleased', { orderId: 'o-1', quantity: 4 }]], reply: { quantity: 4 }, state: { available: 10 } },
  },
  { name: 'has nothing to give back', given: [added], when: ['Release', { orderId: 'o-1' }], then: { events: [], reply: { quantity: 0 }, state: { available: 10 } } },
  { name: 'nobody reserves for an order', given: [added], caller: 'ada', when: ['Reserve', { orderId: 'o-1', quantity: 1 }], then: { rejected: 'NOT_THE_ORDER' } },
  { name: 'nobody sells for an order', given: [added, reserved], caller: 'ada', when: ['Confirm', { orderId: 'o-1' }], then: { rejected: 'NOT_THE_ORDER' } },
  { name: 'nobody gives back for an order', given: [added, reserved], caller: 'shop.v1.Order:o-2', when: ['Release', { orderId: 'o-1' }], then: { rejected: 'NOT_THE_ORDER' } },
];

/** What concerns an order comes from the order. */
export default scenarios.map((scenario) => ({ caller: `shop.v1.Order:${scenario.when[1].orderId ?? ''}`, ...scenario }));
