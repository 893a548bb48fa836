/**
 * The oracle of the fault tests: reads the server behind the journal's back, knows its keys by heart and shares no code with the
 * adapter, and says what of the history does not fit what is there. Every complaint begins with the rule that was broken:
 *
 * lost      What was answered `appended` is in the log, at its position, with its bytes (J2).
 * twice     No record is there twice (J3).
 * gap       Positions are 1, 2, 3, ...; entries follow one another without a gap or an overlap (J1).
 * chain     Every entry leads from the head before it to its own, the last one to the head of the bucket.
 * refused   What was answered with a refusal, `fenced`, `conflict` or `rolledBack` has written nothing (J6).
 * overtaken Behind an append that was not `appended`, none that was already called is (J5); after `unknown` none at all under that epoch (J6).
 * stale     What is in front of the place where an epoch was taken is of lower epochs, what is behind it is not; no epoch is taken twice, and
 *           an owner's epochs grow (J4).
 * silent    Every append was answered.
 */

import { chain } from '../../../codec/chain.ts';
import type { Hash64 } from '../../../codec/hash64.ts';
import { RunWalker } from '../../record-run.ts';
import type { Attempt, History } from './history.ts';

/** A server as the oracle asks it; `RedisServer` is one. */
export interface AskedServer {
  commandBytes(...args: readonly (string | number)[]): Promise<unknown>;
}

export interface FoundBucket {
  readonly meta: ReadonlyMap<string, Buffer>;
  /** By position, the first at `from`. */
  readonly records: readonly Buffer[];
  readonly from: number;
  readonly complaints: readonly string[];
}

export function keyOf(bits: number, index: number, what: 'meta' | 'log' | 'snapshots' | 'checkpoint' | 'cold', namespace = 'main'): string {
  return `{${namespace}:${index % 16}}:${bits}.${index}:${what}`;
}

export async function findBucket(server: AskedServer, bits: number, index: number): Promise<FoundBucket> {
  const fields = (await server.commandBytes('HGETALL', keyOf(bits, index, 'meta'))) as Buffer[];
  const meta = new Map<string, Buffer>();
  for (let i = 0; i < fields.length; i += 2) meta.set(fields[i]!.toString(), fields[i + 1]!);
  const entries = (await server.commandBytes('XRANGE', keyOf(bits, index, 'log'), '-', '+')) as [Buffer, Buffer[]][];
  const complaints: string[] = [];
  const say = (what: string): void => void complaints.push(`${what} [bucket ${index}]`);
  const records: Buffer[] = [];
  const from = Number(meta.get('t') ?? 0) + 1;
  let head = hashIn(meta.get('u') ?? Buffer.alloc(8));
  let position = from - 1;
  const walker = new RunWalker();
  for (const [name, [, headAfter, , run]] of entries) {
    const next = { hi: head.hi, lo: head.lo };
    const before = position;
    walker.over(run!);
    while (walker.next()) {
      chain(next, next, run!, walker.from, walker.to);
      records.push(run!.subarray(walker.from, walker.to));
      position++;
    }
    if (name.toString() !== `${position}-0`) {
      say(`gap: entry ${name} holds ${position - before} records behind position ${before}`);
      position = Number.parseInt(name.toString(), 10);
    }
    head = hashIn(headAfter!);
    if (!same(next, head)) say(`chain: the records of entry ${name} do not lead to its head`);
  }
  if (position !== Number(meta.get('p') ?? 0)) say(`gap: the log ends at ${position}, the bucket at ${meta.get('p')}`);
  if (meta.has('h') && !same(head, hashIn(meta.get('h')!))) say('chain: the log does not lead to the head of the bucket');
  return { meta, records, from, complaints };
}

/** All complaints about the buckets that the history knows. `serverOf` tells who has a key, in a cluster. */
export async function complaintsOf(history: History, bits: number, serverOf: (key: string) => Promise<AskedServer>): Promise<string[]> {
  const complaints: string[] = [];
  for (const index of new Set(history.taken.map(({ bucket }) => bucket))) {
    const found = await findBucket(await serverOf(keyOf(bits, index, 'meta')), bits, index);
    complaints.push(...found.complaints, ...complaintsAbout(history, index, found).map((what) => `${what} [bucket ${index}]`));
  }
  return complaints;
}

