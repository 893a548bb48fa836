/**
 * A shop that is open on a cluster while faults strike: its load over all gateways, and the proof that every message between its actors had
 * its effect once (runtime/faults/messages/messages-check.ts), by the logs as Redis has them.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { BucketId } from '../../runtime/codec/address.ts';
import type { Findings } from '../../runtime/faults/book.ts';
import { CarefulClient } from '../../runtime/faults/messages/careful-client.ts';
import type { Cut } from '../../runtime/faults/messages/channels-check.ts';
import { MessagesCheck } from '../../runtime/faults/messages/messages-check.ts';
import type { MessagesFigures } from '../../runtime/faults/messages/messages-check.ts';
import { atRest, compareStates } from '../../runtime/faults/messages/rest.ts';
import { ShopLoad } from '../../runtime/faults/messages/shop-load.ts';
import { SHOP_BEHAVIORS } from '../../runtime/faults/node-process.ts';
import { RespClient } from '../../runtime/testing/resp.ts';
import type { ClusterRig } from './cluster-rig.ts';
import { lookAtBuckets, readStoredLog, standingOf } from './store-log.ts';

export interface ShopBesideOptions {
  readonly ordersPerSecond: number;
  readonly findings: Findings;
  readonly random: () => number;
}

export interface ShopReport {
  readonly orders: number;
  readonly answered: number;
  readonly repeats: number;
  readonly again: Readonly<Record<string, number>>;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly figures: MessagesFigures;
}

const PRODUCTS = 40;
const BURST = 20;
const BURST_MAX_MS = 60;
const CUSTOMERS_MAX = 400;
const PAYMENT_TIME_MAX_SECONDS = 5;
const TIMER_GRACE_MS = 2_000;

export class ShopBeside {
  private readonly rig: ClusterRig;
  private readonly ids: readonly BucketId[];
  private readonly options: ShopBesideOptions;
  private readonly check: MessagesCheck;
  private readonly client: CarefulClient;
  private readonly load: ShopLoad;

  constructor(rig: ClusterRig, ids: readonly BucketId[], options: ShopBesideOptions) {
    const { findings, random, ordersPerSecond } = options;
    this.rig = rig;
    this.ids = ids;
    this.options = options;
    this.check = new MessagesCheck(findings);
    this.client = new CarefulClient({ findings, random, repeatShare: 0.05 });
    this.load = new ShopLoad(this.client, { products: PRODUCTS, ordersPerSecond, customersMax: CUSTOMERS_MAX, paymentTimeMaxSeconds: PAYMENT_TIME_MAX_SECONDS, random });
  }

  async begin(): Promise<void> {
    await this.rig.nodes[0]!.process!.deploy(SHOP_BEHAVIORS);
    for (const { port } of this.rig.nodes) this.client.use(port);
    await this.load.prepare();
    this.open();
  }

  open(): void {
    this.load.open();
  }

  /** Customers come in at once, and a moment later the logs have come so far. */
  async struck(): Promise<Cut> {
    this.load.burst(BURST);
    await sleep(this.options.random() * BURST_MAX_MS);
    return this.cut();
  }

  private async cut(): Promise<Cut> {
    return this.withStore(async (store) => (await lookAtBuckets(store, this.ids)).map((bucket) => bucket?.position ?? 0));
  }

  /** Messages that were sent by then and not taken in. The logs may go on meanwhile. */
  async inFlightAt(cut: Cut): Promise<number> {
    await this.read();
    return this.check.channels.inFlightAt(cut);
  }

  /** Closes the shop, waits until all is at rest, and holds everything against everything. */
  async prove(): Promise<void> {
    const { load, client, check } = this;
    await atRest({ load, client, check, positions: async () => (await this.cut()).join(), read: () => this.read() });
    check.settle({ nowMs: Date.now(), timerGraceMs: TIMER_GRACE_MS }, client.answered);
    await compareStates(check, client);
  }

  get report(): ShopReport {
    const { load, client, check } = this;
    return { orders: load.placed, answered: client.answered.length, repeats: client.repeats, again: client.again, outcomes: check.shop.outcomes, figures: check.figures };
  }

  get text(): string {
    const { orders, outcomes, figures } = this.report;
    return `${orders} orders ${JSON.stringify(outcomes)}, ${figures.sent} messages`;
  }

  close(): void {
    this.load.leave();
    this.client.close();
  }

  /** On from where the logs were read last time. */
  private async read(): Promise<void> {
    const { check, options } = this;
    await this.withStore(async (store) => {
      for (const id of this.ids) {
        const standing = await standingOf(store, id);
        const head = check.headOf(id.index);
        const after = head === null ? null : { position: check.positionOf(id.index), head: { ...head } };
        await check.bucket(id, standing.origin, readStoredLog(store, id, standing, (what) => options.findings.add(what), undefined, after));
      }
    });
  }

  private async withStore<T>(use: (store: RespClient) => Promise<T>): Promise<T> {
    const store = await RespClient.open(this.rig.redis.port, { bytes: true });
    try {
      return await use(store);
    } finally {
      store.close();
    }
  }
}
