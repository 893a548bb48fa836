/**
 * Counts what a TAP stream says, for the closing line of `npm test`. Only leaves count: a line that sums up a subtest or a
 * whole file is not an assertion of its own, unless it failed without a failed assertion under it (a crash, a missing plan).
 */

export interface TapCount {
  passed: number;
  failed: number;
  skipped: number;
}

const point = /^( *)(not )?ok\b(?: \d+)?(.*)$/;
const INDENT = 4;

interface Level {
  /** Points seen at this depth since the last point one level above. */
  points: number;
  failed: number;
}

export function countTap(text: string): TapCount {
  const count: TapCount = { passed: 0, failed: 0, skipped: 0 };
  const levels: Level[] = [];
  let yamlIndent = -1;
  for (const line of text.split('\n')) {
    const indent = line.length - line.trimStart().length;
    // Diagnostics may hold anything, test points included.
    if (yamlIndent >= 0) {
      if (indent === yamlIndent && line.trim() === '...') yamlIndent = -1;
      continue;
    }
    if (line.trim() === '---') {
      yamlIndent = indent;
      continue;
    }
    const match = point.exec(line);
    if (match !== null && indent % INDENT === 0) take(count, levels, indent / INDENT, match[2] !== undefined, match[3] ?? '');
    else if (line.startsWith('Bail out!')) count.failed++;
  }
  return count;
}

function take(count: TapCount, levels: Level[], depth: number, notOk: boolean, rest: string): void {
  const under = levels[depth + 1];
  levels.length = Math.min(levels.length, depth + 1);
  while (levels.length <= depth) levels.push({ points: 0, failed: 0 });
  const level = levels[depth]!;
  const excused = /# *(skip|todo)\b/i.test(rest);
  const isParent = under !== undefined && under.points > 0;
  const failed = notOk && !excused;
  level.points++;
  if (failed) level.failed++;
  if (isParent) {
    if (failed && under.failed === 0) count.failed++;
  } else if (failed) count.failed++;
  else if (excused) count.skipped++;
  else count.passed++;
}
