/**
 * What must hold between the answers that clients got and the log, whatever happened in between. Shares nothing with the
 * engine: records are decoded by protobufjs from the schema, and the accounts are added up here.
 */

import { readFileSync } from 'node:fs';

import protobuf from 'protobufjs';

import type { Journal } from '../../journal/journal.ts';

/** One command as a client remembers it. `note` is in its body and names it for ever. */
export interface Sent {
  readonly note: string;
  readonly client: string;
  readonly actor: string;
  readonly key: string;
  readonly name: string;
  readonly amount: number;
  /** Place among the client's commands to this actor. */
  readonly n: number;
  /** Answers in the order in which the attempts were made; null: none yet. */
  readonly answers: ({ readonly seq: number; readonly balance: number | null; readonly code: string } | null)[];
}

export interface Account {
  seq: number;
  balance: number;
}

interface Decoded {
  kind: string;
  actor: string;
  position: number;
  epoch: number;
  firstSeq: number;
  key: string;
  principal: string;
  name: string;
  nowMs: number;
  previous: number;
  payload?: { data: Uint8Array };
  events: { name: string; data: Uint8Array }[];
  reply?: { data: Uint8Array };
  rejection?: { code: string };
}

interface Found {
  readonly record: Decoded;
  readonly bucket: number;
  readonly seqAfter: number;
  readonly balance: number;
}

const schema = protobuf.parse(readFileSync(new URL('../../../proto/troupe/v1/record.proto', import.meta.url), 'utf8'), { keepCase: false });
const recordType = schema.root.lookupType('troupe.v1.Record');
const money = protobuf.parse(`
syntax = "proto3";
message Command { int64 amount = 1; string note = 2; }
message Event { int64 amount = 1; }
message Reply { int64 balance = 1; }
`).root;

function decode(type: protobuf.Type, bytes: Uint8Array): Record<string, unknown> {
  return type.toObject(type.decode(bytes), { longs: Number, enums: String, defaults: true, arrays: true });
}

export class Oracle {
  readonly problems: string[] = [];
  readonly accounts = new Map<string, Account>();
  private readonly byNote = new Map<string, Found[]>();
  private readonly keys = new Map<string, number>();
  private readonly last = new Map<string, number>();
  records = 0;

  /** Reads every bucket's log from the first record. */
  async read(journal: Journal, bits: number): Promise<void> {
    for (let bucket = 0; bucket < 2 ** bits; bucket++) {
      const state = { position: 0, epoch: 0, nowMs: 0 };
      for await (const stored of journal.readBucket({ bits, index: bucket }, 1)) {
        const record = decode(recordType, stored.bytes) as unknown as Decoded;
        this.records++;
        const at = `bucket ${bucket} position ${stored.position}`;
        if (stored.position !== state.position + 1 || record.position !== stored.position) this.problems.push(`${at}: positions are not dense`);
        if (record.epoch < state.epoch) this.problems.push(`${at}: the epoch went back`);
        if (record.nowMs < state.nowMs) this.problems.push(`${at}: recorded time went back`);
        Object.assign(state, { position: stored.position, epoch: record.epoch, nowMs: record.nowMs });
        if (record.actor !== '') this.take(record, bucket, at);
      }
    }
  }

