import t from 'tap';

import { journalContract } from '../contract.ts';
import { createMemoryJournal, MemoryStore } from './memory-journal.ts';

await t.test('the contract', async (t) => {
  await journalContract(t, {
    place() {
      const store = new MemoryStore();
      return { journal: () => createMemoryJournal(store), remove: async () => undefined };
    },
    seeds: [1, 2],
    stepsPerSeed: 200,
  });
});

await t.test('a store has one journal at a time', async (t) => {
  const store = new MemoryStore();
  const journal = createMemoryJournal(store);
  await journal.open();
  await t.rejects(createMemoryJournal(store).open(), { code: 'JOURNAL_LOCKED' });
  await journal.close();
  const next = createMemoryJournal(store);
  await next.open();
  await next.close();
});
