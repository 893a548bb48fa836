import { defineActor } from 'troupe';

export default defineActor('hostile.v1.Looper', {
  initialState: () => ({}),
  decide: {
    LooperRun() {
      for (;;);
    },
  },
  evolve: {
    LooperRan: (state) => state,
  },
});
