/** A chain of causes as a person reads it: the beginning first, and in each record what leads on. Pure. */

import type { CauseLink, DecisionTrace, RecordView } from '../actor/engine.ts';
import { broughtBy, bundleOf, whatIs } from './record-text.ts';
import { printable } from './terminal.ts';

const LABEL = 9;
/** Of one kind in one record; what leads on is shown in any case. */
const LINES_MAX = 10;
const BODY_LENGTH_MAX = 120;

interface Line {
  readonly label: string;
  readonly text: string;
  readonly location: string;
  readonly leadsOn: boolean;
}

/** `links` from the effect back, as they are asked for; `seq` is the event that was asked about, 0 for none. */
export function chainText(links: readonly CauseLink[], seq: number): string {
  const blocks = links.map((link, i) => blockOf(link, i === 0 ? null : links[i - 1]!, i === 0 ? seq : 0));
  return blocks.reverse().join('\n');
}

function blockOf({ record, trace }: CauseLink, effect: CauseLink | null, seq: number): string {
  const lines = linesOf(record, trace, effect, seq);
  const text = lines.map(({ label, text: what, location, leadsOn }) => printable(`${leadsOn ? '->' : '  '} ${label.padEnd(LABEL)} ${what}${location === '' ? '' : `  ${location}`}`));
  if (trace !== null && trace.problem !== '') text.push(printable(`   ${'no lines'.padEnd(LABEL)} ${trace.problem}`));
  return [headline(record), ...text].join('\n');
}

function headline(record: RecordView): string {
  const { nowMs, kind, command, bucket, position, key, cause, firing } = record;
  const who = record.actor || record.addressee || record.linkTaken?.target || record.cursor?.actor || '';
  const by = firing !== null && kind !== 'dropped' ? [`timer ${firing.name}`] : broughtBy(record);
  const parts = [
    new Date(nowMs).toISOString(), who, command === '' ? whatIs(record) : command, `${bucket}/${position}`,
    ...(kind === 'decision' || command === '' ? [] : [kind]),
    ...(kind === 'cursor' ? [] : by),
    ...(cause !== null && cause.session !== '' ? [`session ${cause.session}`] : []),
    ...bundleOf(record),
    ...(key === '' ? [] : [`key ${key}`]),
  ];
  return printable(parts.join('  '));
}

function linesOf(record: RecordView, trace: DecisionTrace | null, effect: CauseLink | null, seq: number): Line[] {
  const { kind, entry } = effect?.cause ?? { kind: 'none', entry: 0 };
  const at = (places: readonly string[] | undefined, i: number): string => places?.[i] ?? '';
  const list = <T>(label: string, items: readonly T[], text: (item: T) => string, places: readonly string[] | undefined, leading: number): Line[] => {
    const lines = items.map((item, i) => ({ label, text: text(item), location: at(places, i), leadsOn: i === leading }));
    if (lines.length <= LINES_MAX) return lines;
    const shown = lines.filter((line, i) => i < LINES_MAX || line.leadsOn);
    return [...shown, { label, text: `... and ${lines.length - shown.length} more`, location: '', leadsOn: false }];
  };
  const replies = trace !== null && trace.problem === '' ? record.sends.slice(trace.sends.length) : [];
  const sends = record.sends.slice(0, record.sends.length - replies.length);
  const send = ({ to, name, body }: RecordView['sends'][number]): string => `${to} ${name} ${short(body)}`;
  const event = record.events.findIndex((one) => one.seq === seq);
  const { rejection, failure, cursor, linkTaken } = record;
  return [
    ...list('event', record.events, ({ seq: number, name, body }) => `${number} ${name} ${short(body)}`, trace?.events, event),
    ...(rejection === null ? [] : [{ label: 'refused', text: `${rejection.code}: ${rejection.message}`, location: trace?.refusal ?? '', leadsOn: false }]),
    ...(failure === null ? [] : [{ label: 'failed', text: `${failure.code}: ${failure.message}`, location: '', leadsOn: kind === 'again' }]),
    ...(linkTaken === null ? [] : [{ label: linkTaken.unlink ? 'unlinked' : 'linked', text: linkTaken.actor, location: '', leadsOn: false }]),
    ...(cursor === null ? [] : [{ label: 'broadcast', text: `of record ${record.bucket}/${cursor.position} goes on`, location: '', leadsOn: false }]),
    ...list('send', sends, send, trace?.sends, kind === 'message' ? entry : -1),
    ...list('answer', replies, send, [], kind === 'message' ? entry - sends.length : -1),
    ...list('timer', record.timers,
      ({ name, cancelled, command }) => (cancelled === true ? `${name} cancelled` : `${name} ${command ?? ''}`), trace?.timers, kind === 'timer' ? entry : -1),
    ...list('link', record.links, ({ actor, unlink }) => (unlink ? `${actor} no longer` : actor), trace?.links, kind === 'link' ? entry : -1),
    ...list('broadcast', record.broadcasts, ({ name, body }) => `${name} ${short(body)}`, trace?.broadcasts, kind === 'broadcast' ? entry : -1),
  ];
}

function short(body: unknown): string {
  const text = JSON.stringify(body) ?? 'null';
  return text.length <= BODY_LENGTH_MAX ? text : `${text.slice(0, BODY_LENGTH_MAX)}...`;
}
