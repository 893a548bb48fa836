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
  /** The largest that can be set. */
  decideTimeCeilingMs: 500,
  /** Each item may take this much more for every MiB of the batch and of the largest state: they are read and written, whatever a behaviour does. */
  batchTimePerMibMs: 100,
  /** A batch that takes longer, each item in time, is ended by nobody's fault and comes again in smaller ones. */
  batchTimeMaxMs: 2_000,
  /** A bundle that is loaded, or a start, may take this many times as long by the clock: a busy machine is no fault of theirs. */
  batchWallFactor: 4,
  /** As for an item; here more depends on it. */
  stepWallFactor: 20,
  batchItemsMax: 2_048,
  batchBytesMax: 8 * MIB,
  /** A batch is filled with turns that are expected to take so long together; turns that cost much wait for the next one. */
  batchCostMaxMs: 25,
  /** What a turn costs whose actor has had none, by its state: one is folded and checked as a whole, however little changes. */
  turnCostPerMibMs: 90,
  /** Behind this much, further items of a batch are refused: sent again, they come in another batch. */
  batchResultBytesMax: 32 * MIB,
  batchesInFlightMax: 2,
  /** While others are on their way, a batch with less than this share of all commands waits for company, */
  batchSharePercentMin: 40,
  /** at most so long. */
  batchHoldMaxMs: 1,
  isolateMemoryMaxMib: 512,
  sandboxRssMaxMib: 1_024,
  sandboxHeartbeatMs: 1_000,
  /** How long the node waits behind the isolate's own timeout before it kills the process. */
  sandboxDeadlineSlackMs: 150,
  sandboxStartTimeMaxMs: 15_000,
  bundleLoadTimeMaxMs: 2_000,
  /** Points of suspicion until a command is recorded as failed; see runtime/actor/trials.ts. */
  suspicionMax: 3,
  acquittalsMax: 8,
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
  /** A command that is sent again is looked for among so many records of its actor. */
  recordsSearchedMax: 262_144,
  /** Of all actors together, as many of those are known for a while. */
  recordsKnownMax: 1_048_576,
  keyAgeMaxMs: 24 * 3_600_000,
  /** A snapshot is taken when this many records of an actor stand behind its last one, */
  recordsPerSnapshotMax: 256,
  /** When the journal wants a checkpoint, actors with at least this many records behind their snapshot get a new one, */
  recordsPerCheckpointSnapshotMin: 32,
  /** so many a tick. */
  checkpointSnapshotsPerTickMax: 64,
  /** More than one tick can activate, or a flood of new actors would outrun passivation: each takes a snapshot and a drop. */
  passivationsPerTickMax: 4_096,
  /** or at least this many, and folding them again is expected to take this long. */
  recordsPerSnapshotMin: 16,
  replayTimePerActorMaxMs: 5,
  /** Rough size of all resident states; above it the least recently used actors are passivated. */
  stateBytesResidentMax: 256 * MIB,
  /** One decision in so many is run again in the spare sandbox and compared. */
  sampleOneIn: 1_024,
  bucketBits: 8,
  watchRecordsPerReadMax: 256,
  /** Events of a watch in JSON that are made ahead of the one that is handed on: so many, and so many bytes of their payloads. */
  watchEventsAheadMax: 256,
  watchBytesAheadMax: 256 * KIB,
  /** What comes for a bucket that cannot be opened waits so long; then it is refused until the bucket serves again. */
  stoppedBucketHoldMaxMs: 3_000,
  bucketsFoldedAtOnceMax: 16,

  // Messages between actors.
  /** On their way from one bucket to another, not yet known to be taken in. */
  messagesPerChannelMax: 512,
  messageBytesPerChannelMax: 1 * MIB,
  /** On this node, on their way into its buckets; more are dropped and come again. */
  messagesWaitingMax: 65_536,
  /** Actors of coming messages whose histories are read ahead, a channel. */
  messagesReadAheadMax: 32,
  /** Actors that a full node has read ahead beside those it has. */
  actorsReadAheadMax: 1_024,
  /** Messages of all channels that are kept in memory until they are taken in; more are read from the log again. */
  outboxBytesMax: 64 * MIB,
  /** A bucket with more messages than this that are not taken in accepts no commands from clients. */
  messagesBehindMax: 100_000,
  /** Without a sign from the other side, messages are sent again after this time, later and later. */
  messageRetryMs: 200,
  messageRetryMsMax: 5_000,
  /** Linked actors that one record of a broadcast sends to, */
  broadcastChunkMax: 256,
  /** and at most so many bytes to all of them, unless it is one. */
  broadcastChunkBytesMax: 256 * KIB,
  /** Buckets of this node of which a chunk is being read or recorded. */
  broadcastRoundsMax: 8,
  /** A broadcast waits while its bucket has more messages than this that are not taken in, */
  broadcastBacklogMax: 1_024,
  /** looks again after this time, */
  broadcastRestMs: 5,
  /** and goes on by one chunk after this one. */
  broadcastRestMaxMs: 1_000,

  // Timers.
  /** A repeating timer has at least this much time between two firings: each is a record. */
  timerEveryMinMs: 1_000,
  timerEveryMaxMs: 100 * 365 * 86_400_000,
  /** The last moment that a date can name. */
  timerDueMaxMs: 8_640_000_000_000_000,
  cronBytesMax: 256,
  /** Names of timers changed since the host last looked that a sandbox keeps for an actor; beyond, a firing is put off until the host has caught up. */
  changedTimersMax: 256,
  /** A firing that comes later than this after its time says so. */
  timerLateMs: 1_000,
  /** Of a timer with a calendar, so many missed firings are counted: each costs as much as finding the next. */
  cronMissedMax: 100,
  /** Patterns that are kept parsed; one takes some 80 KiB. */
  cronPatternsMax: 64,
  /** Firings on their way to their actors, of one bucket and of the node. */
  firingsPerBucketMax: 256,
  firingsMax: 4_096,
  /** Records between two that armed what is due are read with them, when there are at most so many. */
  firingReadGapMax: 16,
  /** Whatever the clock does meanwhile, it is looked at after this time. */
  timerLookMaxMs: 1_000,
  /** Written into checkpoints in one turn of the event loop, some 10 ms. */
  checkpointTimersPerTurnMax: 32_768,
  /** Of one actor, to an operator. */
  timersShownMax: 1_000,
  /** What could not be fired is tried again after this time. */
  firingRetryMs: 200,
  /** Actors whose parked messages are taken up again at the same time, on this node, */
  actorsResumedAtOnceMax: 64,
  /** and how many messages of one actor are read and entered at once: so many, or bytes, */
  messagesResumedAtOnceMax: 32,
  messageBytesResumedAtOnceMax: 256 * KIB,
  /** and how many actors a look for them passes by before others have their turn. */
  parkedActorsPassedMax: 4_096,
  /** An operator who retries or drops a message is answered within this time, if only that it is not done yet. */
  letterTimeMaxMs: 15_000,
  /** Records that are read for one page of parked and failed messages, whatever of them is wanted. */
  lettersReadPerPageMax: 2_000,
  /** Records that are folded to see what an actor was at some moment. */
  pastBytesMax: 6 * MIB,
  /** From a record back to what began it. */
  causeLinksMax: 1_000,
  /** Bodies of a page; behind this much, the next one begins. */
  letterBytesPerPageMax: 1 * MIB,

  // Journal.
  appendBytesMax: 16 * MIB,
  segmentFileBytes: 64 * MIB,
  /** Full files that may wait to be sealed while the journal is busy; a start reads all of them. */
  unsealedFilesMax: 6,
  /**
   * Pieces of sealed segments that are kept, unpacked. Actors that were written together lie in one block of each bucket, some 5 MiB of
   * 256 buckets, and anywhere in the index of their segment, some 5 MiB more.
   */
  segmentPieceBytesMax: 64 * MIB,

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
  /** Reading from a connection pauses while more than this waits for its client. */
  queuedBytesPauseAt: 256 * KIB,
  /** Answers of one turn share frames up to this size. */
  answerFrameBytesMax: 64 * KIB,
  /** Pieces of one frame that the network may deliver separately. */
  frameChunksMax: 8_192,
  jsonDepthMax: 256,
  badFramesPerConnectionMax: 100,
  handshakeBytesMax: 16 * KIB,
  closeTimeMaxMs: 2_000,
  overloadPauseMs: 20,
} as const;

