import { defineActor } from 'troupe';

export default defineActor('hostile.v1.Allocator', {
  initialState: () => ({}),
  decide: {
    AllocatorRun() {
      const kept = [];
      for (;;) kept.push(new Array(100_000).fill(kept.length));
    },
  },
  evolve: {
    AllocatorRan: (state) => state,
  },
});
