/**
 * The control plane's store in Redis: one function call per request, all keys in one slot. What happens there is in `lua/`; here
 * requests become arguments and answers become values.
 *
 * The connection is the caller's, behind `RedisCalls`. It must fail fast: a beat that waits in a queue says of a node that it lives
 * when it no longer does. Above all it must give up sooner than a lease ends: a connection that comes back only seconds after the store did
 * makes its node look dead.
 */

import assert from 'node:assert/strict';

import { BucketMap, ENTRY_BYTES, NO_NODE } from '../bucket-map.ts';
import type { Assignment, BucketEntry } from '../bucket-map.ts';
import { checkCallSize, CONTROL_FORMAT, controlLimits } from './control-store.ts';
import type {
  AcceptOutcome, Beat, BeatAnswer, CampaignAnswer, ClusterConfig, ClusterRecord, ControlStore, Lead, NodeInfo, NodeRecord, NodeRef, Opened,
  OperatorAnswer, PublishAnswer, ReleaseOutcome,
} from './control-store.ts';
import { controlLibrary } from './redis-library.ts';
import type { ControlFunction, ControlLibrary } from './redis-library.ts';

/** The little that is asked of a connection. Both calls settle within a bounded time, and nothing is sent twice. */
export interface RedisCalls {
  /** FCALL. Answers are Buffers, integers, null and lists of them; an error of the server rejects with its text in the message. */
  call(functionName: string, keys: readonly string[], args: readonly (string | Buffer)[]): Promise<unknown>;
  /** FUNCTION LOAD REPLACE, on the server that holds `key`. */
  load(library: string, key: string): Promise<unknown>;
}

const keyNames = ['cluster', 'nodes', 'incarnations', 'beats', 'infos', 'drains', 'pins', 'map', 'changes'] as const;

/** In the order that every function expects (lua/common.lua). */
export function controlKeys(namespace: string): string[] {
  assert(/^[^{}]+$/.test(namespace), 'a namespace has no braces: it is the hash tag');
  return keyNames.map((name) => `{${namespace}}:${name}`);
}

export class RedisControlStore implements ControlStore {
  private readonly calls: RedisCalls;
  private readonly keys: readonly string[];
  private readonly library: ControlLibrary;
  private cluster: ClusterRecord | null = null;
  /** That was answered last: what changed since is all that is asked for. */
  private map: BucketMap | null = null;
  /** Of that map, as the store has it (lua/common.lua). */
  private mark = '';
  /** What nodes tell about themselves, as it was last answered: it seldom changes, and every beat answers it. */
  private infos = new Map<string, NodeInfo>();

  constructor(calls: RedisCalls, namespace: string, library: ControlLibrary = controlLibrary) {
    this.calls = calls;
    this.keys = controlKeys(namespace);
    this.library = library;
  }

  async found({ id, bucketBits }: ClusterConfig): Promise<ClusterRecord> {
    assert(bucketBits >= 0 && bucketBits <= controlLimits.bucketBitsMax);
    const [foundId, bits, format] = list(await this.call('found', [id, bucketBits, CONTROL_FORMAT]));
    this.cluster = { id: text(foundId), bucketBits: integer(bits), format: integer(format) };
    return this.cluster;
  }

  async beat({ id, incarnation, number, info, knownMapVersion }: Beat): Promise<BeatAnswer> {
    const json = JSON.stringify(info);
    if (Buffer.byteLength(json) > controlLimits.infoBytesMax) throw new RangeError(`a node's info has at most ${controlLimits.infoBytesMax} bytes`);
    // Whoever asks may know another map than the one that was answered last.
    const known = this.map !== null && this.map.version === knownMapVersion ? this.map : null;
    const answer = list(await this.ask('beat', [id, incarnation, number, json, knownMapVersion, controlLimits.nodesMax, known === null ? '' : this.mark]));
    const kind = text(answer[0]);
    if (kind === 'replaced' || kind === 'full') return { kind };
    const [, ownNumber, counter, term, lead, version, mark, map, changes, nodes, pins] = answer;
    const newer = mapOf(integer(version), map) ?? changed(known, integer(version), changes);
    if (newer !== null) {
      this.map = newer;
      this.mark = text(mark);
    }
    return {
      kind: 'ok',
      number: integer(ownNumber),
      counter: integer(counter),
      lead: { term: integer(term), node: integer(lead) },
      mapVersion: integer(version),
      map: newer,
      nodes: this.nodesOf(list(nodes).map(list)),
      pins: pinsOf(pins),
    };
  }

  async leave({ id, number }: NodeRef): Promise<void> {
    await this.ask('leave', [id, number]);
  }

  async campaign({ id, number }: NodeRef, expectedTerm: number): Promise<CampaignAnswer> {
    const [won, term, node] = list(await this.ask('campaign', [id, number, expectedTerm]));
    return { won: integer(won) === 1, term: integer(term), node: integer(node) };
  }

  async publish(lead: Lead, baseVersion: number, changes: readonly Assignment[]): Promise<PublishAnswer> {
    checkCallSize(changes.length);
    const packed = words(changes.flatMap(({ index, owner, next }) => [index, owner, next]));
    const [kind, version] = list(await this.ask('publish', [lead.term, lead.node, baseVersion, packed]));
    return { kind: text(kind) as PublishAnswer['kind'], mapVersion: integer(version) };
  }

