import t from 'tap';

import { MemoryControl, MemoryControlStore } from './memory-store.ts';
import { controlContract } from './testing/contract.ts';

await t.test('the contract', async (t) => {
  await controlContract(t, {
    async place() {
      const control = new MemoryControl();
      return { store: () => new MemoryControlStore(control) };
    },
    seeds: [1, 2],
    stepsPerSeed: 200,
  });
});
