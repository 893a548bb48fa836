/**
 * The check of actors that talk to each other, at rest, by those who check it after faults, too: every record of every log must follow from those
 * before it, every message have had its effect once, every broadcast have reached whoever was linked (C1-C8 of
 * runtime/faults/messages/messages-check.ts), and the state of every actor of the shop be the fold of its events. It shares nothing with the engine
 * but the hash that chains the records.
 *
 * It reads all logs from their beginning, once: what was demoted from Redis is out of its reach.
 */

import { lookAtBuckets, readStoredLog, standingOf } from '../../cluster/faults/store-log.ts';
import type { BucketId } from '../../runtime/codec/address.ts';
import { Findings } from '../../runtime/faults/book.ts';
import { CarefulClient } from '../../runtime/faults/messages/careful-client.ts';
import type { LogRecord } from '../../runtime/faults/messages/log-record.ts';
import { MessagesCheck } from '../../runtime/faults/messages/messages-check.ts';
import type { AnsweredCommand } from '../../runtime/faults/messages/messages-check.ts';
import { NodeLogs } from '../../runtime/faults/messages/node-logs.ts';
import { compareStates, logsStill } from '../../runtime/faults/messages/rest.ts';
import { RespClient } from '../../runtime/testing/resp.ts';
import type { Servers } from '../subject/servers.ts';

const STILL_MAX_MS = 60_000;
const TIMER_GRACE_MS = 10_000;
const BUCKET_BITS = 8;

export class LogProof {
  readonly check: MessagesCheck;
  private readonly findings = new Findings();
  private readonly servers: Servers;
  private readonly directory: string;

  /** `also` is given every record, in the order of its log. */
  constructor(servers: Servers, directory: string, also: (record: LogRecord) => void) {
    this.servers = servers;
    this.directory = directory;
    this.check = new MessagesCheck(this.findings, also);
  }

  /** Resolves with what is wrong; empty: nothing. @throws Error when the logs go on growing */
  async findingsAtRest(answered: readonly AnsweredCommand[]): Promise<readonly string[]> {
    const { servers, check, findings } = this;
    await logsStill(() => servers.positions(), STILL_MAX_MS);
    await (servers.redis === null ? this.readFolder() : this.readStore(servers.redis.port));
    check.settle({ nowMs: Date.now(), timerGraceMs: TIMER_GRACE_MS }, answered);
    const client = new CarefulClient({ findings, random: () => 0, repeatShare: 0 });
    for (const port of servers.ports) client.use(port);
    try {
      await compareStates(check, client);
    } finally {
      client.close();
    }
    return findings.list;
  }

  private async readFolder(): Promise<void> {
    const { servers, directory, check } = this;
    await new NodeLogs(servers.data, directory).readSuspended(servers.nodes[0]!.process.pid, check);
  }

  private async readStore(port: number): Promise<void> {
    const { check, findings } = this;
    const store = await RespClient.open(port, { bytes: true });
    try {
      const ids = Array.from({ length: 2 ** BUCKET_BITS }, (_, index): BucketId => ({ bits: BUCKET_BITS, index }));
      const standings = await lookAtBuckets(store, ids);
      for (const id of ids) {
        if (standings[id.index] === null) continue;
        const standing = await standingOf(store, id);
        await check.bucket(id, standing.origin, readStoredLog(store, id, standing, (what) => findings.add(what)));
      }
      check.match();
    } finally {
      store.close();
    }
  }
}
