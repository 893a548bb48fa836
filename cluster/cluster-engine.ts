/** The engine of a whole cluster, as the gateway and the admin port of one node see it. */

import type {
  CommandRequest, Deployed, Engine, GetRequest, Links, RecordView, Routes, ServedBehavior, Watch, WatchRequest,
} from '../runtime/actor/engine.ts';
import { Address } from '../runtime/actor/engine.ts';
import type { Scheduler } from '../runtime/actor/seams.ts';
import { TroupeError } from '../runtime/codec/errors.ts';
import { NO_NODE } from './bucket-map.ts';
import type { BucketOwners } from './bucket-owners.ts';
import type { ClusterRoutes } from './cluster-routes.ts';
import type { ClusterDeployments } from './cluster-deployments.ts';
import type { Request } from './forward.ts';
import { LINKED_TO, LINKS_OF, RECORDS } from './methods.ts';
import type { LinkedToValue, LinksOfValue, RecordsValue } from './methods.ts';
import { RoutedWatch } from './routed-watch.ts';
import type { LocalEngine, Router } from './router.ts';
import { ask } from './transport/transport.ts';
import type { Peer } from './transport/transport.ts';

export interface ClusterEngineParts {
  readonly local: LocalEngine & Pick<Engine, 'watch' | 'records' | 'behaviors' | 'notReady'> & { readonly links: Links };
  readonly router: Router;
  readonly owners: BucketOwners;
  readonly deployments: ClusterDeployments;
  readonly scheduler: Scheduler;
  /** The name of this node. */
  readonly node: string;
  readonly routes: ClusterRoutes;
  peerOf(number: number): Peer | null;
}

const NO_WATCH: Watch = { resume: () => {}, close: () => {} };

export class ClusterEngine implements Engine {
  private readonly parts: ClusterEngineParts;
  /** Why this node takes no requests, whatever its engine says. */
  refusal: string | null = 'joining the cluster';
  readonly links: Links = {
    linkedTo: (actor, from, max) => this.ofOwner(actor, ({ links }) => links.linkedTo(actor, from, max), LINKED_TO, [actor, from, max] satisfies LinkedToValue),
    linksOf: (actor) => this.ofOwner(actor, ({ links }) => links.linksOf(actor), LINKS_OF, actor satisfies LinksOfValue),
  };

  constructor(parts: ClusterEngineParts) {
    this.parts = parts;
  }

  submit(request: CommandRequest): void {
    this.route(request);
  }

  get(request: GetRequest): void {
    this.route(request);
  }

  watch(request: WatchRequest): Watch {
    const { local, router, owners, scheduler, peerOf } = this.parts;
    const address = new Address(request.to);
    if (!this.isAddress(address, request)) return NO_WATCH;
    return new RoutedWatch(request, {
      scheduler,
      local: (inner) => local.watch(inner),
      locate: () => {
        const index = router.indexOf(address);
        if (local.owns(index)) return 'here';
        const owner = owners.ownerOf(index);
        return owner === NO_NODE || owner === owners.self ? null : peerOf(owner);
      },
    });
  }

  deploy(content: Buffer): Promise<Deployed> {
    const reason = this.notReady();
    if (reason !== null) return Promise.reject(new TroupeError('NOT_READY', `the node is ${reason}`));
    return this.parts.deployments.deploy(content);
  }

  behaviors(): readonly ServedBehavior[] {
    return this.parts.local.behaviors();
  }

  async records(actor: string, fromSeq: number, recordsMax: number, areChangesWanted = false): Promise<readonly RecordView[]> {
    const value: RecordsValue = [actor, fromSeq, recordsMax, areChangesWanted];
    return this.ofOwner(actor, (local) => local.records(...value), RECORDS, value);
  }

  notReady(): string | null {
    return this.refusal ?? this.parts.local.notReady();
  }

  place(): { readonly node: string; readonly routes: Routes | null } {
    return { node: this.parts.node, routes: this.parts.routes.get() };
  }

  /** What the owner of an actor says: this node's engine, or another node. */
  private async ofOwner<T>(actor: string, here: (local: ClusterEngineParts['local']) => Promise<T>, method: number, value: unknown): Promise<T> {
    const { local, router, owners, peerOf } = this.parts;
    const index = router.indexOf(new Address(actor));
    if (local.owns(index)) return here(local);
    const owner = owners.ownerOf(index);
    const peer = owner === NO_NODE ? null : peerOf(owner);
    if (peer === null) throw new TroupeError('NOT_OWNER', `no node owns ${actor} at the moment`);
    return (await ask(peer, method, value)).value as T;
  }

  private route(request: Request): void {
    if (this.isAddress(request.to, request)) this.parts.router.route(request);
  }

  /** What is none is answered, later. */
  private isAddress(address: Address, request: Pick<Request, 'failed'>): boolean {
    if (address.resident !== null) return true;
    try {
      this.parts.router.indexOf(address);
      return true;
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      const { code, message } = error;
      this.parts.scheduler.soon(() => request.failed({ code, message }));
      return false;
    }
  }
}
