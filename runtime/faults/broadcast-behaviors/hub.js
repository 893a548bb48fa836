import { defineActor } from 'troupe';

export default defineActor('links.v1.Hub', {
  initialState: () => ({ told: 0 }),
  decide: {
    Tell(state, command, ctx) {
      ctx.emit('Told', {});
      ctx.broadcast('Hear', {});
      return {};
    },
  },
  evolve: {
    Told: (state) => ({ told: state.told + 1 }),
  },
});
