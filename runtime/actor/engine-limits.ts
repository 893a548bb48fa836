/** The limits of the engine that a setting may change; defaults are in runtime/limits.ts. */

import { limits } from '../limits.ts';

type EngineLimit =
  | 'mailboxLengthMax' | 'commandsWaitingMax' | 'commandBytesWaitingMax' | 'activationsMax' | 'stateBytesResidentMax'
  | 'keysPerActorMax' | 'keyAgeMaxMs' | 'recordsPerSnapshotMax' | 'sampleOneIn'
  | 'broadcastChunkMax' | 'broadcastBacklogMax';

export type EngineLimits = { readonly [K in EngineLimit]: number };

export function engineLimits(overrides: Partial<EngineLimits> = {}): EngineLimits {
  return { ...limits, ...overrides };
}
