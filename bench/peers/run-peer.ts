/** Measures a peer: rounds, each on a fresh server with a folder of its own, as a case of a report. */

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Histogram } from '../driver/histogram.ts';
import { costsBetween, deviceBytesBetween, usageNow } from '../harness/costs.ts';
import { curveOf, latencyOf } from '../harness/latency.ts';
import type { CaseReport, RunReport, Timeline } from '../report/report.ts';
import type { RunningProcess } from '../subject/subject.ts';
import { findPeer, findRestateSdk } from './install.ts';
import type { PeerPlaces } from './install.ts';
import type { Peer, PeerName } from './peer.ts';
import { RemoteLoad } from './remote-load.ts';
import { startRestate } from './restate.ts';
import { SLICE_MS } from './slices.ts';
import { startWorkerd } from './workerd.ts';

export interface PeerLoadOptions {
  /** Each with one request open: HTTP/1.1 has no more. */
  readonly connections: number;
  /** Fewer where the peer cannot keep so many (`Peer.actorsMax`). */
  readonly actors: number;
  readonly durationMs: number;
  /** After every counter was incremented once; not counted. */
  readonly warmUpMs: number;
  readonly seed: number;
}

export interface PeerOptions extends PeerLoadOptions, PeerPlaces {
  /** Where folders for data are made; they are removed. */
  readonly directory: string;
  readonly rounds: number;
  /** Told after each round. */
  readonly onRound?: (run: RunReport) => void;
}

/** @throws PeerMissing with what to install, before anything is started */
export async function runPeer(name: PeerName, options: PeerOptions): Promise<CaseReport> {
  const { start, version } = starterOf(name, options);
  const runs: RunReport[] = [];
  let peer: Peer;
  let actors = options.actors;
  for (let round = 1; round <= options.rounds; round++) {
    const directory = mkdtempSync(join(options.directory, `${name}-`));
    try {
      peer = await start(directory);
      try {
        actors = Math.min(options.actors, peer.actorsMax);
        runs.push(await runOnPeer(peer, directory, round, { ...options, actors }));
      } finally {
        await peer.stop();
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    options.onRound?.(runs.at(-1)!);
  }
  const load = `${options.connections}x1`;
  return {
    id: `counter/${load}/${name}`,
    workload: 'counter',
    subject: name,
    load,
    isBaseline: false,
    durability: peer!.durability,
    parameters: { isPeer: true, version, guarantee: peer!.guarantee, interface: 'HTTP/1.1', actors, ...peer!.settings },
    runs,
  };
}

/** By program, for the report's versions. @throws PeerMissing */
export function peerVersion(name: PeerName, places: PeerPlaces): string {
  return findPeer(name, places).version;
}

function starterOf(name: PeerName, places: PeerPlaces): { start(directory: string): Promise<Peer>; version: string } {
  const installed = findPeer(name, places);
  if (name === 'workerd') return { start: (directory) => startWorkerd(directory, installed), version: installed.version };
  const sdk = findRestateSdk(places);
  return { start: (directory) => startRestate(directory, installed, sdk), version: installed.version };
}

/** What runs already, for one round. */
export async function runOnPeer(peer: Pick<Peer, 'name' | 'port' | 'processes'>, directory: string, round: number, options: PeerLoadOptions): Promise<RunReport> {
  const driver = new RemoteLoad();
  try {
    const { connections, actors } = options;
    await driver.start({ port: peer.port, dialect: peer.name, connections, actors, seed: options.seed * 1009 + round * 31 });
    await sleep(options.warmUpMs);
    const processes = (): RunningProcess[] => [...peer.processes(), { role: 'driver', pid: driver.pid }];
    const before = usageNow(processes(), directory);
    await driver.begin();
    await sleep(options.durationMs);
    const { acknowledged, windowMs, histogram: dump, timeline } = await driver.end();
    const after = usageNow(processes(), directory);
    const { check, errors } = await driver.check();
    const histogram = new Histogram();
    histogram.add(dump);
    const isGood = check.passed && acknowledged > 0;
    return {
      round,
      check: check.passed && acknowledged === 0 ? { passed: false, detail: 'nothing was acknowledged in the measured time' } : check,
      commandsPerSecond: isGood ? (acknowledged / windowMs) * 1000 : null,
      commands: acknowledged,
      windowMs,
      warmUpMs: options.warmUpMs,
      latencyMs: isGood ? latencyOf(histogram) : null,
      latencyCurve: isGood ? curveOf(histogram) : [],
      lateMs: null,
      due: null,
      timeline: isGood ? timeline : NO_TIMELINE,
      marks: [],
      processes: costsBetween(before, after, acknowledged, windowMs),
      deviceBytesPerCommand: deviceBytesBetween(before, after, acknowledged),
      retries: 0,
      errors: Object.fromEntries(errors),
      figures: [],
      remarks: [],
    };
  } finally {
    await driver.stop();
  }
}

const NO_TIMELINE: Timeline = { sliceMs: SLICE_MS, commands: [], p50Ms: [], p99Ms: [], maxMs: [] };
