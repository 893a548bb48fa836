import { defineActor } from 'troupe';

export default defineActor('timers.v1.Pacer', {
  initialState: () => ({ beats: 0 }),
  decide: {
    Arm(state, { count, in: first, apart }, ctx) {
      for (let i = 0; i < count; i++) ctx.timer(`t${i}`, { in: first + i * apart }, 'Beat', {});
      return {};
    },
    Beat(state, command, ctx) {
      ctx.emit('Beaten', {});
      return { beats: state.beats + 1 };
    },
  },
  evolve: {
    Beaten: (state) => ({ beats: state.beats + 1 }),
  },
});
