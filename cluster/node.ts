/**
 * The composition root of a node in a cluster: as runtime/node.ts for one node by itself. Everything that nodes share is in Redis; this
 * process keeps nothing of its own that another one could not make again.
 */

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Logger } from 'pino';

import { NodeEngine } from '../runtime/actor/node-engine.ts';
import { LogPlaces } from '../runtime/actor/log-places.ts';
import { Outage } from '../runtime/actor/outage.ts';
import { everySecond, systemClock, systemEntropy, systemScheduler } from '../runtime/actor/seams-node.ts';
import type { ClusterMetrics } from '../runtime/admin/metrics.ts';
import { Monitor } from '../runtime/admin/monitor.ts';
import { bundleHash } from '../runtime/bundle/bundle.ts';
import { checkStateCompatible } from '../runtime/bundle/compatibility.ts';
import { TroupeError } from '../runtime/codec/errors.ts';
import { defaults } from '../runtime/config/defaults.ts';
import type { Settings } from '../runtime/config/defaults.ts';
import { authority, authSettings, engineLimitsOf, openFront, version } from '../runtime/front.ts';
import { createAuthenticator } from '../runtime/gateway/auth.ts';
import { checkColdFolder } from '../runtime/journal/cold/cold-folder.ts';
import { createColdTier } from '../runtime/journal/cold/cold-tier.ts';
import { keepPlaces } from '../runtime/kept-places.ts';
import { parseStoreUrl, StoreLinks } from '../runtime/journal/redis/links.ts';
import { createRedisJournal } from '../runtime/journal/redis/redis-journal.ts';
import { asTroupeError } from '../runtime/journal/redis/store-error.ts';
import type { RunningNode } from '../runtime/node.ts';
import { createSandboxPool } from '../runtime/sandbox/pool.ts';
import { clientUrl, dialledAt, withFreePorts } from './addresses.ts';
import { BucketKeeper } from './bucket-keeper.ts';
import { BucketOwners } from './bucket-owners.ts';
import { ClusterDeployments } from './cluster-deployments.ts';
import { ClusterCauses } from './cluster-causes.ts';
import { ClusterEngine } from './cluster-engine.ts';
import { ClusterLetters } from './cluster-letters.ts';
import { ClusterTimers } from './cluster-timers.ts';
import { CLIENT_URL, ClusterRoutes } from './cluster-routes.ts';
import { ControlPlane } from './control/control-plane.ts';
import type { NodeInfo } from './control/control-store.ts';
import { RedisControlStore } from './control/redis-store.ts';
import { handOver, serveHandOvers } from './hand-over.ts';
import { LOAD, MAP_CHANGED, SERVE } from './methods.ts';
import type { MapChangedValue, ServeValue } from './methods.ts';
import { ClusterOperations } from './operations.ts';
import { refuseTwin, storedBuckets, whenStoreAnswers } from './joining.ts';
import { audienceOf, concernedBy } from './map-news.ts';
import { MessageCourier } from './message-courier.ts';
import { tellNewsOfNodes } from './node-news.ts';
import { timingOf, tlsOf, witnessFolder } from './node-settings.ts';
import { Peers } from './peers.ts';
import { PlaceExchange } from './place-exchange.ts';
import { Router } from './router.ts';
import { answerLater, serveRequests } from './serving.ts';
import { ServiceList, SharedBundles } from './shared-store.ts';
import type { StoreCall } from './shared-store.ts';
import { ask } from './transport/transport.ts';
import { createTransport } from './transport/tcp-transport.ts';
import { WayTimes } from './way-times.ts';

/** How often a node looks whether something was put in service that it was not told of. */
const FOLLOW_MS = 2_000;
const WAIT_STEP_MS = 20;
const FORWARDS_TIME_MAX_MS = 2_000;

/** What whoever starts a node of a cluster is told. */
export interface RunningClusterNode extends RunningNode {
  readonly cluster: {
    readonly id: string;
    /** This node's id. */
    readonly node: string;
    /** Nodes that live, this one among them, when it had joined. */
    readonly nodes: number;
  };
}

/**
 * @throws TroupeError CONFIG_INVALID, ADDRESS_IN_USE, STORE_UNAVAILABLE, ROLLED_BACK and others, and the reason of `ending`, which ends whatever the
 *     start waits for; with nothing left behind
 */
export async function startClusterNode(settings: Settings, log: Logger, ending: AbortSignal): Promise<RunningClusterNode> {
  const closing: (() => Promise<void> | void)[] = [];
  try {
    return await assemble(settings, log, ending, closing);
  } catch (error) {
    await closeAll(closing);
    throw error;
  }
}

