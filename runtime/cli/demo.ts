/** `troupe demo shop`: the shop's whole story against a running node, and whether anything is missing at its end. */

import path from 'node:path';

import type { Command } from 'commander';

import { connect } from '../client/client.ts';
import type { Conservation } from '../demo/shop-conservation.ts';
import { ShopStory } from '../demo/shop-story.ts';
import type { StoryCounts, StoryView } from '../demo/shop-story.ts';
import { AdminClient } from './admin-client.ts';
import { exitCodes } from './exit-codes.ts';
import { withClient } from './gateway-client.ts';
import { localFolder } from './local-folder.ts';
import { nodeOptions, withAdmin, withGateway, withJson, withToken } from './node-options.ts';
import type { NodeOptions } from './node-options.ts';
import { wholeNumber } from './send.ts';
import { table, type Terminal } from './terminal.ts';

const shopFolder = path.join(import.meta.dirname, '../../behaviors/shop');
const PAYMENT_TIME_SECONDS = 2;
const VIOLATIONS_SHOWN = 20;
const REDRAW_MS = 200;
const LINE_MS = 1_000;
/** Longer than anything in the story takes to happen. */
const STILL_MAX_MS = 5_000;

export function addDemo(program: Command, terminal: Terminal): void {
  const demo = program.command('demo').description('run a story against a running node');
  const command = demo.command('shop').description('orders, payments, expiry and a product that goes off sale; checks at the end that nothing is missing');
  withJson(withToken(withAdmin(withGateway(command))))
    .option('--seconds <n>', 'how long customers come in', '5')
    .option('--clients <n>', 'customers at a time, each with a connection', '8')
    .option('--settle <seconds>', 'how long all may take to come to rest afterwards', '30');
  command.action(async (options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    const seconds = wholeNumber(options['seconds'], '--seconds');
    const clients = wholeNumber(options['clients'], '--clients');
    const settleMs = wholeNumber(options['settle'], '--settle') * 1_000;
    await bringShop(node, terminal);
    const run = Date.now().toString(36);
    const view = new LiveView(terminal, process.stderr.isTTY === true && !node.json, node.url);
    const found = await withClient(node, async (main) => {
      const others = Array.from({ length: clients }, () => connect(node.url, node.token === undefined ? {} : { token: node.token }));
      view.start();
      try {
        return await new ShopStory(main, others, view, { run, seconds, clients, settleMs, paymentTimeSeconds: PAYMENT_TIME_SECONDS, random: Math.random }).play();
      } finally {
        view.stop();
        for (const other of others) other.close();
      }
    });
    if (node.json) terminal.data(JSON.stringify({ run, holds: found.violations.length === 0, ...found }));
    else terminal.data(conservationText(found));
    if (found.violations.length > 0) process.exitCode = exitCodes.failed;
    else if (!node.json) terminal.talk(`look closer:  troupe get shop.v1.User:'{u-${run}-0}'   troupe events shop.v1.Order:o-${run}-1`);
  });
}

/** What is in service stays, also when it is not what lies in the folder: perhaps somebody is just trying it out. */
async function bringShop(node: NodeOptions, terminal: Terminal): Promise<void> {
  const { packDirectory } = await import('../bundle/pack.ts');
  const { parseBundle, protoFiles } = await import('../bundle/bundle.ts');
  const { actorSchemas, loadSchema } = await import('../bundle/schema.ts');
  const admin = new AdminClient(node);
  const served = new Set((await admin.behaviors()).map(({ type }) => type));
  const packed = await localFolder(packDirectory(shopFolder));
  const wanted = [...actorSchemas(loadSchema(protoFiles(parseBundle(packed.content))))].map(({ type }) => type);
  if (wanted.every((type) => served.has(type))) return;
  await admin.deploy(packed.content);
  terminal.talk(`behaviors/shop is in service now: ${wanted.length} actor types, bundle ${packed.hash.slice(0, 8)}`);
}

