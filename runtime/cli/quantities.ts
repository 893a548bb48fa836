/** Quantities as a person reads them in a table. What is not known is a dash. */

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const UNKNOWN = '-';

/** "812 B", "1.5 MiB". */
export function bytesText(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return UNKNOWN;
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function countText(count: number | null | undefined): string {
  return count === null || count === undefined ? UNKNOWN : String(count);
}

/** "4 s", "12 min", "3 h", "9 d". */
export function ageText(ms: number): string {
  const steps = [[86_400_000, 'd'], [3_600_000, 'h'], [60_000, 'min']] as const;
  for (const [unitMs, unit] of steps) if (ms >= unitMs) return `${Math.floor(ms / unitMs)} ${unit}`;
  return `${Math.max(0, Math.floor(ms / 1_000))} s`;
}

/** Per second. What is less than ten keeps a digit behind the point: a little is not nothing. */
export function rateText(rate: number | null | undefined): string {
  if (rate === null || rate === undefined) return UNKNOWN;
  if (rate > 0 && rate < 0.05) return '<0.1';
  return rate === 0 || rate >= 9.95 ? String(Math.round(rate)) : rate.toFixed(1);
}
