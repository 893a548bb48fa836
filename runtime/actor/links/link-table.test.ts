/** The table of one actor's links against a list of objects: who stood when, as seen from any position, whatever is kept for whom. */

import t from 'tap';

import { Random } from '../testing/random-actor.ts';
import { keyOfLink, LinkTable } from './link-table.ts';

interface ModelLink {
  readonly key: number;
  readonly from: number;
  /** Position of the unlink; 0 while it stands. */
  until: number;
}

t.test('who stood at a position is what a plain list says, as long as somebody needs to know', async (t) => {
  let asked = 0;
  let passed = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    let table = new LinkTable();
    const links: ModelLink[] = [];
    let position = 0;
    // What ended behind this position is still needed; with 0, everything is.
    let neededFrom = 0;
    const isNeeded = (_linkedAt: number, unlinkedAt: number): boolean => unlinkedAt > neededFrom;
    for (let step = 0; step < 400; step++) {
      const what = random.below(100);
      const standing = links.filter(({ until }) => until === 0);
      if (what < 40) {
        const link = { key: keyOfLink(step + 1, random.below(8)), from: ++position, until: 0 };
        links.push(link);
        table.add(link.from, link.key, '');
      } else if (what < 65 && standing.length > 0) {
        const link = random.pick(standing);
        link.until = ++position;
        if (!table.end(link.key, '', position, isNeeded)) t.fail(`seed ${seed}, step ${step}: there is no link ${link.key}`);
      } else if (what < 70) {
        neededFrom += random.below(position - neededFrom + 1);
        table.sweep(isNeeded);
      } else if (what < 73) {
        const again = new LinkTable();
        table.each((at, key, end) => again.restore(at, key, end, ''));
        table = again;
      } else {
        // Any position that somebody may still ask about: before what has gone, one cannot know.
        const at = random.below(4) === 0 ? Infinity : neededFrom + random.below(position - neededFrom + 3);
        const after = random.below(position + 1);
        const max = 1 + random.below(20);
        const wanted = links.filter(({ from, until }) => from < at && from > after && (until === 0 || until > at)).slice(0, max).map(({ from }) => from);
        const found = table.standingAt(at, after, max);
        if (found.join() !== wanted.join()) {
          t.fail(`seed ${seed}, step ${step}: at ${at} behind ${after} stood ${found.join()} instead of ${wanted.join()}`);
          return;
        }
        asked++;
        if (at !== Infinity && links.some(({ from, until }) => from < at && from > after && until > neededFrom && until <= at)) passed++;
      }
    }
  }
  t.ok(asked > 4_000 && passed > 1_000, `${asked} times asked, ${passed} times with a kept link between that had ended by then`);
});
