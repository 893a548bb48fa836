/** New versions of the behaviours go into service, through each node in turn. */

import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { packDirectory } from '../../runtime/bundle/pack.ts';
import type { PackedBundle } from '../../runtime/bundle/pack.ts';
import { BENCH_BEHAVIORS } from '../../runtime/faults/node-process.ts';
import type { Figure } from '../report/report.ts';
import { ms, percentile, running, times } from './disturbance.ts';
import type { Disturbance, World } from './disturbance.ts';

const KIND = 'during deployments';
const PROTO = join(BENCH_BEHAVIORS, '../../proto/bench');

export class Deploy implements Disturbance {
  readonly kinds = [KIND];
  readonly isProbing = false;
  private versions: PackedBundle[] = [];
  private readonly took: number[] = [];

  /** Packing is no part of what a node does. */
  async prepare({ directory }: World, count: number): Promise<void> {
    for (let i = 1; i <= count; i++) this.versions.push(await packVersion(join(directory, `version-${i}`), i));
  }

  async strike(world: World, number: number): Promise<void> {
    const nodes = running(world);
    const node = nodes[number % nodes.length]!;
    const version = this.versions[number]!;
    const at = world.nowMs();
    const { changed } = await node.admin.deploy(version.content);
    const until = world.nowMs();
    if (!changed) throw new Error(`version ${number + 1} was in service already`);
    this.took.push(until - at);
    world.lasted(KIND, at, until, `version ${number + 1} is deployed${nodes.length > 1 ? `, through ${node.name}` : ''}`);
    for (const one of nodes) await mustServe(one.admin.behaviors(), version, one.name);
  }

  async figures(): Promise<Figure[]> {
    return [times('deployments', this.took.length, null), ms('a deployment takes, p50', percentile(this.took, 0.5)), ms('a deployment takes, max', Math.max(...this.took))];
  }
}

/** Behaviors/bench with another constant in its counter: the same in effect, and other code for a node, which loads and checks it anew. */
async function packVersion(directory: string, number: number): Promise<PackedBundle> {
  mkdirSync(directory, { recursive: true });
  cpSync(BENCH_BEHAVIORS, directory, { recursive: true });
  cpSync(PROTO, join(directory, 'proto/bench'), { recursive: true });
  const { protoRoot: _, ...manifest } = JSON.parse(readFileSync(join(directory, 'troupe.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(directory, 'troupe.json'), JSON.stringify(manifest));
  const counter = join(directory, 'counter.js');
  writeFileSync(counter, `${readFileSync(counter, 'utf8')}\nconst version = ${number};\n`);
  return packDirectory(directory);
}

/** @throws Error when a deployment was answered and a node goes on with other code */
async function mustServe(served: Promise<readonly { readonly type: string; readonly bundle: string }[]>, { hash }: PackedBundle, node: string): Promise<void> {
  const other = (await served).find(({ type, bundle }) => type.startsWith('bench.') && bundle !== hash);
  if (other !== undefined) throw new Error(`${node} serves ${other.type} of bundle ${other.bundle.slice(0, 8)}, after ${hash.slice(0, 8)} was deployed`);
}
