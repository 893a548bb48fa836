export default [
  {
    name: 'counts, and keeps the newest content',
    given: [['DocumentIncremented', { by: 2, content: Uint8Array.of(1, 2) }]],
    when: ['Increment', { by: 3, content: Uint8Array.of(3, 4) }],
    then: { events: [['DocumentIncremented', { by: 3, content: Uint8Array.of(3, 4) }]], reply: { value: 5 }, state: { value: 5, content: Uint8Array.of(3, 4) } },
  },
];