// A body must fit a frame, a decision an append, a batch must hold the largest single item.
assert(limits.bodyBytesMax < limits.frameBytesMax);
assert(limits.decisionBytesMax + limits.bodyBytesMax < limits.appendBytesMax);
assert(limits.stateBytesMax + limits.bodyBytesMax < limits.batchBytesMax);
// What a turn of the largest state is expected to cost is allowed, and a full batch is expected to be over long before it is ended.
assert(limits.turnCostPerMibMs <= limits.batchTimePerMibMs && limits.batchCostMaxMs * 10 <= limits.batchTimeMaxMs);
assert(limits.decideTimeMaxMs <= limits.decideTimeCeilingMs);
// One actor alone must not fill the node, one connection must not fill an actor's mailbox twice over.
assert(limits.mailboxLengthMax < limits.commandsWaitingMax);
// A tick fills at most so many items; an actor that comes takes two, one that leaves is looked at twice.
assert(limits.passivationsPerTickMax >= limits.batchItemsMax * limits.batchesInFlightMax);
assert(limits.requestsInFlightPerConnectionMax <= limits.mailboxLengthMax);
// A connection must be paused before it is closed for its queue, with room for the answers that are then still to come.
assert(limits.queuedBytesPauseAt + limits.frameBytesMax < limits.queuedBytesPerConnectionMax);
// The isolate must reach its own limit before the process is killed for its size.
assert(limits.isolateMemoryMaxMib < limits.sandboxRssMaxMib);
// A timer is known by the position of its record times 128, plus its index there (actor/timers/timer-index.ts).
assert(limits.timersPerDecisionMax < 128);
// The next time of a repeating timer is still a whole number.
assert(Number.isSafeInteger(limits.timerDueMaxMs + limits.timerEveryMaxMs));
assert(limits.firingsPerBucketMax <= limits.firingsMax);
