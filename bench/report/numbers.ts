/** Numbers as people read them. What is not known is a dash. */

import type { Spread } from './summary.ts';

export const UNKNOWN = '-';

/** Three digits that count, thousands apart: `601,432`, `12.3`, `0.104`, `0`. */
export function quantity(value: number | null): string {
  if (value === null) return UNKNOWN;
  const size = Math.abs(value);
  if (size >= 99.95) return whole(value);
  if (size >= 9.995) return value.toFixed(1);
  if (size >= 0.9995) return value.toFixed(2);
  return size < 0.0005 ? (value === 0 ? '0' : value.toExponential(1)) : value.toFixed(3);
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

export function optional(value: number | null, digits: number): string {
  return value === null ? UNKNOWN : value.toFixed(digits);
}

/** Of one round there is no range. */
export function rangeText(spread: Spread | null, text: (value: number) => string = quantity): string {
  return spread === null || spread.rounds < 2 ? UNKNOWN : `${text(spread.lowest)}..${text(spread.highest)}`;
}

/** `+12.3 %`, `−4.0 %`. */
export function changeText(percent: number): string {
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(1)} %`;
}

export function withUnit(text: string, unit: string): string {
  return unit === '' ? text : `${text} ${unit}`;
}
