import { defineActor } from 'troupe';

export default defineActor('links.v1.Leaf', {
  initialState: () => ({ heard: 0 }),
  decide: {
    Join(state, { hub }, ctx) {
      ctx.link(hub);
      return {};
    },
    Leave(state, { hub }, ctx) {
      ctx.unlink(hub);
      return {};
    },
    Hear(state, command, ctx) {
      ctx.emit('Heard', {});
      return { heard: state.heard + 1 };
    },
  },
  evolve: {
    Heard: (state) => ({ heard: state.heard + 1 }),
  },
});
