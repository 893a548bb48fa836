/** The admin port over HTTP: deploying, behaviours in service, records, nodes and buckets. */

import { TroupeError } from '../codec/errors.ts';
import type { CauseChain, DeadLetterPage, Deployed, LetterOutcome, LinkedPage, PendingTimer, RecordPlace, RecordRef, RecordView, ServedBehavior } from '../actor/engine.ts';
import { defaults } from '../config/defaults.ts';
import type { BucketView, NodeView, PlannedMove } from '../front.ts';
import type { NodeOptions } from './node-options.ts';
import { fromWire } from './terminal.ts';

/** What the gateway answers to whoever asks it for anything but a WebSocket. */
const UPGRADE_REQUIRED = 426;
const BUNDLE_TYPE = 'application/vnd.troupe.bundle+json';

/** What a node says about all of them. */
export interface View<T> {
  /** How long ago the cluster's store said so last. */
  readonly ageMs: number;
  readonly list: readonly T[];
}

export class AdminClient {
  private readonly node: Pick<NodeOptions, 'admin' | 'token'>;

  constructor(node: Pick<NodeOptions, 'admin' | 'token'>) {
    this.node = node;
  }

  async deploy(bundle: Uint8Array): Promise<Deployed> {
    return (await this.request('/v1/bundles', { method: 'POST', body: bundle, headers: { 'content-type': BUNDLE_TYPE } })) as Deployed;
  }

  async behaviors(): Promise<ServedBehavior[]> {
    return listOf<ServedBehavior>(await this.request('/v1/behaviors'), 'behaviors');
  }

  /** Records with an event of seq >= from, and those without one behind them; the oldest `max`. */
  async records(actor: string, from: number, max: number, areChangesWanted = false): Promise<RecordView[]> {
    const query = new URLSearchParams({ actor, from: String(from), max: String(max), ...(areChangesWanted ? { changes: 'true' } : {}) });
    return listOf<RecordView>(await this.request(`/v1/records?${query}`), 'records');
  }

  /** Still to fire, the next one first. */
  async timers(actor: string): Promise<PendingTimer[]> {
    return listOf<PendingTimer>(await this.request(`/v1/timers?${new URLSearchParams({ actor })}`), 'timers');
  }

  /** Who is linked to an actor, from a position on; at most `max`. */
  async linkedTo(actor: string, from: number, max: number): Promise<LinkedPage> {
    const body = await this.request(`/v1/links?${new URLSearchParams({ actor, from: String(from), max: String(max) })}`);
    const { count, next } = body as Partial<LinkedPage>;
    if (typeof count !== 'number' || typeof next !== 'number') throw new TroupeError('INTERNAL', "the admin port's answer holds no links");
    return { count, next, links: listOf<LinkedPage['links'][number]>(body, 'links') };
  }

  /** Whom an actor is linked to. */
  async linksOf(actor: string): Promise<string[]> {
    return listOf<string>(await this.request(`/v1/links/held?${new URLSearchParams({ actor })}`), 'links');
  }

  async nodes(): Promise<View<NodeView>> {
    const body = await this.request('/v1/nodes');
    return { ageMs: ageOf(body), list: listOf<NodeView>(body, 'nodes') };
  }

  /** By ascending index. */
  async buckets(): Promise<View<BucketView>> {
    const body = await this.request('/v1/buckets');
    return { ageMs: ageOf(body), list: listOf<BucketView>(body, 'buckets') };
  }

  async plan(): Promise<PlannedMove[]> {
    return listOf<PlannedMove>(await this.request('/v1/buckets/plan'), 'moves');
  }

  async drain(node: string, isWanted: boolean): Promise<void> {
    await this.request(`/v1/nodes/${encodeURIComponent(node)}/${isWanted ? 'drain' : 'undrain'}`, { method: 'POST' });
  }

  /** With null: wherever the scheduler puts it. */
  async move(bucket: number, node: string | null): Promise<void> {
    await this.request(`/v1/buckets/${bucket}/move`, { method: 'POST', body: JSON.stringify({ node }), headers: { 'content-type': 'application/json' } });
  }

  /** Parked and failed messages behind a place, the oldest of each bucket first. */
  async deadLetters({ type = '', actor = '' }: { readonly type?: string; readonly actor?: string }, after: RecordPlace, max: number): Promise<DeadLetterPage> {
    const query = new URLSearchParams({ ...(type === '' ? {} : { type }), ...(actor === '' ? {} : { actor }), after: `${after.bucket}/${after.position}`, max: String(max) });
    const body = await this.request(`/v1/deadletters?${query}`);
    listOf<unknown>(body, 'letters');
    return body as DeadLetterPage;
  }

  async letterOrder({ bucket, position }: RecordPlace, order: 'retry' | 'drop'): Promise<LetterOutcome> {
    return (await this.request(`/v1/deadletters/${bucket}/${position}/${order}`, { method: 'POST' })) as LetterOutcome;
  }

  /** From a record back to what began it. */
  async why(ref: RecordRef, linksMax: number): Promise<CauseChain> {
    const query = new URLSearchParams({ ...Object.fromEntries(Object.entries(ref).map(([name, value]) => [name, String(value)])), max: String(linksMax) });
    const body = await this.request(`/v1/why?${query}`);
    listOf<unknown>(body, 'links');
    return body as CauseChain;
  }

  private async request(path: string, init: RequestInit = {}): Promise<unknown> {
    const headers = new Headers(init.headers);
    if (this.node.token !== undefined) headers.set('authorization', `Bearer ${this.node.token}`);
    let response: Response;
    try {
      response = await fetch(`${this.node.admin}${path}`, { ...init, headers, redirect: 'error' });
    } catch (error) {
      const cause = (error as Error).cause as Error | undefined;
      throw new TroupeError('UNREACHABLE', `nothing answers at ${this.node.admin}: ${cause?.message || (error as Error).message}`, { cause: error });
    }
    const text = await response.text();
    const body = parse(text);
    if (response.ok && body !== undefined) return body;
    if (response.status === UPGRADE_REQUIRED) {
      throw new TroupeError('BAD_REQUEST', `${this.node.admin} is the gateway of a node: this port speaks WebSocket`, {
        hint: `--admin is the admin port, http://${defaults.adminHost}:${defaults.adminPort} unless the node was started with another; --url is the gateway.`,
      });
    }
    const error = (body as { error?: unknown } | undefined)?.error;
    if (typeof error === 'object' && error !== null) throw fromWire(error);
    throw new TroupeError('UNREACHABLE', `what answers at ${this.node.admin}${path} is no admin port of Troupe (HTTP ${response.status})`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function ageOf(body: unknown): number {
  const { ageMs } = body as { ageMs?: unknown };
  return typeof ageMs === 'number' ? ageMs : 0;
}

/** A list comes bare or under its name. */
function listOf<T>(body: unknown, name: string): T[] {
  const list = Array.isArray(body) ? body : (body as Record<string, unknown>)[name];
  if (!Array.isArray(list)) throw new TroupeError('INTERNAL', `the admin port's answer holds no ${name}`);
  return list as T[];
}
