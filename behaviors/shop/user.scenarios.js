const ada = { name: 'Ada', email: 'ada@example.org' };
const home = { recipient: 'Ada', street: 'Rua Um 1', postcode: '1000-001', city: 'Lisboa', country: 'PT' };
const registered = ['UserRegistered', ada];
const added = (addressId) => ['AddressAdded', { addressId, address: home }];

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
];
