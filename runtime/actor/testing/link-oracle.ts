/**
 * Who must have been told what, from the records of all buckets alone: protobufjs over the schema, and none of the code that made them.
 */

import protobuf from 'protobufjs';

import type { Journal } from '../../journal/journal.ts';

const schema = await protobuf.load(new URL('../../../proto/troupe/v1/record.proto', import.meta.url).pathname);
const recordType = schema.lookupType('troupe.v1.Record');

export interface OracleRecord {
  readonly kind: string;
  readonly actor: string;
  readonly bucketIndex: number;
  readonly position: number;
  readonly incarnation: string;
  readonly principal: string;
  readonly name: string;
  readonly addressee: string;
  readonly cause: { incarnation: string; bucketIndex: number; position: number; index: number; number: number } | null;
  readonly payload: { data: string } | null;
  readonly sends: { to: string; name: string; data: string }[];
  readonly sendNumbers: number[];
  readonly links: { actor: string; unlink: boolean }[];
  readonly linkNotes: { number: number; linkedNumber: number }[];
  readonly broadcasts: { name: string; data: string }[];
  readonly linkTaken: { target: string; actor: string; unlink: boolean; linkedNumber: number } | null;
  readonly cursor: { position: number; index: number; through: number; done: boolean; actor: string } | null;
}

export async function readAll(journal: Journal, bits: number): Promise<OracleRecord[][]> {
  const logs: OracleRecord[][] = [];
  for (let index = 0; index < 2 ** bits; index++) {
    const log: OracleRecord[] = [];
    for await (const { bytes } of journal.readBucket({ bits, index }, 1)) {
      const options = { defaults: true, arrays: true, enums: String, longs: Number, bytes: String };
      const plain = recordType.toObject(recordType.decode(bytes), options) as unknown as OracleRecord & { incarnation: unknown };
      log.push({ ...plain, incarnation: String(plain.incarnation) });
    }
    logs.push(log);
  }
  return logs;
}

export interface Findings {
  /** What is wrong, in words. */
  readonly wrong: string[];
  readonly broadcasts: number;
  /** Deliveries that had to be, and were. */
  readonly told: number;
  readonly cursors: number;
  /** Links that ended while a broadcast that had to reach them was running. */
  readonly endedMeanwhile: number;
  /** Links made while a broadcast of their target was running. */
  readonly madeMeanwhile: number;
}

interface Expected {
  readonly what: string;
  readonly broadcast: { readonly name: string; readonly data: string };
  readonly to: Map<string, number>;
  through: number;
  done: boolean;
}

/** `hears` says which types have the command. Everything that is under way must have come to its end. */
export function judge(logs: readonly (readonly OracleRecord[])[], hears: (type: string) => boolean): Findings {
  const wrong: string[] = [];
  const counts = { broadcasts: 0, told: 0, cursors: 0, endedMeanwhile: 0, madeMeanwhile: 0 };
  checkLinksTaken(logs, wrong);
  const told = deliveries(logs);
  for (const [bucket, log] of logs.entries()) {
    const linked = new Map<string, Map<string, { actor: string; position: number }>>();
    const broadcasts = new Map<string, Expected>();
    for (const record of log) {
      if (record.linkTaken !== null) {
        const running = [...broadcasts].filter(([key, { done }]) => !done && key.startsWith(`${record.linkTaken!.target} `));
        changeLink(record, linked, running, counts, wrong);
      }
      for (const [index, broadcast] of record.broadcasts.entries()) {
        const to = new Map<string, number>();
        const standing = [...(linked.get(record.actor)?.values() ?? [])];
        for (const { actor, position } of standing) if (hears(typeOf(actor))) to.set(actor, position);
        counts.broadcasts++;
        broadcasts.set(`${record.actor} ${record.position} ${index}`, {
          what: `broadcast ${broadcast.name} ${index} of ${record.actor} at ${record.position}`, broadcast, to, through: 0, done: standing.length === 0,
        });
      }
      if (record.kind === 'RECORD_KIND_CURSOR') {
        counts.cursors++;
        checkCursor(record, broadcasts, wrong);
      }
    }
    for (const [key, expected] of broadcasts) {
      if (!expected.done) wrong.push(`${expected.what} has not ended`);
      const heard = told.get(`${bucket} ${key}`) ?? new Map<string, number>();
      told.delete(`${bucket} ${key}`);
      for (const actor of expected.to.keys()) {
        const times = heard.get(`${actor} ${expected.broadcast.name} ${expected.broadcast.data}`) ?? 0;
        if (times !== 1) wrong.push(`${expected.what}: ${actor} was told ${times} times`);
        else counts.told++;
      }
      if (heard.size > expected.to.size) wrong.push(`${expected.what}: told were ${[...heard.keys()].join(', ')}, to be told ${[...expected.to.keys()].join(', ')}`);
    }
  }
  for (const key of told.keys()) wrong.push(`told of no broadcast: ${key}`);
  return { wrong, ...counts };
}

