const home = { recipient: 'Ada', street: 'Rua Um 1', postcode: '1000-001', city: 'Lisboa', country: 'PT' };
const changed = ['AddressChanged', { address: home }];

const scenarios = [
  {
    name: 'is written down, and its user, in the same bucket, is told',
    when: ['ChangeAddress', { address: home }],
    then: { events: [changed], reply: {}, sends: [['shop.v1.User:{u-1}', 'NoteAddress', { name: 'home' }]], state: { address: home } },
  },
  { name: 'the same address again changes nothing', given: [changed], when: ['ChangeAddress', { address: home }], then: { events: [], sends: [] } },
  {
    name: 'another city is another address',
    given: [changed],
    when: ['ChangeAddress', { address: { ...home, city: 'Porto' } }],
    then: { events: [['AddressChanged', { address: { ...home, city: 'Porto' } }]], state: { address: { ...home, city: 'Porto' } } },
  },
  { name: 'is complete', when: ['ChangeAddress', { address: { ...home, city: '' } }], then: { rejected: 'BAD_ADDRESS' } },
  { name: 'is there', when: ['ChangeAddress', {}], then: { rejected: 'BAD_ADDRESS' } },
  { name: 'belongs to a user', actor: 'home', when: ['ChangeAddress', { address: home }], then: { rejected: 'BAD_ID' } },
  { name: 'belongs to a user with a name', actor: '{}/home', when: ['ChangeAddress', { address: home }], then: { rejected: 'BAD_ID' } },
  { name: 'has a name', actor: '{u-1}/', when: ['ChangeAddress', { address: home }], then: { rejected: 'BAD_ID' } },
  {
    name: 'is cleared, and its user is told',
    given: [changed],
    when: ['ClearAddress', {}],
    then: { events: [['AddressCleared', {}]], sends: [['shop.v1.User:{u-1}', 'NoteAddress', { name: 'home', gone: true }]], state: {} },
  },
  { name: 'is cleared once', when: ['ClearAddress', {}], then: { events: [], sends: [] } },
];

export default scenarios.map((scenario) => ({ actor: '{u-1}/home', ...scenario }));
