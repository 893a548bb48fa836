/** A peer as a case beside ours: its own interface and driver, the same shape of load. */

import type { CasePlan } from '../harness/case.ts';
import { loadName } from '../harness/load-spec.ts';
import type { LoadSpec } from '../harness/load-spec.ts';
import type { CommonOptions } from '../harness/options.ts';
import type { PeerName } from './peer.ts';
import { peerVersion, runPeer } from './run-peer.ts';

/** @throws PeerMissing, before anything is measured */
export function peerCase(name: PeerName, load: LoadSpec, { peerPlaces }: CommonOptions): CasePlan {
  const version = peerVersion(name, peerPlaces);
  return {
    id: `counter/${loadName(load)}/${name}`,
    workload: 'counter',
    subject: name,
    load: loadName(load),
    isBaseline: false,
    parameters: { version },
    async run({ root, round, options }) {
      const { durationMs, warmUpMs, seed } = options;
      const one = await runPeer(name, { ...peerPlaces, directory: root, rounds: 1, connections: load.connections, actors: load.actors, durationMs, warmUpMs, seed: seed + round });
      return { durability: one.durability, parameters: one.parameters, run: { ...one.runs[0]!, round } };
    },
  };
}
