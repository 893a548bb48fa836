/** A comparison for terminals. Pure. */

import { printable } from '../../runtime/cli/terminal.ts';
import { isWorse, type CaseComparison, type Change, type Comparison, type ReportName, type Verdict } from './compare.ts';
import { UNKNOWN, changeText, quantity, rangeText, withUnit } from './numbers.ts';
import type { Spread } from './summary.ts';
import { table } from './table.ts';

export function renderComparison(comparison: Comparison): string {
  const parts = [
    [`old: ${nameText(comparison.old)}`, `new: ${nameText(comparison.new)}`].map(printable).join('\n'),
    comparison.warnings.map((text) => `warning: ${printable(text)}`).join('\n'),
    ...comparison.cases.map(caseText),
    [...only('old', comparison.onlyInOld), ...only('new', comparison.onlyInNew)].join('\n'),
    verdictText(comparison),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function nameText({ at, workload, args }: ReportName): string {
  return `${workload}, ${at}: ${args.join(' ')}`;
}

function caseText(one: CaseComparison): string {
  const head = printable(`${one.id}${one.isBaseline ? ' (baseline)' : ''}: ${shown(one.verdict)}${one.note === '' ? '' : `, ${one.note}`}`);
  if (one.changes.length === 0) return head;
  return `${head}\n${table(['  measure', 'old', 'lowest..highest', 'new', 'lowest..highest', 'change', 'noise', 'verdict', ''], one.changes.map(row))}`;
}

function row(one: Change): string[] {
  const noise = one.noisePercent === null ? UNKNOWN : `${one.noisePercent.toFixed(1)} %`;
  return [`  ${one.measure}`, median(one.old, one.unit), rangeText(one.old), median(one.new, one.unit), rangeText(one.new), one.percent === null ? UNKNOWN : changeText(one.percent), noise, shown(one.verdict), one.note];
}

function median(spread: Spread | null, unit: string): string {
  return spread === null ? UNKNOWN : withUnit(quantity(spread.median), unit);
}

/** What fails a build is seen from afar. */
function shown(verdict: Verdict): string {
  return verdict === 'worse' ? 'WORSE' : verdict;
}

function only(which: string, ids: readonly string[]): string[] {
  return ids.map((id) => `only in the ${which} report: ${printable(id)}`);
}

function verdictText(comparison: Comparison): string {
  const { cases, noiseFloors } = comparison;
  const counts = (['worse', 'better', 'within the noise', 'not judged'] as const).map((verdict) => `${cases.filter((one) => one.verdict === verdict).length} ${verdict}`);
  const rule = `A change counts when it exceeds the larger spread of the rounds of both, and ${noiseFloors.percent} % (${noiseFloors.fewRoundsPercent} % with fewer than three rounds).`;
  return `${cases.length} cases in both: ${counts.join(', ')}. ${rule}\n${isWorse(comparison) ? 'WORSE than before.' : 'No case is worse.'}`;
}