  async accept({ id, number }: NodeRef, opened: readonly Opened[]): Promise<AcceptOutcome[]> {
    checkCallSize(opened.length);
    const packed = words(opened.flatMap(({ index, epoch }) => [index, epoch]));
    return list(await this.ask('accept', [id, number, packed])).map(text) as AcceptOutcome[];
  }

  async release({ id, number }: NodeRef, indexes: readonly number[]): Promise<ReleaseOutcome[]> {
    checkCallSize(indexes.length);
    return list(await this.ask('release', [id, number, words(indexes)])).map(text) as ReleaseOutcome[];
  }

  async forget(lead: Lead, { id, number }: NodeRef): Promise<boolean> {
    return integer(await this.ask('forget', [lead.term, lead.node, id, number])) === 1;
  }

  async drain(id: string, wanted: boolean): Promise<OperatorAnswer> {
    return text(await this.ask('drain', [id, wanted ? 1 : 0])) as OperatorAnswer;
  }

  async pin(index: number, id: string | null): Promise<OperatorAnswer> {
    if (!Number.isInteger(index) || index < 0) throw new RangeError(`there is no bucket ${index}`);
    return text(await this.ask('pin', [index, id ?? '', controlLimits.pinsMax])) as OperatorAnswer;
  }

  private nodesOf([ids, numbers, incarnations, counters, infos, drains]: readonly unknown[][]): NodeRecord[] {
    const known = new Map<string, NodeInfo>();
    const nodes = ids!.map((id, i): NodeRecord => {
      const json = text(infos![i]);
      const info = known.get(json) ?? this.infos.get(json) ?? infoOf(json);
      known.set(json, info);
      return { id: text(id), number: integer(numbers![i]), incarnation: text(incarnations![i]), counter: integer(counters![i]), info, drainWanted: drains![i] !== null };
    });
    this.infos = known;
    return nodes.sort((a, b) => a.number - b.number);
  }

  /** About the cluster that was found; the store refuses when it holds another. */
  private ask(called: ControlFunction, args: readonly (string | number | Buffer)[]): Promise<unknown> {
    if (this.cluster === null) return Promise.reject(new Error('the store holds another cluster, or none'));
    return this.call(called, [this.cluster.id, ...args]);
  }

  private async call(called: ControlFunction, args: readonly (string | number | Buffer)[]): Promise<unknown> {
    const values = args.map((arg) => (typeof arg === 'number' ? String(arg) : arg));
    const name = this.library.functionName(called);
    try {
      return await this.calls.call(name, this.keys, values);
    } catch (error) {
      // Nothing was executed. The server is new, or was replaced by one that has never seen this version.
      if (!(error instanceof Error) || !error.message.includes('Function not found')) throw error;
      await this.calls.load(this.library.text, this.keys[0]!);
      return this.calls.call(name, this.keys, values);
    }
  }
}

function mapOf(version: number, bytes: unknown): BucketMap | null {
  assert(Buffer.isBuffer(bytes), 'the connection gives strings as buffers');
  if (bytes.length === 0) return null;
  return BucketMap.fromBytes(version, Math.log2(bytes.length / ENTRY_BYTES), bytes);
}

/** Null when nothing has: a later change of a bucket stands behind an earlier one. */
function changed(map: BucketMap | null, version: number, changes: unknown): BucketMap | null {
  assert(Buffer.isBuffer(changes), 'the connection gives strings as buffers');
  if (map === null || changes.length === 0) return null;
  const entries = new Map<number, BucketEntry>();
  for (let at = 0; at < changes.length; at += 4 + ENTRY_BYTES) {
    entries.set(changes.readUInt32LE(at), { owner: changes.readUInt32LE(at + 4), next: changes.readUInt32LE(at + 8), epoch: changes.readUInt32LE(at + 12) });
  }
  return map.replaced(version, entries);
}

/** 32 bits each, little-endian. @throws RangeError for what does not fit */
function words(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(value, 4 * i));
  return bytes;
}

/** A node of another version may say more, or less. */
function infoOf(json: string): NodeInfo {
  const { addresses = {}, version = '', draining = false, weight = 1, load = 0 } = JSON.parse(json) as Partial<NodeInfo>;
  return { addresses, version, draining, weight, load };
}

function pinsOf(answer: unknown): Map<number, number> {
  const pins = new Map<number, number>();
  const flat = list(answer);
  for (let i = 0; i < flat.length; i += 2) pins.set(integer(flat[i]), integer(flat[i + 1]));
  return pins;
}

function list(answer: unknown): unknown[] {
  assert(Array.isArray(answer), 'the library answers a list here');
  return answer;
}

function text(answer: unknown): string {
  assert(Buffer.isBuffer(answer) || typeof answer === 'string', 'the library answers a text here');
  return answer.toString();
}

function integer(answer: unknown): number {
  const value = Buffer.isBuffer(answer) ? Number(answer.toString()) : answer;
  assert(Number.isSafeInteger(value), 'the library answers an integer here');
  return value as number;
}

assert(NO_NODE === 0, 'the library stands for no node with 0');
