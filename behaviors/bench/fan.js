import { defineActor } from 'troupe';

/** The fan c-5 sends to the counters c-6, c-12, c-36 and so on, of 10,000. bench/counter/effects.ts counts on it. */
const OFFSETS = [1, 7, 31, 127, 499, 997, 1999, 3001, 5003, 7001];
const COUNTERS = 10_000;

export default defineActor('bench.v1.Fan', {
  initialState: () => ({ value: 0 }),
  decide: {
    Increment(state, { by }, ctx) {
      const own = Number(ctx.id.slice(2));
      ctx.emit('FanIncremented', { by });
      for (const offset of OFFSETS) ctx.send(`bench.v1.Counter:c-${(own + offset) % COUNTERS}`, 'Increment', { by });
      return { value: state.value + by };
    },
  },
  evolve: {
    FanIncremented: (state, { by }) => ({ value: state.value + by }),
  },
});
