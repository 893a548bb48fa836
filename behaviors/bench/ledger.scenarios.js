export default [
  {
    name: 'names every token in an event of its own',
    when: ['Append', { token: 'a' }],
    then: { events: [['Appended', { token: 'a' }]], reply: { count: 1, checksum: 0xe40c292c }, state: { count: 1, checksum: 0xe40c292c } },
  },
  {
    name: 'knows how many there were, and in which order',
    given: [['Appended', { token: 'fo' }], ['Appended', { token: 'o' }]],
    when: ['Append', { token: 'bar' }],
    then: { reply: { count: 3, checksum: 0xbf9cf968 } },
  },
  { name: 'wants a token', when: ['Append', {}], then: { rejected: 'NO_TOKEN' } },
];