  private take(record: Decoded, bucket: number, at: string): void {
    const { actor } = record;
    if (record.previous !== (this.last.get(actor) ?? 0)) this.problems.push(`${at}: previous is ${record.previous}`);
    this.last.set(actor, record.position);
    const account = this.accounts.get(actor) ?? { seq: 0, balance: 0 };
    this.accounts.set(actor, account);
    if (record.firstSeq !== account.seq + 1) this.problems.push(`${at}: first seq ${record.firstSeq} behind ${account.seq}`);
    const before = account.balance;
    for (const event of record.events) {
      const { amount } = decode(money.lookupType('Event'), event.data) as { amount: number };
      account.balance += event.name === 'Withdrawn' ? -amount : amount;
      account.seq++;
    }
    if (account.balance < 0) this.problems.push(`${at}: ${actor} is overdrawn`);
    if (record.key !== '') this.takeKey(record, at);
    if (record.payload === undefined || record.payload === null) return;
    const { amount, note } = decode(money.lookupType('Command'), record.payload.data) as { amount: number; note: string };
    if (record.kind === 'RECORD_KIND_REJECTION' && amount <= before) this.problems.push(`${at}: refused ${amount} of ${before}`);
    if (record.kind === 'RECORD_KIND_DECISION') {
      const { balance } = decode(money.lookupType('Reply'), record.reply!.data) as { balance: number };
      if (balance !== account.balance) this.problems.push(`${at}: the reply says ${balance}, the log ${account.balance}`);
    }
    const found = { record, bucket, seqAfter: account.seq, balance: account.balance };
    this.byNote.set(note, [...(this.byNote.get(note) ?? []), found]);
  }

  private takeKey({ actor, principal, key }: Decoded, at: string): void {
    const scope = JSON.stringify([actor, principal, key]);
    const times = (this.keys.get(scope) ?? 0) + 1;
    this.keys.set(scope, times);
    if (times > 1) this.problems.push(`${at}: key ${scope} for the ${times}th time`);
  }

  /** Holds what clients were told against the log. */
  judge(sent: readonly Sent[]): void {
    for (const command of sent) this.judgeOne(command);
    this.judgeOrder(sent);
  }

  private judgeOne(sent: Sent): void {
    const found = this.byNote.get(sent.note) ?? [];
    if (found.length > 1) this.problems.push(`${sent.note}: applied ${found.length} times`);
    for (const answer of sent.answers) {
      if (answer === null) this.problems.push(`${sent.note}: never answered`);
      else this.judgeAnswer(sent, answer, found[0]);
    }
  }

  private judgeAnswer(sent: Sent, answer: { seq: number; balance: number | null; code: string }, found: Found | undefined): void {
    const { code, seq, balance } = answer;
    if (code === 'ok') {
      if (found === undefined) this.problems.push(`${sent.note}: acknowledged, and not in the log`);
      else if (found.record.kind !== 'RECORD_KIND_DECISION' || found.seqAfter !== seq || found.balance !== balance) {
        this.problems.push(`${sent.note}: answered ${seq}/${balance}, the log has ${found.seqAfter}/${found.balance} (${found.record.kind})`);
      }
    } else if (code === 'REJECTED') {
      if (found?.record.kind !== 'RECORD_KIND_REJECTION') this.problems.push(`${sent.note}: refused, and the log knows no refusal`);
    } else if (sent.key === '' && harmless.has(code) && found !== undefined) {
      this.problems.push(`${sent.note}: answered ${code}, which says that nothing happened, and it is in the log`);
    } else if (!harmless.has(code) && !open.has(code)) this.problems.push(`${sent.note}: answered ${code}`);
  }

  /** Commands of one client to one actor, answered at the first attempt, stand in the log in the order in which they were sent. */
  private judgeOrder(sent: readonly Sent[]): void {
    const last = new Map<string, { n: number; position: number }>();
    for (const { note, client, actor, n, answers } of sent) {
      const [first] = answers;
      const [found] = this.byNote.get(note) ?? [];
      if (found === undefined || first === null || first === undefined || (first.code !== 'ok' && first.code !== 'REJECTED')) continue;
      const lane = `${client} ${actor}`;
      const before = last.get(lane);
      if (before !== undefined && before.position > found.record.position) this.problems.push(`${note}: overtook ${lane} ${before.n}`);
      last.set(lane, { n, position: found.record.position });
    }
  }
}

/** Answers that say that nothing was written. */
const harmless = new Set(['JOURNAL_FAILED', 'JOURNAL_FULL', 'FENCED', 'MAILBOX_FULL', 'OVERLOADED', 'SANDBOX_LOST', 'QUARANTINED']);
/** Answers after which only the log knows. */
const open = new Set(['UNKNOWN_OUTCOME', 'BEHAVIOR_FAILED']);
