export default [
  {
    name: 'counts',
    given: [['Incremented', { by: 2 }], ['Incremented', { by: 3 }]],
    when: ['Increment', { by: 4 }],
    then: { events: [['Incremented', { by: 4 }]], reply: { value: 9 }, state: { value: 9 } },
  },
];