async function assemble(given: Settings, log: Logger, ending: AbortSignal, closing: (() => Promise<void> | void)[]): Promise<RunningClusterNode> {
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  const settings = await withFreePorts(given);
  const incarnation = randomBytes(8).toString('hex');
  // Several nodes on one machine need no names: each is called after its port.
  const id = settings.node === defaults.node ? `node-${settings.clusterPort}` : settings.node;
  const { namespace } = settings;
  const store = parseStoreUrl(settings.redis);
  const timing = timingOf(settings);

  const auth = await createAuthenticator(authSettings(settings));
  const pool = createSandboxPool({
    rssMaxBytes: settings.sandboxRssMaxMib * 1024 * 1024,
    decideTimeMaxMs: settings.decideTimeMaxMs,
    isolateMemoryMaxMib: settings.isolateMemoryMaxMib,
  });
  const started = pool.start();
  started.catch(() => {});
  closing.push(() => pool.close());
  const links = new StoreLinks({ ...store, answerTimeMaxMs: timing.callTimeMaxMs });
  closing.push(() => links.close());
  await whenStoreAnswers(log, ending, () => links.connect());
  const buckets = await whenStoreAnswers(log, ending, () => storedBuckets(links, settings));
  const bucketBits = Math.log2(buckets);
  checkColdFolder(settings.cold);
  const journal = await whenStoreAnswers(log, ending, async () => {
    const made = createRedisJournal({
      store, namespace, bucketBits,
      node: id,
      memoryAllowed: settings.durability === 'memory',
      witness: witnessFolder(settings, id),
      tier: settings.cold === '' ? null : createColdTier({ directory: settings.cold, onWarning: (message) => log.warn({}, message) }),
      hotBytesPerBucketMax: Math.max(64 * 1024, (settings.hotLogMaxMib * 1024 * 1024) / buckets),
      onWarning: (message) => log.warn({}, message),
      onAlarm: (message) => log.error({}, message),
    });
    await made.open();
    return made;
  });
  closing.push(() => journal.close());
  let storeErrors = 0;
  const callStore: typeof links.call = async (lane, key, command, args) => {
    try {
      return await links.call(lane, key, command, args);
    } catch (error) {
      // A server that does not have the functions yet is given them.
      if ((error as { code?: unknown }).code !== 'NOFUNCTION') storeErrors++;
      throw error;
    }
  };
  const control = new RedisControlStore(
    {
      call: (functionName, keys, args) => callStore('log', keys[0]!, 'FCALL', [functionName, String(keys.length), ...keys, ...args]),
      load: (library, key) => callStore('log', key, 'FUNCTION', ['LOAD', 'REPLACE', library]),
    },
    namespace,
  );
  const record = await whenStoreAnswers(log, ending, () => control.found({ id: randomBytes(8).toString('hex'), bucketBits }));
  const alone = whenStoreAnswers(log, ending, () => refuseTwin(links, namespace, id, timing.heartbeatMs));
  alone.catch(() => {});

  const transport = createTransport({
    cluster: record.id,
    self: { node: id, incarnation },
    listen: { host: settings.clusterHost, port: settings.clusterPort },
    secret: settings.clusterSecretFile === '' ? null : await readFile(settings.clusterSecretFile),
    ...(await tlsOf(settings)),
    log,
  });
  closing.push(() => transport.close());
  const peers = new Peers(transport, id);
  closing.push(() => peers.close());
  const owners = new BucketOwners(bucketBits, systemClock);
  const places = new LogPlaces(buckets, systemClock);
  closing.push(keepPlaces(places, join(witnessFolder(settings, id), 'places'), log));
  const ways = new WayTimes();
  const exchange = new PlaceExchange(places, systemClock, ways);
  const router = new Router({
    owners, bucketBits, incarnation, places,
    clock: systemClock,
    scheduler: systemScheduler,
    peerOf: (number) => peers.peerOf(number),
    nameOf: (number) => peers.nameOf(number),
    numberOf: (name) => peers.numberOf(name),
  });
  const courier = new MessageCourier({ owners, scheduler: systemScheduler, peerOf: (number) => peers.peerOf(number), numberOf: (name) => peers.numberOf(name) });
  const call: StoreCall = (key, command, args) => callStore('bulk', key, command, args);
  const bundles = new SharedBundles(call, namespace);
  await started;
  const engine = new NodeEngine({
    journal, pool, log, namespace, bucketBits,
    store: bundles,
    checks: { hash: bundleHash, compatible: checkStateCompatible },
    clock: systemClock,
    entropy: systemEntropy(),
    scheduler: systemScheduler,
    limits: engineLimitsOf(settings),
    elsewhere: router,
    courier, places,
    isClaimed: async (index) => {
      await plane.refreshed();
      return owners.map.ownerOf(index) === owners.self;
    },
  });
  await engine.start();
  router.engine = engine;
  courier.engine = engine.messages;

  const deployments = new ClusterDeployments({
    list: new ServiceList(call, namespace),
    errorOf: asTroupeError,
    keepAgain: async (bundle) => {
      await bundles.put(await bundles.get(bundle));
    },
    engine,
    tellOthers: async (length) => {
      const asked = peers.others();
      const outcomes = await Promise.allSettled(asked.map(({ peer }) => ask(peer, SERVE, length satisfies ServeValue)));
      const missing = asked.filter(({ node }, i) => outcomes[i]!.status === 'rejected' && peers.all.some(({ number, alive }) => number === node.number && alive));
      if (missing.length === 0) return;
      const names = missing.map(({ node }) => node.id).join(', ');
      throw new TroupeError('UNKNOWN_OUTCOME', `the bundle is listed, and in service as soon as every node has it; not heard from: ${names}`);
    },
  });
  await whenStoreAnswers(log, ending, () => deployments.follow());
  const tellMapChanged = (version: MapChangedValue, concerned: Iterable<number>): void => {
    if (plane.state === null) return;
    for (const number of audienceOf(plane.state, concerned)) peers.peerOf(number)?.tell(MAP_CHANGED, version);
  };
  const keeper = new BucketKeeper({
    owners,
    pauseMaxMs: settings.handOffPauseMaxMs,
    clock: systemClock,
    scheduler: systemScheduler,
    log,
    engine: {
      owns: (index) => engine.owns(index),
      epochOf: (index) => engine.epochOf(index),
      acquire: (indexes) => engine.ownership.acquire(indexes, () => deployments.follow()),
      release: (indexes, pauseMaxMs, onLogIndex) => engine.ownership.release(indexes, pauseMaxMs, onLogIndex),
    },
    accept: async (opened) => {
      const outcomes = await plane.accept(opened);
      tellMapChanged(owners.map.version + 1, []);
      router.ownersChanged(opened.map(({ index }) => index));
      return outcomes;
    },
    handOver: (node, indexes, logIndexes) => handOver(peers.peerOf(node), indexes, logIndexes),
    refreshed: () => plane.refreshed(),
    vacate: async (indexes) => {
      await plane.release(indexes);
    },
  });
  engine.ownership.onFenced = (index) => keeper.fenced(index);
  let isDraining = false;
  let addresses: Record<string, string> = {};
  const info = (): NodeInfo => ({ addresses, version: nodeVersion, draining: isDraining, weight: 1, load: 0 });
  const nodeVersion = await version();
  const plane: ControlPlane = new ControlPlane({
    store: control,
    config: { id: record.id, bucketBits },
    id, incarnation, info, timing, log,
    clock: systemClock,
    timers: systemScheduler,
    events: {
      onMap(map, self) {
        const changed = owners.update(map, self.number);
        keeper.sync();
        router.ownersChanged(changed);
        engine.messages.outbox.ownersChanged(changed);
      },
      onNodes(nodes) {
        tellNewsOfNodes(log, id, peers.all, nodes);
        peers.update(nodes);
      },
      onPublished: (version, changes, before) => tellMapChanged(version, concernedBy(before, changes)),
      onForeign: () => fail(new TroupeError('ROLLED_BACK', 'the store was emptied, and holds another cluster by now', { hint: 'Restore the store; or, if what it holds now is what counts, start this node with another --data.' })),
      onReplaced: () => fail(new TroupeError('CONFIG_INVALID', `another process runs as node ${id}`, { hint: 'Give every node a name of its own with --node.' })),
      onLead: (term) => log.info({ term }, term === null ? 'no longer the scheduler' : 'this node is the scheduler'),
    },
  });

  const local = new ClusterEngine({
    local: engine, router, owners, deployments,
    scheduler: systemScheduler,
    node: id,
    routes: new ClusterRoutes(() => ({ map: owners.map, nodes: peers.all })),
    peerOf: (number) => peers.peerOf(number),
  });
  serveRequests({ transport, engine, router, clock: systemClock, ways });
  const deadLetters = new ClusterLetters({ local: engine.messages.desk, owners, peers, timers: systemScheduler });
  const timers = new ClusterTimers({ local: engine.messages.pending, owners, peers });
  const causes = new ClusterCauses({ local: engine.history, owners, router, peers });
  for (const service of [deadLetters, timers, causes, courier, exchange]) service.serve(transport);
  serveHandOvers(transport, engine.ownership, keeper);
  transport.handle(SERVE, (incoming) => answerLater(incoming, deployments.follow(incoming.value as ServeValue)));
  transport.handleMessage(MAP_CHANGED, (message) => {
    if ((message.value as MapChangedValue) > owners.map.version) plane.lookSoon();
  });
  const monitor = new Monitor(engine, systemClock);
  const operations = new ClusterOperations({
    plane, monitor,
    peerOf: (number) => peers.peerOf(number),
    clock: systemClock,
    timers: systemScheduler,
  });
  transport.handle(LOAD, (incoming) => operations.serve(incoming));
  const metrics = (): ClusterMetrics => ({
    nodes: peers.all.filter(({ alive }) => alive).length,
    bucketsOwned: engine.ownedIndexes().length,
    isScheduler: plane.state !== null && plane.state.lead.node === plane.state.self.number,
    term: plane.state?.lead.term ?? 0,
    mapVersion: owners.map.version,
    viewAgeMs: plane.state === null ? 0 : operations.ageMs(),
    requestsHeld: router.held,
    handOffsTotal: keeper.stat.handOffs,
    handOffsAbortedTotal: keeper.stat.aborted,
    takeoversTotal: keeper.stat.takeovers,
    forwardedTotal: router.forwarded,
    redirectedTotal: router.redirected,
    storeErrorsTotal: storeErrors,
  });
  const listening = await transport.listen();
  const front = await openFront({ settings, log, auth, engine: local, deadLetters, timers, causes, journal, pool, stat: () => engine.stat(), monitor, cluster: { operations, metrics } });
  closing.push(() => front.closeAdmin());
  closing.push(() => front.closeGateway(async () => {
    await engine.close();
    // What other nodes have of this node's clients is answered, if they answer.
    await until(() => router.isIdle, FORWARDS_TIME_MAX_MS);
  }));
  addresses = {
    transport: dialledAt(settings.clusterAdvertise, listening),
    gateway: authority(front.addresses.gateway),
    admin: authority(front.addresses.admin),
    [CLIENT_URL]: settings.advertiseUrl || clientUrl(front.addresses.gateway),
  };
  await alone;
  await whenStoreAnswers(log, ending, () => plane.start());
  let isEnded = false;
  const lookUps = new Outage(log, { begins: 'what is in service cannot be looked up; it is tried again', over: 'what is in service can be looked up again' });
  const follow = (): void => {
    if (isEnded) return;
    deployments.follow().then(
      () => lookUps.worked(follow),
      (error: unknown) => lookUps.again(follow, error),
    );
    systemScheduler.later(FOLLOW_MS, follow);
  };
  systemScheduler.later(FOLLOW_MS, follow);
  closing.push(everySecond(() => exchange.tell(engine.notePlaces(), peers.others())));
  closing.push(async () => {
    isEnded = true;
    local.refusal = 'stopping';
    isDraining = true;
    await drain();
    await plane.stop();
  });
  await until(() => ending.aborted || (plane.state !== null && plane.state.map.version > 0), Infinity);
  // Ready when every bucket has an owner: a first node opens them all, a later one finds them owned.
  await until(() => ending.aborted || everyBucketIsOwned(owners), 10_000);
  ending.throwIfAborted();
  local.refusal = null;
  log.info({ node: id, cluster: record.id, nodes: peers.all.length, durability: journal.durability }, 'joined the cluster');

  /** Hands everything over, while there is somebody to take it. */
  async function drain(): Promise<void> {
    const end = performance.now() + settings.drainTimeMaxMs;
    while (performance.now() < end && engine.ownedIndexes().length > 0) {
      const takers = peers.others().filter(({ node }) => !node.draining);
      if (takers.length === 0 || plane.state === null) break;
      plane.lookSoon();
      await new Promise((resolve) => setTimeout(resolve, 5 * WAIT_STEP_MS));
    }
    keeper.isStopping = true;
    await keeper.idle();
    const owned = engine.ownedIndexes();
    if (owned.length > 0) await engine.ownership.release(owned);
    if (owned.length > 0) log.info({ buckets: owned.length }, 'buckets given back: nobody is there to take them now; whoever starts next opens them');
  }

  return {
    addresses: front.addresses,
    durability: journal.durability,
    cluster: { id: record.id, node: id, nodes: peers.all.filter(({ alive }) => alive).length },
    failed,
    close: () => closeAll(closing),
  };
}

async function closeAll(closing: (() => Promise<void> | void)[]): Promise<void> {
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) await close();
}

function everyBucketIsOwned(owners: BucketOwners): boolean {
  for (let index = 0; index < owners.map.size; index++) if (owners.map.ownerOf(index) === 0 || owners.map.epochOf(index) === 0) return false;
  return true;
}

async function until(holds: () => boolean, timeMaxMs: number): Promise<void> {
  const end = performance.now() + timeMaxMs;
  while (!holds() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, WAIT_STEP_MS));
}
