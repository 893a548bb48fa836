import { defineActor } from 'troupe';

export default defineActor('bench.v1.Document', {
  initialState: () => ({ value: 0 }),
  decide: {
    Increment(state, { by, content }, ctx) {
      ctx.emit('DocumentIncremented', { by, content });
      return { value: state.value + by };
    },
  },
  evolve: {
    DocumentIncremented: (state, { by, content }) => ({ value: state.value + by, content }),
  },
});
