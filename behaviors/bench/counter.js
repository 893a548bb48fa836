import { defineActor } from 'troupe';

export default defineActor('bench.v1.Counter', {
  initialState: () => ({ value: 0 }),
  decide: {
    Increment(state, command, ctx) {
      ctx.emit('Incremented', { by: command.by });
      return { value: state.value + command.by };
    },
  },
  evolve: {
    Incremented: (state, event) => ({ value: state.value + event.by }),
  },
});
