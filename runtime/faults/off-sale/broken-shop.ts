/** The shop's behaviours with one mistake in them, so that the checks of a run can be seen to fail. */

import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { SHOP_BEHAVIORS } from '../node-process.ts';

interface Mistake {
  readonly file: string;
  readonly right: string;
  readonly wrong: string;
}

const mistakes = {
  /** Money for an order that is void is kept. */
  refund: { file: 'payment.js', right: "ctx.emit('PaymentRefunded', { amount: state.amount, reason });\n      return 'PAYMENT_STATUS_REFUNDED';", wrong: 'return state.status;' },
  /** An order is void twice. */
  void: { file: 'order.js', right: "ctx.emit('OrderVoided', { reason, ...concerned(state) });", wrong: "for (let i = 0; i < 2; i++) ctx.emit('OrderVoided', { reason, ...concerned(state) });" },
} as const satisfies Record<string, Mistake>;

export type Break = keyof typeof mistakes;

export const breaks = Object.keys(mistakes) as readonly Break[];

/** Writes them below `directory`, with the schemas they need; answers where they are. */
export function breakShop(what: Break, directory: string): string {
  const { file, right, wrong }: Mistake = mistakes[what];
  const broken = join(directory, 'behaviors/shop');
  cpSync(SHOP_BEHAVIORS, broken, { recursive: true });
  cpSync(join(SHOP_BEHAVIORS, '../../proto'), join(directory, 'proto'), { recursive: true });
  const text = readFileSync(join(broken, file), 'utf8');
  if (!text.includes(right)) throw new Error(`${file} has no ${right}: nothing would be broken`);
  writeFileSync(join(broken, file), text.replace(right, wrong));
  return broken;
}
