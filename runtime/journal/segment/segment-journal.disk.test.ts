import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import { journalContract } from '../contract.ts';
import { realDisk } from '../sealed/disk.ts';
import type { Disk } from '../sealed/disk.ts';
import { DirectSealer } from './direct-sealer.ts';
import { createSegmentJournal } from './segment-journal.ts';
import type { SegmentJournalSeams } from './segment-journal.ts';

interface Setup {
  readonly name: string;
  readonly segmentFileBytes: number;
  readonly seams: Partial<SegmentJournalSeams>;
  readonly seeds: readonly number[];
}

const sealer = (): DirectSealer => new DirectSealer(realDisk);
/** As where files cannot be written past the page cache. */
const cached: Disk = { ...realDisk, blocksOf: () => ({ bytes: 512, direct: false }) };
const setups: Setup[] = [
  { name: 'one log file', segmentFileBytes: 4 * 1024 * 1024, seams: {}, seeds: [1] },
  { name: 'files sealed all the time, on this thread', segmentFileBytes: 6 * 1024, seams: { sealer }, seeds: [2, 3, 4, 5] },
  { name: 'files sealed in a worker', segmentFileBytes: 48 * 1024, seams: {}, seeds: [6] },
  { name: 'through the page cache', segmentFileBytes: 6 * 1024, seams: { sealer, disk: cached }, seeds: [8, 9] },
  { name: 'no commit on the calling thread', segmentFileBytes: 6 * 1024, seams: { sealer, inlineCommit: false, idleMs: 1 }, seeds: [7] },
];

for (const { name, segmentFileBytes, seams, seeds } of setups) {
  await t.test(`the contract: ${name}`, async (t) => {
    await journalContract(t, {
      place() {
        const directory = mkdtempSync(join(tmpdir(), 'troupe-journal-'));
        const onWarning = (message: string): void => void t.fail(message);
        return {
          journal: () => createSegmentJournal({ directory, segmentFileBytes, onWarning }, seams),
          remove: async () => rmSync(directory, { recursive: true, force: true }),
        };
      },
      seeds,
      stepsPerSeed: 150,
    });
  });
}
