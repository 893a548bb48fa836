const ada = { name: 'Ada', email: 'ada@example.org' };
const home = { recipient: 'Ada', street: 'Rua Um 1', postcode: '1000-001', city: 'Lisboa', country: 'PT' };
const registered = ['UserRegistered', ada];
const added = (addressId) => ['AddressAdded', { addressId, address: home }];
const noted = (orderId) => ['OrderNoted', { orderId, total: 900, placedMs: 5 }];
const awaiting = (orderId) => ({ orderId, status: 'ORDER_STATUS_AWAITING_PAYMENT', total: 900, placedMs: 5 });

export default [
  {
    name: 'registers a user',
    actor: 'u-1',
    when: ['RegisterUser', ada],
    then: { events: [registered], reply: { userId: 'u-1' }, state: { registered: true, ...ada } },
  },
  { name: 'registers only once', given: [registered], when: ['RegisterUser', ada], then: { rejected: 'ALREADY_REGISTERED' } },
  { name: 'wants a name', when: ['RegisterUser', { ...ada, name: ' ' }], then: { rejected: 'BAD_NAME' } },
  { name: 'bounds the name', when: ['RegisterUser', { ...ada, name: 'a'.repeat(201) }], then: { rejected: 'BAD_NAME' } },
  {
    name: 'takes the longest name and address',
    when: ['RegisterUser', { name: 'a'.repeat(200), email: `a@${'b'.repeat(198)}` }],
    then: { reply: { userId: '1' } },
  },
  { name: 'bounds the e-mail address', when: ['RegisterUser', { name: 'Ada', email: `a@${'b'.repeat(199)}` }], then: { rejected: 'BAD_EMAIL' } },
  { name: 'wants an e-mail address', when: ['RegisterUser', { ...ada, email: 'ada' }], then: { rejected: 'BAD_EMAIL' } },
  {
    name: 'renames a user',
    given: [registered],
    when: ['RenameUser', { name: 'Ada L.' }],
    then: { events: [['UserRenamed', { name: 'Ada L.' }]], reply: {}, state: { registered: true, ...ada, name: 'Ada L.' } },
  },
  { name: 'the same name again changes nothing', given: [registered], when: ['RenameUser', { name: 'Ada' }], then: { events: [], reply: {} } },
  { name: 'renames only to a name', given: [registered], when: ['RenameUser', {}], then: { rejected: 'BAD_NAME' } },
  { name: 'renames nobody unknown', when: ['RenameUser', { name: 'Ada' }], then: { rejected: 'NOT_FOUND' } },
  {
    name: 'adds an address',
    given: [registered],
    when: ['AddAddress', { address: home }],
    then: {
      events: [added(1)],
      reply: { addressId: 1 },
      state: { registered: true, ...ada, addresses: { 1: home }, lastAddressId: 1 },
    },
  },
  {
    name: 'never gives out the number of an address again',
    given: [registered, added(1), ['AddressRemoved', { addressId: 1 }]],
    when: ['AddAddress', { address: home }],
    then: { events: [added(2)], reply: { addressId: 2 }, state: { registered: true, ...ada, addresses: { 2: home }, lastAddressId: 2 } },
  },
  { name: 'adds an address to nobody unknown', when: ['AddAddress', { address: home }], then: { rejected: 'NOT_FOUND' } },
  { name: 'wants an address', given: [registered], when: ['AddAddress', {}], then: { rejected: 'BAD_ADDRESS' } },
  {
    name: 'takes the longest street',
    given: [registered],
    when: ['AddAddress', { address: { ...home, street: 'a'.repeat(200) } }],
    then: { reply: { addressId: 1 } },
  },
  {
    name: 'wants a country code',
    given: [registered],
    when: ['AddAddress', { address: { ...home, country: 'Portugal' } }],
    then: { rejected: 'BAD_ADDRESS' },
  },
  {
    name: 'bounds the number of addresses',
    given: [registered, ...Array.from({ length: 20 }, (_, i) => added(i + 1))],
    when: ['AddAddress', { address: home }],
    then: { rejected: 'TOO_MANY_ADDRESSES' },
  },
  {
    name: 'removes an address',
    given: [registered, added(1), added(2)],
    when: ['RemoveAddress', { addressId: 1 }],
    then: {
      events: [['AddressRemoved', { addressId: 1 }]],
      state: { registered: true, ...ada, addresses: { 2: home }, lastAddressId: 2 },
    },
  },
  { name: 'removes no address that is not there', given: [registered], when: ['RemoveAddress', { addressId: 7 }], then: { rejected: 'ADDRESS_NOT_FOUND' } },
  { name: 'removes no address of nobody', when: ['RemoveAddress', { addressId: 1 }], then: { rejected: 'NOT_FOUND' } },

  {
    name: 'notes an order, registered or not',
    caller: 'shop.v1.Order:o-1',
    when: ['NoteOrder', { orderId: 'o-1', total: 900, placedMs: 5 }],
    then: { events: [noted('o-1')], reply: {}, state: { orders: [awaiting('o-1')] } },
  },
  { name: 'notes no order that somebody makes up', caller: 'ada', when: ['NoteOrder', { orderId: 'o-1' }], then: { rejected: 'NOT_THE_ORDER' } },
  {
    name: 'keeps the newest hundred orders',
    given: Array.from({ length: 100 }, (_, i) => noted(`o-${i}`)),
    caller: 'shop.v1.Order:o-100',
    when: ['NoteOrder', { orderId: 'o-100', total: 900, placedMs: 5 }],
    then: { state: { orders: Array.from({ length: 100 }, (_, i) => awaiting(`o-${i + 1}`)) } },
  },
  {
    name: 'notes how an order goes on',
    given: [noted('o-1'), noted('o-2')],
    caller: 'shop.v1.Order:o-1',
    when: ['NoteOrderStatus', { orderId: 'o-1', status: 'ORDER_STATUS_PAID' }],
    then: {
      events: [['OrderStatusNoted', { orderId: 'o-1', status: 'ORDER_STATUS_PAID' }]],
      state: { orders: [{ ...awaiting('o-1'), status: 'ORDER_STATUS_PAID' }, awaiting('o-2')] },
    },
  },
  {
    name: 'an order that is forgotten is not remembered for its end',
    given: Array.from({ length: 101 }, (_, i) => noted(`o-${i}`)),
    caller: 'shop.v1.Order:o-0',
    when: ['NoteOrderStatus', { orderId: 'o-0', status: 'ORDER_STATUS_EXPIRED' }],
    then: { events: [], reply: {} },
  },
  { name: 'notes no status that somebody makes up', given: [noted('o-1')], caller: 'ada', when: ['NoteOrderStatus', { orderId: 'o-1' }], then: { rejected: 'NOT_THE_ORDER' } },

  {
    name: 'notes an address that is an actor of its own',
    actor: '{u-1}',
    caller: 'shop.v1.Address:{u-1}/home',
    when: ['NoteAddress', { name: 'home' }],
    then: { events: [['AddressNoted', { name: 'home' }]], state: { addressNames: ['home'] } },
  },
  {
    name: 'notes it once',
    actor: '{u-1}',
    given: [['AddressNoted', { name: 'home' }]],
    caller: 'shop.v1.Address:{u-1}/home',
    when: ['NoteAddress', { name: 'home' }],
    then: { events: [] },
  },
  {
    name: 'notes that it is gone',
    actor: '{u-1}',
    given: [['AddressNoted', { name: 'home' }], ['AddressNoted', { name: 'work' }]],
    caller: 'shop.v1.Address:{u-1}/home',
    when: ['NoteAddress', { name: 'home', gone: true }],
    then: { events: [['AddressNoted', { name: 'home', gone: true }]], state: { addressNames: ['work'] } },
  },
  {
    name: 'lists at most twenty of them',
    actor: '{u-1}',
    given: Array.from({ length: 20 }, (_, i) => ['AddressNoted', { name: `a-${i}` }]),
    caller: 'shop.v1.Address:{u-1}/home',
    when: ['NoteAddress', { name: 'home' }],
    then: { events: [] },
  },
  { name: 'notes no address of another user', actor: '{u-1}', caller: 'shop.v1.Address:{u-2}/home', when: ['NoteAddress', { name: 'home' }], then: { rejected: 'NOT_THE_ADDRESS' } },
];
