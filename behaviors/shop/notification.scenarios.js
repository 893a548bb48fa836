const NOW = 1_700_000_000_000;
const notice = (n) => ({ orderId: `o-${n}`, status: 'ORDER_STATUS_CONFIRMED', reason: '', atMs: NOW });

export default [
  {
    name: 'holds what became of an order',
    caller: 'shop.v1.Order:o-1',
    when: ['Notify', { orderId: 'o-1', status: 'ORDER_STATUS_VOID', reason: 'OUT_OF_STOCK' }],
    then: {
      events: [['Notified', { orderId: 'o-1', status: 'ORDER_STATUS_VOID', reason: 'OUT_OF_STOCK', atMs: NOW }]],
      reply: {},
      state: { notices: [{ orderId: 'o-1', status: 'ORDER_STATUS_VOID', reason: 'OUT_OF_STOCK', atMs: NOW }] },
    },
  },
  {
    name: 'holds the newest twenty',
    given: Array.from({ length: 20 }, (_, i) => ['Notified', notice(i)]),
    caller: 'shop.v1.Order:o-20',
    when: ['Notify', { orderId: 'o-20', status: 'ORDER_STATUS_CONFIRMED' }],
    then: { state: { notices: Array.from({ length: 20 }, (_, i) => notice(i + 1)) } },
  },
  { name: 'believes nobody but the order', caller: 'ada', when: ['Notify', { orderId: 'o-1' }], then: { rejected: 'NOT_THE_ORDER' } },
];