/** One line that is drawn again and again, or, where nobody looks on, a line a second; and a word when nothing happens any more. */
class LiveView implements StoryView {
  readonly counts: StoryCounts = { placed: 0, reserved: 0, confirmed: 0, expired: 0, void: new Map(), payments: 0 };
  private readonly terminal: Terminal;
  private readonly isDrawn: boolean;
  private timer: NodeJS.Timeout | null = null;
  private readonly url: string;
  private readonly stillness = new Stillness(performance.now());
  private shown = '';

  constructor(terminal: Terminal, isDrawn: boolean, url: string) {
    this.terminal = terminal;
    this.isDrawn = isDrawn;
    this.url = url;
  }

  start(): void {
    this.timer = setInterval(() => this.draw(), this.isDrawn ? REDRAW_MS : LINE_MS);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.draw();
    if (this.isDrawn) process.stderr.write('\n');
  }

  tell(line: string): void {
    if (this.isDrawn) process.stderr.write('\r\x1b[K');
    this.terminal.talk(line);
    this.shown = '';
  }

  private draw(): void {
    const line = countsText(this.counts);
    if (this.stillness.begins(line, performance.now())) this.tell(`nothing has happened for ${STILL_MAX_MS / 1_000} s: does ${this.url} answer? The customers go on trying`);
    if (line === this.shown) return;
    this.shown = line;
    if (this.isDrawn) process.stderr.write(`\r\x1b[K${line.slice(0, Math.max(20, (process.stderr.columns ?? 80) - 1))}`);
    else this.terminal.talk(line);
  }
}

/** The customers wait through an outage, which without a word would look like a story that hangs. */
export class Stillness {
  private line = '';
  private sinceMs: number;
  private isTold = false;

  constructor(nowMs: number) {
    this.sinceMs = nowMs;
  }

  /** True once for each time in which the line stays as it is for too long. */
  begins(line: string, nowMs: number): boolean {
    if (line !== this.line) {
      this.line = line;
      this.sinceMs = nowMs;
      this.isTold = false;
    }
    if (this.isTold || nowMs - this.sinceMs <= STILL_MAX_MS) return false;
    this.isTold = true;
    return true;
  }
}

export function countsText({ placed, reserved, confirmed, expired, payments, void: reasons }: StoryCounts): string {
  const voided = [...reasons].sort(([a], [b]) => (a < b ? -1 : 1)).map(([reason, count]) => ` ${count} void (${reason})`);
  return `${placed} placed  ${reserved} reserved  ${payments} payments | ${confirmed} confirmed  ${expired} expired ${voided.join(' ')}`.trimEnd();
}

export function conservationText({ totals, violations }: Conservation): string {
  const { stock, orders, money, payments } = totals;
  const text = [
    table(['', 'IN', 'OUT', 'DIFFERENCE'], [
      ['stock', `${stock.stocked} put in`, `${stock.available} available + ${stock.reserved} reserved + ${stock.sold} sold`, String(stock.stocked - stock.available - stock.reserved - stock.sold)],
      ['money', `${money.captured} captured - ${money.refunded} refunded`, `${money.paid} paid for orders`, String(money.captured - money.refunded - money.paid)],
      ['orders', `${sum(orders)} placed`, `${orders.CONFIRMED} confirmed + ${orders.EXPIRED} expired + ${orders.VOID} void`, String(sum(orders) - orders.CONFIRMED - orders.EXPIRED - orders.VOID)],
      ['payments', `${sum(payments)} made`, `${payments.CAPTURED} kept + ${payments.REFUNDED} refunded + ${payments.FAILED} never taken`, String(sum(payments) - payments.CAPTURED - payments.REFUNDED - payments.FAILED)],
    ]),
    '',
  ];
  if (violations.length === 0) text.push('nothing is missing');
  else {
    text.push(`${violations.length} violations:`);
    for (const { rule, what } of violations.slice(0, VIOLATIONS_SHOWN)) text.push(`  ${rule.padEnd(11)}  ${what}`);
    if (violations.length > VIOLATIONS_SHOWN) text.push(`  and ${violations.length - VIOLATIONS_SHOWN} more`);
  }
  return text.join('\n');
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, count) => all + count, 0);
}
