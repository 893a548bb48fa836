/**
 * Every limit of a node in one place, units in the names. Settings may lower or raise those that docs/OPERATING.md lists; the
 * relations between them are asserted when this file loads.
 */

import assert from 'node:assert/strict';

const KIB = 1024;
const MIB = 1024 * KIB;

export const limits = {
  // Names.
  actorTypeBytesMax: 200,
  actorIdBytesMax: 512,
  commandNameBytesMax: 128,
  keyBytesMax: 128,
  requestIdBytesMax: 128,
  principalBytesMax: 256,

  // One command and what it may produce.
  bodyBytesMax: 256 * KIB,
  decisionBytesMax: 1 * MIB,
  eventsPerDecisionMax: 1_000,
  sendsPerDecisionMax: 1_000,
  timersPerDecisionMax: 100,
  linksPerDecisionMax: 1_000,
  stateBytesMax: 4 * MIB,
  rejectionBytesMax: 2 * KIB,
  /** Elements of lists and maps in one message, at any depth: empty sub-messages cost more memory than bytes. */
  messageElementsMax: 100_000,
  messageDepthMax: 64,

  // Sandbox process.
  decideTimeMaxMs: 250,
  /** A batch may take decideTimeMaxMs plus this much per item behind the first. */
  batchTimePerItemMs: 1,
  batchTimeMaxMs: 2_000,
  batchItemsMax: 2_048,
  batchBytesMax: 8 * MIB,
  batchesInFlightMax: 2,
  isolateMemoryMaxMib: 512,
  sandboxRssMaxMib: 1_024,
  sandboxHeartbeatMs: 1_000,
  strikesPerCommandMax: 2,
  strikesPerActorMax: 3,
  strikesPerTypeMax: 10,
  bundleBytesMax: 4 * MIB,
  bundleFilesMax: 500,

  // Engine.
  mailboxLengthMax: 1_024,
  commandsWaitingMax: 65_536,
  commandBytesWaitingMax: 64 * MIB,
  activationsMax: 100_000,
  keysPerActorMax: 128,
  keyAgeMaxMs: 24 * 3_600_000,
  eventsPerSnapshotMax: 256,

  // Journal.
  appendBytesMax: 16 * MIB,
  segmentFileBytes: 64 * MIB,

  // Gateway.
  frameBytesMax: 1 * MIB,
  frameFragmentsMax: 64,
  requestsPerFrameMax: 1_024,
  requestsInFlightPerConnectionMax: 1_024,
  watchesPerConnectionMax: 256,
  connectionsMax: 10_000,
  queuedBytesPerConnectionMax: 4 * MIB,
  handshakeTimeMaxMs: 10_000,
  idlePingMs: 30_000,
  deadlineMaxMs: 300_000,
} as const;

// A body must fit a frame, a decision an append, a batch must hold the largest single item.
assert(limits.bodyBytesMax < limits.frameBytesMax);
assert(limits.decisionBytesMax + limits.bodyBytesMax < limits.appendBytesMax);
assert(limits.stateBytesMax + limits.bodyBytesMax < limits.batchBytesMax);
// One actor alone must not fill the node, one connection must not fill an actor's mailbox twice over.
assert(limits.mailboxLengthMax < limits.commandsWaitingMax);
assert(limits.requestsInFlightPerConnectionMax <= limits.mailboxLengthMax);
// The isolate must reach its own limit before the process is killed for its size.
assert(limits.isolateMemoryMaxMib < limits.sandboxRssMaxMib);
