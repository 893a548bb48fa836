const passedOn = (by, counters) => counters.map((to) => [`bench.v1.Counter:c-${to}`, 'Increment', { by }]);

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
      sends: passedOn(3, [0, 97, 194, 291, 388, 485, 582, 679, 776, 873]),
    },
  },
  { name: 'or to as many as it is told', actor: 'c-5', when: ['Increment', { by: 1, fanOut: 2 }], then: { sends: passedOn(1, [6, 103]) } },
];
