/** A record as a person reads it: what came in, what was decided, what it sent, armed and answered. Pure. */

import type { DeadLetter, RecordTimer, RecordView } from '../actor/engine.ts';
import { printable } from './terminal.ts';

const LABEL = 9;

/** A block of lines without a trailing line break; the first line says which record, the others what is in it. `isLetter`: it stands in the list of dead letters. */
export function recordText(record: RecordView, isLetter = false): string {
  const lines = [headline(record), ...causeLines(record)];
  if (hasContent(record.payload)) lines.push(line(kindOf(record) === 'migrate' ? 'state' : 'command', json(record.payload)));
  for (const event of record.events) {
    lines.push(line(`seq ${event.seq}`, `${event.name} ${json(event.body)}`));
    for (const { path, ...change } of event.changes ?? []) lines.push(line('', `${path}${changeText(change)}`));
  }
  for (const send of record.sends) lines.push(line('send', `${send.to} ${send.name} ${json(send.body)}${send.onReply === '' ? '' : ` -> ${send.onReply}`}`));
  for (const timer of record.timers) lines.push(line('timer', timerText(timer)));
  for (const link of record.links) lines.push(line(link.unlink ? 'unlink' : 'link', link.actor));
  for (const broadcast of record.broadcasts) lines.push(line('broadcast', `${broadcast.name} ${json(broadcast.body)}`));
  if (record.rejection !== null) lines.push(line('rejected', `${record.rejection.code}: ${record.rejection.message}`));
  if (record.failure !== null) lines.push(line('failed', `${record.failure.code}: ${record.failure.message}`));
  if (hasContent(record.reply)) lines.push(line('reply', json(record.reply)));
  if (isLetter) lines.push(line('hint', ordersFor(`${record.bucket}/${record.position}`)));
  return lines.join('\n');
}

/** A message that has come to an actor and had no effect yet, in the form of a record. */
export function letterText({ bucket, position, state, code, message, nowMs, from, timer, command, body, onReply }: DeadLetter): string {
  const place = `${bucket}/${position}`;
  const orders = state === 'failed' ? ordersFor(place) : `comes by itself when its actor can take it; troupe deadletters drop ${place} takes it away`;
  return [
    printable([new Date(nowMs).toISOString(), command, `bucket ${bucket} position ${position}`, state, timer === '' ? `by ${from}` : `by timer ${timer}`].join('  ')),
    ...(hasContent(body) ? [line('command', json(body))] : []),
    ...(onReply === '' ? [] : [line('reply to', onReply)]),
    line(state, `${code}: ${message}`),
    line('hint', orders),
  ].join('\n');
}

function ordersFor(place: string): string {
  return `troupe deadletters retry ${place}, or drop ${place}`;
}

/** What it is, where that is not the name of a command. */
export function whatIs(record: RecordView): string {
  const kind = kindOf(record);
  // No behaviour has to say `migrate` for it: the state goes on under the new bundle, and that is where a later reading begins.
  if (kind === 'migrate') return `state carried over${record.bundle === '' ? '' : ` to bundle ${record.bundle.slice(0, 8)}`}`;
  return kind;
}

/** Who brought it. A message that was dropped keeps its sender, who did not drop it. */
export function broughtBy(record: RecordView): string[] {
  const { principal } = record;
  switch (kindOf(record)) {
    case 'migrate': return [];
    case 'dropped': return ['by an operator', ...(principal === '' ? [] : [`message of ${principal}`])];
    default: return [`by ${principal === '' ? 'anyone' : principal}`];
  }
}

/** Of a bundle, if a behaviour decided under it; what was carried over has it in its name. */
export function bundleOf(record: RecordView): string[] {
  return record.bundle === '' || kindOf(record) === 'migrate' ? [] : [`bundle ${record.bundle.slice(0, 8)}`];
}

function kindOf(record: RecordView): string {
  return record.kind.toLowerCase();
}

/** What brought it, where that is not a client. */
function causeLines({ bucket, addressee, cause, firing, resumes, onReply, linkTaken, cursor }: RecordView): string[] {
  return [
    ...(addressee === '' ? [] : [line('for', addressee)]),
    ...(cause === null || cause.position === 0 ? [] : [line('sent by', `${cause.bucket}/${cause.position} entry ${cause.entry}`)]),
    ...(firing === null ? [] : [line('timer', `${firing.name} armed by ${bucket}/${firing.timer.position}, due ${new Date(firing.dueMs).toISOString()}${firing.missed > 0 ? `, ${firing.missed} missed` : ''}`)]),
    ...(resumes === 0 ? [] : [line('again', `from ${bucket}/${resumes}`)]),
    ...(onReply === '' ? [] : [line('reply to', onReply)]),
    ...(linkTaken === null ? [] : [line(linkTaken.unlink ? 'unlinked' : 'linked', `${linkTaken.actor} to ${linkTaken.target}`)]),
    ...(cursor === null ? [] : [line('broadcast', `of ${cursor.actor}, ${bucket}/${cursor.position} index ${cursor.index}, through ${cursor.through}${cursor.done ? ', done' : ''}`)]),
  ];
}

/** As `troupe timers` has it: a timer without a time is one of a record from before such notes. */
function timerText({ name, cancelled, dueMs = 0, everyMs = 0, cron, zone, command, body }: RecordTimer): string {
  if (cancelled === true) return `${name} cancelled`;
  const due = dueMs > 0 ? ` due ${new Date(dueMs).toISOString()}` : '';
  const again = cron !== undefined ? `, by ${cron} ${zone}` : everyMs > 0 ? `, every ${everyMs} ms` : '';
  return `${name}${due}${again}: ${command} ${json(body)}`;
}

function changeText(change: { readonly before?: unknown; readonly after?: unknown }): string {
  if (!('before' in change) && !('after' in change)) return '';
  if (!('before' in change)) return `: ${json(change.after)}`;
  return 'after' in change ? `: ${json(change.before)} -> ${json(change.after)}` : `: ${json(change.before)} -> gone`;
}

function headline(record: RecordView): string {
  const parts = [
    new Date(record.nowMs).toISOString(),
    record.command === '' ? whatIs(record) : record.command,
    `bucket ${record.bucket} position ${record.position}`,
    ...broughtBy(record),
    ...bundleOf(record),
    ...(record.key === '' ? [] : [`key ${record.key}`]),
  ];
  return printable(parts.join('  '));
}

function line(label: string, text: string): string {
  return `  ${label.padEnd(LABEL)} ${printable(text)}`;
}

function json(value: unknown): string {
  return JSON.stringify(value) ?? 'null';
}

function hasContent(value: unknown): boolean {
  return value !== null && value !== undefined && !(typeof value === 'object' && Object.keys(value).length === 0);
}
