/** A record as a person reads it: what came in, what was decided, what it sent, armed and answered. Pure. */

import type { RecordView } from '../actor/engine.ts';
import { printable } from './terminal.ts';

const LABEL = 9;

/** A block of lines without a trailing line break; the first line says which record, the others what is in it. */
export function recordText(record: RecordView): string {
  const lines = [headline(record)];
  if (hasContent(record.payload)) lines.push(line(record.kind.toLowerCase() === 'migrate' ? 'state' : 'command', json(record.payload)));
  if (record.firing !== null) lines.push(line('firing', json(record.firing)));
  for (const event of record.events) lines.push(line(`seq ${event.seq}`, `${event.name} ${json(event.body)}`));
  for (const send of record.sends) lines.push(line('send', `${send.to} ${send.name} ${json(send.body)}`));
  for (const timer of record.timers) lines.push(line('timer', json(timer)));
  for (const link of record.links) lines.push(line('link', json(link)));
  for (const broadcast of record.broadcasts) lines.push(line('broadcast', json(broadcast)));
  if (record.rejection !== null) lines.push(line('rejected', `${record.rejection.code}: ${record.rejection.message}`));
  if (record.failure !== null) lines.push(line('failed', `${record.failure.code}: ${record.failure.message}`));
  if (hasContent(record.reply)) lines.push(line('reply', json(record.reply)));
  return lines.join('\n');
}

function headline(record: RecordView): string {
  const parts = [
    new Date(record.nowMs).toISOString(),
    record.command === '' ? record.kind.toLowerCase() : record.command,
    `bucket ${record.bucket} position ${record.position}`,
    `by ${record.principal === '' ? 'anyone' : record.principal}`,
    ...(record.bundle === '' ? [] : [`bundle ${record.bundle.slice(0, 8)}`]),
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
