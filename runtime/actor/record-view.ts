/** Records as people read them: every field by name, every payload as ProtoJSON. A cold path, so protobufjs does the decoding. */

import { readFileSync } from 'node:fs';

import protobuf from 'protobufjs';

import type { StoredRecord } from '../journal/journal.ts';
import { PAYLOAD_COMMAND, PAYLOAD_EVENT, PAYLOAD_REPLY, PAYLOAD_STATE } from '../sandbox/sandbox.ts';
import { hashToHex } from '../codec/hash64.ts';
import { RecordReader } from '../codec/record.ts';
import { causeOf, cursorOf, linkNotesOf, linkTakenOf } from '../codec/record-messages.ts';
import { firingOf, timerNotesOf } from '../codec/record-timers.ts';
import type { TimerNote } from '../codec/record-timers.ts';
import type { Bundles, LoadedBundleEntry } from './bundles.ts';
import type { Calls } from './calls.ts';
import type { RecordCause, RecordTimer, RecordView } from './engine.ts';
import { isMintedKey } from '../codec/minted-key.ts';
import { splitAddress } from '../codec/address.ts';

interface Payload {
  data?: Uint8Array;
}

interface DecodedRecord {
  kind: string;
  actor: string;
  bucketIndex: number;
  position: number;
  epoch: number;
  firstSeq: number;
  key: string;
  principal: string;
  name: string;
  nowMs: number;
  bundle: Uint8Array;
  payload?: Payload;
  migration?: { state: Uint8Array };
  events: ({ name: string } & Payload)[];
  sends: ({ to: string; name: string; onReply: string } & Payload)[];
  sendNumbers: number[];
  timers: { name: string; armed?: { dueMs: number; command: string; everyMs: number; cron: string; zone: string } & Payload }[];
  links: { actor: string; unlink: boolean }[];
  broadcasts: ({ name: string } & Payload)[];
  reply?: Payload;
  rejection?: { code: string; message: string };
  failure?: { code: string; message: string };
}

const schema = protobuf.parse(readFileSync(new URL('../../proto/troupe/v1/record.proto', import.meta.url), 'utf8'));
const recordType = schema.root.lookupType('troupe.v1.Record');

export async function viewRecords(
  records: readonly StoredRecord[],
  bundles: Bundles,
  calls: Calls,
): Promise<RecordView[]> {
  const views: RecordView[] = [];
  for (const { bytes } of records) views.push(await viewRecord(bytes, bundles, calls));
  return views;
}

/** `madeBy`: the bundle (hex) whose messages a record holds that names none itself, a broadcast's chunk. */
export async function viewRecord(bytes: Buffer, bundles: Bundles, calls: Calls, madeBy = ''): Promise<RecordView> {
  const fields = new RecordReader().over(bytes);
  const record = recordType.toObject(recordType.decode(bytes), {
    defaults: true,
    longs: Number,
    enums: String,
    arrays: true,
  }) as unknown as DecodedRecord;
  const hash = Buffer.from(record.bundle).toString('hex');
  const bundle = hash === '' && madeBy === '' ? null : await bundles.load(hash || madeBy);
  const { type } = splitAddress(record.actor || fields.addressee || (cursorOf(fields)?.actor ?? ''));
  const timerNotes = timerNotesOf(fields);
  const linkNotes = linkNotesOf(fields);
  const body: Body = (kind, of, name, data) => bodyOf(calls, versionOf(bundles, bundle, of), of, kind, name, data);
  return {
    position: record.position,
    bucket: record.bucketIndex,
    incarnation: hashToHex({ hi: fields.incarnationHi, lo: fields.incarnationLo }),
    epoch: record.epoch,
    kind: record.kind.replace('RECORD_KIND_', '').toLowerCase(),
    actor: record.actor,
    addressee: fields.addressee,
    cause: viewCause(fields),
    firing: firingOf(fields),
    resumes: fields.resumes,
    onReply: fields.onReply,
    firstSeq: record.firstSeq,
    command: record.name,
    key: isMintedKey(record.key) ? '' : record.key,
    principal: record.principal,
    nowMs: record.nowMs,
    bundle: hash,
    payload: await viewPayload(record, type, body),
    events: await Promise.all(
      record.events.map(async (event, i) => ({
        seq: record.firstSeq + i,
        name: event.name,
        body: await body(PAYLOAD_EVENT, type, event.name, event),
      })),
    ),
    sends: await Promise.all(
      record.sends.map(async (send, i) => ({
        to: send.to,
        name: send.name,
        body: await body(PAYLOAD_COMMAND, splitAddress(send.to).type, send.name, send),
        number: record.sendNumbers[i] ?? 0,
        onReply: send.onReply,
      })),
    ),
    timers: await Promise.all(record.timers.map((timer, i) => viewTimer(timer, timerNotes[i] ?? null, type, body))),
    links: record.links.map(({ actor, unlink }, i) => ({ actor, unlink, number: linkNotes[i]?.number ?? 0, linkedNumber: linkNotes[i]?.linkedNumber ?? 0 })),
    broadcasts: await Promise.all(record.broadcasts.map(async (broadcast) => ({ name: broadcast.name, body: await body(PAYLOAD_COMMAND, takerOf(bundle, broadcast.name), broadcast.name, broadcast) }))),
    linkTaken: linkTakenOf(fields),
    cursor: cursorOf(fields),
    reply: record.reply == null ? null : await body(PAYLOAD_REPLY, type, record.name, record.reply),
    rejection: record.rejection ?? null,
    failure: record.failure ?? null,
  };
}

