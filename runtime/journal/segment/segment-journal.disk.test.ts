import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import { journalContract } from '../contract.ts';
import { createSegmentJournal } from './segment-journal.ts';

for (const inlineCommit of [true, false]) {
  await t.test(`the contract, inline commit ${inlineCommit}`, async (t) => {
    await journalContract(t, {
      place() {
        const directory = mkdtempSync(join(tmpdir(), 'troupe-journal-'));
        return {
          journal: () => createSegmentJournal({ directory, segmentFileBytes: 64 * 1024 }, { inlineCommit }),
          remove: async () => rmSync(directory, { recursive: true, force: true }),
        };
      },
      seeds: inlineCommit ? [1, 2, 3] : [4],
      stepsPerSeed: 150,
    });
  });
}
