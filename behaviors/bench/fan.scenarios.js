export default [
  {
    name: 'counts, and passes each increment on to ten counters',
    actor: 'c-9999',
    given: [['FanIncremented', { by: 2 }]],
    when: ['Increment', { by: 3 }],
    then: {
      events: [['FanIncremented', { by: 3 }]],
      reply: { value: 5 },
      state: { value: 5 },
      sends: [0, 6, 30, 126, 498, 996, 1998, 3000, 5002, 7000].map((to) => [`bench.v1.Counter:c-${to}`, 'Increment', { by: 3 }]),
    },
  },
];