function complaintsAbout(history: History, bucket: number, { records, from }: FoundBucket): string[] {
  const complaints: string[] = [];
  const attempts = history.attempts.filter((attempt) => attempt.bucket === bucket);
  const byBytes = new Map<string, Attempt>();
  for (const attempt of attempts) for (const record of attempt.records) byBytes.set(record.toString('latin1'), attempt);

  const seen = new Map<string, number>();
  const makers = records.map((record, i) => {
    const text = record.toString('latin1');
    if (seen.has(text)) complaints.push(`twice: the record at ${from + i} is at ${seen.get(text)}, too`);
    seen.set(text, from + i);
    const maker = byBytes.get(text);
    if (maker === undefined) complaints.push(`twice: nobody asked for the record at ${from + i}`);
    return maker;
  });
  for (const attempt of attempts) {
    const what = `${attempt.owner}, epoch ${attempt.epoch}, position ${attempt.position}`;
    const kind = attempt.outcome?.kind;
    const places = attempt.records.map((record) => seen.get(record.toString('latin1')));
    if (kind === undefined) complaints.push(`silent: ${what}`);
    else if (kind === 'appended') {
      if (places.some((place, i) => place !== attempt.position + i)) complaints.push(`lost: ${what}`);
    } else if (kind !== 'unknown' && places.some((place) => place !== undefined)) complaints.push(`refused: ${what} was answered ${kind}, and is there`);
  }
  for (const { epoch, position, at } of history.taken.filter((taken) => taken.bucket === bucket)) {
    makers.forEach((maker, i) => {
      if (maker !== undefined && from + i > position !== maker.epoch >= epoch) complaints.push(`stale: ${from + i} is of epoch ${maker.epoch}; ${epoch} was taken at ${position}`);
    });
    for (const late of attempts) {
      if (late.epoch < epoch && late.calledAt > at && late.outcome?.kind === 'appended') complaints.push(`stale: ${late.owner} under ${late.epoch} after ${epoch} was taken`);
    }
  }
  return [...complaints, ...epochsAgain(history, bucket), ...overtakenIn(attempts)];
}

function epochsAgain(history: History, bucket: number): string[] {
  const complaints: string[] = [];
  const seen = new Set<number>();
  const newest = new Map<string, number>();
  for (const { owner, epoch } of history.taken.filter((taken) => taken.bucket === bucket)) {
    if (seen.has(epoch)) complaints.push(`stale: epoch ${epoch} was taken twice`);
    if (epoch <= (newest.get(owner) ?? 0)) complaints.push(`stale: ${owner} took ${epoch} after ${newest.get(owner)}`);
    seen.add(epoch);
    newest.set(owner, epoch);
  }
  return complaints;
}

function overtakenIn(attempts: readonly Attempt[]): string[] {
  const complaints: string[] = [];
  const byOwner = Map.groupBy(attempts, ({ owner, epoch }) => `${owner}, epoch ${epoch}`);
  for (const [owner, list] of byOwner) {
    // From when on nothing may be appended any more, and before which call nothing may be, whatever is called later.
    let failedUntil = 0;
    for (const { outcome, answeredAt, calledAt, position } of list) {
      if (outcome?.kind === 'appended') {
        if (calledAt < failedUntil) complaints.push(`overtaken: ${owner} at ${position}`);
      } else failedUntil = Math.max(failedUntil, outcome?.kind === 'unknown' ? Infinity : answeredAt);
    }
  }
  return complaints;
}

function hashIn(bytes: Buffer): Hash64 {
  return { lo: bytes.readUInt32LE(0), hi: bytes.readUInt32LE(4) };
}

function same(a: Hash64, b: Hash64): boolean {
  return a.hi === b.hi && a.lo === b.lo;
}
