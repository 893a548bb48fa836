import { defineActor } from 'troupe';

export default defineActor('hostile.v1.Thrower', {
  initialState: () => ({}),
  decide: {
    ThrowerRun() {
      const error = new Error('look at my stack');
      Object.defineProperty(error, 'stack', { get() { for (;;); } });
      throw error;
    },
  },
  evolve: {
    ThrowerRan: (state) => state,
  },
});