/** A link stands from its record to the record of its unlink, which names the link's number on the same channel. */
function changeLink(
  { position, linkTaken, cause }: OracleRecord,
  linked: Map<string, Map<string, { actor: string; position: number }>>,
  running: readonly (readonly [string, Expected])[],
  counts: { endedMeanwhile: number; madeMeanwhile: number },
  wrong: string[],
): void {
  const { target, actor, unlink, linkedNumber } = linkTaken!;
  const links = linked.get(target) ?? new Map<string, { actor: string; position: number }>();
  linked.set(target, links);
  const channel = `${cause!.incarnation} ${cause!.bucketIndex}`;
  if (!unlink) {
    links.set(`${channel} ${cause!.number}`, { actor, position });
    if (running.length > 0) counts.madeMeanwhile++;
    return;
  }
  const link = links.get(`${channel} ${linkedNumber}`);
  if (link === undefined || link.actor !== actor) {
    wrong.push(`at ${position}: ${actor} ends a link to ${target} that is not there`);
    return;
  }
  links.delete(`${channel} ${linkedNumber}`);
  if (running.some(([, { to, through }]) => to.has(actor) && link.position > through)) counts.endedMeanwhile++;
}

function checkCursor({ position, cursor, sends, sendNumbers }: OracleRecord, broadcasts: Map<string, Expected>, wrong: string[]): void {
  const expected = broadcasts.get(`${cursor!.actor} ${cursor!.position} ${cursor!.index}`);
  if (expected === undefined) {
    wrong.push(`the cursor at ${position} is of no broadcast`);
    return;
  }
  if (expected.done) wrong.push(`${expected.what}: the cursor at ${position} comes behind its end`);
  if (cursor!.through < expected.through || sends.length !== sendNumbers.length) wrong.push(`${expected.what}: the cursor at ${position} goes back`);
  const skipped = [...expected.to].filter(([actor, at]) => at > expected.through && at <= cursor!.through && !sends.some(({ to }) => to === actor));
  for (const [actor] of skipped) wrong.push(`${expected.what}: the cursor at ${position} leaves out ${actor}`);
  expected.through = cursor!.through;
  expected.done = cursor!.done;
}

/** By broadcast: how often each actor had which command with which body of it. */
function deliveries(logs: readonly (readonly OracleRecord[])[]): Map<string, Map<string, number>> {
  const told = new Map<string, Map<string, number>>();
  for (const log of logs) {
    for (const { cause, actor, addressee, principal, name, payload, kind } of log) {
      if (cause === null || cause.number === 0) continue;
      const from = logs[cause.bucketIndex]![cause.position - 1];
      if (from?.cursor == null || kind === 'RECORD_KIND_LINKED') continue;
      const send = from.sends[cause.index];
      const receiver = actor === '' ? addressee : actor;
      const isRight = send?.to === receiver && send.name === name && send.data === (payload?.data ?? '') && principal === from.cursor.actor;
      const key = `${cause.bucketIndex} ${from.cursor.actor} ${from.cursor.position} ${from.cursor.index}`;
      const heard = told.get(key) ?? new Map<string, number>();
      told.set(key, heard);
      const what = `${receiver} ${name} ${isRight ? (payload?.data ?? '') : 'WRONG'}`;
      heard.set(what, (heard.get(what) ?? 0) + 1);
    }
  }
  return told;
}

/** What actors have decided about their links is what the logs of the others say, in order, each once. */
function checkLinksTaken(logs: readonly (readonly OracleRecord[])[], wrong: string[]): void {
  const decided = new Map<string, string[]>();
  const taken = new Map<string, string[]>();
  const add = (to: Map<string, string[]>, key: string, what: string): void => void to.set(key, [...(to.get(key) ?? []), what]);
  for (const log of logs) {
    const held = new Set<string>();
    for (const { actor, links, linkNotes, linkTaken, position } of log) {
      for (const [i, { actor: target, unlink }] of links.entries()) {
        const isHeld = held.has(`${actor} ${target}`);
        if (isHeld !== unlink) {
          if (linkNotes[i]!.number !== 0) wrong.push(`at ${position}: ${actor} tells ${target} of no change`);
          continue;
        }
        if (unlink) held.delete(`${actor} ${target}`);
        else held.add(`${actor} ${target}`);
        add(decided, `${actor} ${target}`, unlink ? 'unlink' : 'link');
      }
      if (linkTaken !== null) add(taken, `${linkTaken.actor} ${linkTaken.target}`, linkTaken.unlink ? 'unlink' : 'link');
    }
  }
  for (const [pair, changes] of decided) {
    const heard = taken.get(pair) ?? [];
    if (heard.join() !== changes.join()) wrong.push(`${pair}: decided ${changes.join()}, taken in ${heard.join()}`);
  }
  for (const pair of taken.keys()) if (!decided.has(pair)) wrong.push(`${pair}: nobody has decided that`);
}

function typeOf(address: string): string {
  return address.slice(0, address.indexOf(':'));
}