type Body = (kind: number, of: string, name: string, data: Payload | undefined) => Promise<unknown>;

/** What came in: the body of a command; for a migration, which no command brought, the state that it carried over. */
async function viewPayload({ payload, migration, name }: DecodedRecord, type: string, body: Body): Promise<unknown> {
  if (migration != null) return body(PAYLOAD_STATE, type, '', { data: migration.state });
  return payload == null ? null : body(PAYLOAD_COMMAND, type, name, payload);
}

/** The note says when a calendar comes to it first, and which timer of this name there was. */
async function viewTimer(timer: DecodedRecord['timers'][number], note: TimerNote | null, type: string, body: Body): Promise<RecordTimer> {
  const before = note === null || note.replaces === null ? {} : { replaces: note.replaces };
  if (timer.armed == null) return { name: timer.name, cancelled: true, ...before };
  const { dueMs, command, everyMs, cron, zone } = timer.armed;
  const when = cron === '' ? { dueMs, everyMs } : { cron, zone: zone === '' ? 'UTC' : zone, dueMs: note?.dueMs ?? 0 };
  return { name: timer.name, ...when, ...before, command, body: await body(PAYLOAD_COMMAND, type, command, timer.armed) };
}

function viewCause(fields: RecordReader): RecordCause | null {
  const cause = causeOf(fields);
  if (cause === null) return null;
  const { incarnationHi, incarnationLo, index, position, entry, number, session } = cause;
  if (position === 0) return { session, incarnation: '', bucket: 0, position: 0, entry: 0, number: 0 };
  return { session, incarnation: hashToHex({ hi: incarnationHi, lo: incarnationLo }), bucket: index, position, entry, number };
}

/** A broadcast is for all types that have the command, which agree on its message. */
function takerOf(bundle: LoadedBundleEntry | null, command: string): string {
  for (const version of bundle?.types.values() ?? []) if (version.commandIndexes.has(command)) return version.type;
  return '';
}

/** What the host itself has sent, the refusal for a dropped message, names no bundle: it is read as the type in service has it. */
function versionOf(bundles: Bundles, bundle: LoadedBundleEntry | null, type: string): LoadedBundleEntry | null {
  return bundle ?? bundles.served.get(type)?.bundle ?? null;
}

/** A payload that the bundle has no message for is shown as base64, so that nothing of a record is hidden. */
async function bodyOf(
  calls: Calls,
  bundle: LoadedBundleEntry | null,
  type: string,
  kind: number,
  name: string,
  payload: Payload | undefined,
): Promise<unknown> {
  const data = payload?.data ?? new Uint8Array(0);
  const raw = { base64: Buffer.from(data).toString('base64') };
  if (bundle === null || !bundle.types.has(type)) return raw;
  const text = await calls.toJson(bundle, type, kind, name, data);
  return 'error' in text ? raw : (JSON.parse(text.bytes.toString('utf8')) as unknown);
}

/** Records from the first that holds an event with seq >= `fromSeq` on. */
export function selectFrom(stored: readonly StoredRecord[], fromSeq: number, recordsMax: number): readonly StoredRecord[] {
  if (fromSeq <= 1) return stored.slice(0, recordsMax);
  const reader = new RecordReader();
  const first = stored.findIndex(({ bytes }) => {
    const record = reader.over(bytes);
    return record.firstSeq + record.events > fromSeq;
  });
  return first < 0 ? [] : stored.slice(first, first + recordsMax);
}
