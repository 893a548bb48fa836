const authorised = ['PaymentAuthorised', { orderId: 'o-1', amount: 900, method: 'card' }];
const captured = ['PaymentCaptured', { amount: 900 }];
const failed = ['PaymentFailed', { reason: 'ORDER_EXPIRED' }];
const refunded = ['PaymentRefunded', { amount: 900, reason: 'OUT_OF_STOCK' }];
const payment = { orderId: 'o-1', amount: 900, method: 'card' };
const accepted = { from: 'shop.v1.Order:o-1', reply: { status: 'ORDER_STATUS_PAID' } };

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
    when: ['TakeOrderAnswer', accepted],
    then: { events: [captured], reply: { status: 'PAYMENT_STATUS_CAPTURED' } },
  },
  {
    name: 'the order refuses it: failed, with the reason',
    given: [authorised],
    when: ['TakeOrderAnswer', { from: 'shop.v1.Order:o-1', refusal: { code: 'ORDER_EXPIRED' } }],
    then: { events: [failed], reply: { status: 'PAYMENT_STATUS_FAILED' }, state: { ...payment, status: 'PAYMENT_STATUS_FAILED', reason: 'ORDER_EXPIRED' } },
  },
  { name: 'an answer after the capture changes nothing', given: [authorised, captured], when: ['TakeOrderAnswer', accepted], then: { events: [] } },
  { name: 'an answer to nothing', when: ['TakeOrderAnswer', accepted], then: { rejected: 'NOT_FOUND' } },
  {
    name: 'refunds what was captured',
    given: [authorised, captured],
    when: ['RefundPayment', { reason: 'OUT_OF_STOCK' }],
    then: { events: [refunded], reply: { status: 'PAYMENT_STATUS_REFUNDED' }, state: { ...payment, status: 'PAYMENT_STATUS_REFUNDED', reason: 'OUT_OF_STOCK' } },
  },
  { name: 'refunds once', given: [authorised, captured, refunded], when: ['RefundPayment', {}], then: { events: [], reply: { status: 'PAYMENT_STATUS_REFUNDED' } } },
  { name: 'refunds nothing that was not captured', given: [authorised], when: ['RefundPayment', {}], then: { rejected: 'NOT_CAPTURED' } },
  { name: 'refunds nothing unknown', when: ['RefundPayment', {}], then: { rejected: 'NOT_FOUND' } },
];
