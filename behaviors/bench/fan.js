import { defineActor } from 'troupe';

/** The fan c-5 sends to the counters c-6, c-103, c-200 and so on, of 10,000. bench/oracle/effects.ts computes the same. */
const COUNTERS = 10_000;
const STEP = 97;
const FAN_OUT = 10;

export default defineActor('bench.v1.Fan', {
  initialState: () => ({ value: 0 }),
  decide: {
    Increment(state, { by, fanOut }, ctx) {
      const first = Number(ctx.id.slice(2)) + 1;
      ctx.emit('FanIncremented', { by });
      for (let i = 0; i < (fanOut || FAN_OUT); i++) ctx.send(`bench.v1.Counter:c-${(first + i * STEP) % COUNTERS}`, 'Increment', { by });
      return { value: state.value + by };
    },
  },
  evolve: {
    FanIncremented: (state, { by }) => ({ value: state.value + by }),
  },
});
