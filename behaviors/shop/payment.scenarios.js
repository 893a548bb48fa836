const authorised = ['PaymentAuthorised', { orderId: 'o-1', amount: 900, method: 'card' }];
const captured = ['PaymentCaptured', { amount: 900 }];
const failed = ['PaymentFailed', { reason: 'ORDER_EXPIRED' }];
const refunded = ['PaymentRefunded', { amount: 900, reason: 'OUT_OF_STOCK' }];
const payment = { orderId: 'o-1', amount: 900, method: 'card' };
const byOrder = 'shop.v1.Order:o-1';
const accepted = { from: byOrder, reply: { status: 'ORDER_STATUS_PAID' } };
const refused = { from: byOrder, refusal: { code: 'ORDER_EXPIRED' } };

export default [
  {
    name: 'authorises, and offers the amount to the order',
    actor: 'pay-1',
    when: ['AuthorisePayment', payment],
    then: {
      events: [authorised],
      reply: { paymentId: 'pay-1' },
      sends: [['shop.v1.Order:o-1', 'PayOrder', { amount: 900, paymentId: 'pay-1' }, { onReply: 'TakeOrderAnswer' }]],
      state: { ...payment, status: 'PAYMENT_STATUS_AUTHORISED' },
    },
  },
  {
    name: 'takes money that is here already',
    actor: 'pay-1',
    when: ['AuthorisePayment', { ...payment, capture: true }],
    then: {
      events: [authorised, captured],
      reply: { paymentId: 'pay-1' },
      sends: [['shop.v1.Order:o-1', 'PayOrder', { amount: 900, paymentId: 'pay-1' }, { onReply: 'TakeOrderAnswer' }]],
      state: { ...payment, status: 'PAYMENT_STATUS_CAPTURED' },
    },
  },
  { name: 'is for an order that can be told', when: ['AuthorisePayment', { ...payment, orderId: 'o\t1' }], then: { rejected: 'BAD_ORDER' } },
  { name: 'authorises only once', given: [authorised], when: ['AuthorisePayment', payment], then: { rejected: 'ALREADY_AUTHORISED' } },
  { name: 'is for an order', when: ['AuthorisePayment', { amount: 900 }], then: { rejected: 'BAD_ORDER' } },
  { name: 'is not for nothing', when: ['AuthorisePayment', { orderId: 'o-1' }], then: { rejected: 'BAD_AMOUNT' } },
  {
    name: 'captures what was authorised',
    given: [authorised],
    when: ['CapturePayment', {}],
    then: { events: [captured], reply: { status: 'PAYMENT_STATUS_CAPTURED' }, state: { ...payment, status: 'PAYMENT_STATUS_CAPTURED' } },
  },
  { name: 'captures once', given: [authorised, captured], when: ['CapturePayment', {}], then: { events: [], reply: { status: 'PAYMENT_STATUS_CAPTURED' } } },
  { name: 'captures nothing that failed', given: [authorised, failed], when: ['CapturePayment', {}], then: { rejected: 'NOT_AUTHORISED' } },
  { name: 'captures nothing unknown', when: ['CapturePayment', {}], then: { rejected: 'NOT_FOUND' } },
  {
    name: 'the order takes it: captured',
    given: [authorised],
    caller: byOrder,
    when: ['TakeOrderAnswer', accepted],
    then: { events: [captured], reply: { status: 'PAYMENT_STATUS_CAPTURED' } },
  },
  {
    name: 'the order refuses it: failed, with the reason, and no money has moved',
    given: [authorised],
    caller: byOrder,
    when: ['TakeOrderAnswer', refused],
    then: { events: [failed], reply: { status: 'PAYMENT_STATUS_FAILED' }, state: { ...payment, status: 'PAYMENT_STATUS_FAILED', reason: 'ORDER_EXPIRED' } },
  },
  { name: 'the order takes what was captured already', given: [authorised, captured], caller: byOrder, when: ['TakeOrderAnswer', accepted], then: { events: [], reply: { status: 'PAYMENT_STATUS_CAPTURED' } } },
  {
    name: 'the order refuses what was captured already: refunded',
    given: [authorised, captured],
    caller: byOrder,
    when: ['TakeOrderAnswer', refused],
    then: {
      events: [['PaymentRefunded', { amount: 900, reason: 'ORDER_EXPIRED' }]],
      reply: { status: 'PAYMENT_STATUS_REFUNDED' },
      state: { ...payment, status: 'PAYMENT_STATUS_REFUNDED', reason: 'ORDER_EXPIRED' },
    },
  },
  { name: 'an answer after a refund changes nothing', given: [authorised, captured, refunded], caller: byOrder, when: ['TakeOrderAnswer', accepted], then: { events: [], reply: { status: 'PAYMENT_STATUS_REFUNDED' } } },
  { name: 'an answer held up behind the refund captures nothing', given: [authorised, failed], caller: byOrder, when: ['TakeOrderAnswer', accepted], then: { events: [], reply: { status: 'PAYMENT_STATUS_FAILED' } } },
  { name: 'nobody answers for the order', given: [authorised, captured], caller: 'ada', when: ['TakeOrderAnswer', refused], then: { rejected: 'NOT_ASKED' } },
  { name: 'no other order answers', given: [authorised, captured], caller: 'shop.v1.Order:o-2', when: ['TakeOrderAnswer', { ...refused, from: 'shop.v1.Order:o-2' }], then: { rejected: 'NOT_ASKED' } },
  { name: 'an answer to nothing', caller: byOrder, when: ['TakeOrderAnswer', accepted], then: { rejected: 'NOT_FOUND' } },
  {
    name: 'refunds what was captured',
    given: [authorised, captured],
    caller: byOrder,
    when: ['RefundPayment', { reason: 'OUT_OF_STOCK' }],
    then: { events: [refunded], reply: { status: 'PAYMENT_STATUS_REFUNDED' }, state: { ...payment, status: 'PAYMENT_STATUS_REFUNDED', reason: 'OUT_OF_STOCK' } },
  },
  { name: 'refunds once', given: [authorised, captured, refunded], caller: byOrder, when: ['RefundPayment', {}], then: { events: [], reply: { status: 'PAYMENT_STATUS_REFUNDED' } } },
  {
    name: 'what is to be refunded and was not captured never will be',
    given: [authorised],
    caller: byOrder,
    when: ['RefundPayment', { reason: 'OUT_OF_STOCK' }],
    then: { events: [['PaymentFailed', { reason: 'OUT_OF_STOCK' }]], reply: { status: 'PAYMENT_STATUS_FAILED' } },
  },
  { name: 'refunds nothing that failed', given: [authorised, failed], caller: byOrder, when: ['RefundPayment', {}], then: { events: [], reply: { status: 'PAYMENT_STATUS_FAILED' } } },
  { name: 'refunds to nobody but the order', given: [authorised, captured], caller: 'ada', when: ['RefundPayment', {}], then: { rejected: 'NOT_THE_ORDER' } },
  { name: 'refunds nothing unknown', caller: byOrder, when: ['RefundPayment', {}], then: { rejected: 'NOT_FOUND' } },
];
