/**
 * `troupe events <actor>`: the actor's records, each with what it decided. With --follow it goes on: a watch tells that there
 * is something new, and the records are read again from there, because an event alone does not say who sent what.
 */

import type { Command } from 'commander';

import type { RecordView } from '../actor/engine.ts';
import { parseAddress } from '../codec/address.ts';
import { AdminClient } from './admin-client.ts';
import { withClient } from './gateway-client.ts';
import { checkTypeOf } from './known-type.ts';
import { checkedAddress, nodeOptions, withAdmin, withGateway, withJson, withToken } from './node-options.ts';
import { pages } from './dead-letters.ts';
import { letterText, recordText } from './record-text.ts';
import { wholeNumber } from './send.ts';
import type { Terminal } from './terminal.ts';

const PAGE = 1_000;
/** Each event is folded once more for it. */
const CHANGES_PAGE = 100;

/** As text; `troupe deadletters` has them all. */
const LETTERS_SHOWN_MAX = 20;

/** Where a reading of records stands. */
export interface Cursor {
  /** Seq of the first event wanted. */
  from: number;
  /** Position of the newest record shown. */
  position: number;
}

type ReadPage = (from: number, max: number) => Promise<readonly RecordView[]>;

export function addEvents(program: Command, terminal: Terminal): void {
  const command = program.command('events <actor>').description('print an actor\'s records: events, with their command, reply, sends, timers and links');
  withJson(withToken(withAdmin(withGateway(command))))
    .option('--from <seq>', 'first event wanted; 1 is the actor\'s first', '1')
    .option('--changes', 'with each event, what it changed in the state')
    .option('--follow', 'go on with new ones until interrupted');
  command.action(async (actor: string, options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    checkedAddress(actor);
    const admin = new AdminClient(node);
    const cursor: Cursor = { from: wholeNumber(options['from'], '--from'), position: 0 };
    const areChangesWanted = options['changes'] === true;
    const readPage: ReadPage = (from, max) => admin.records(actor, from, max, areChangesWanted);
    const open = await failedPositions(admin, actor, terminal);
    const both = new Set<number>();
    const show = (record: RecordView): void => {
      const isLetter = open.has(record.position);
      if (isLetter) both.add(record.position);
      terminal.data(node.json ? JSON.stringify(record) : recordText(record, isLetter));
    };
    let shown = await readNew(readPage, cursor, show, areChangesWanted ? CHANGES_PAGE : PAGE);
    const letters = await showLetters(admin, actor, both, node.json, terminal);
    if (shown + letters === 0) await checkTypeOf(admin, actor);
    if (options['follow'] !== true) {
      if (shown + letters === 0) terminal.talk(`no records of ${actor} from event ${cursor.from}; a message that was dropped is in no actor's history: \`troupe why <bucket>/<position>\` shows it`);
      return;
    }
    await withClient(node, async (client) => {
      for await (const _event of client.watch(actor, { from: cursor.from })) shown += await readNew(readPage, cursor, show, areChangesWanted ? CHANGES_PAGE : PAGE);
    });
  });
}

/** Of failed messages that somebody is to decide about; some are in the actor's history too, those that had ended sandboxes. */
async function failedPositions(admin: AdminClient, actor: string, terminal: Terminal): Promise<ReadonlySet<number>> {
  const found = new Set<number>();
  for await (const page of pages(admin, { actor }, terminal)) for (const { state, position } of page) if (state === 'failed') found.add(position);
  return found;
}

/**
 * Behind the records, what has come to the actor and is not among them: messages that are parked, or have failed, until somebody decides. Answers how
 * many there were. `shown`: positions in the actor's bucket that stood among the records.
 */
async function showLetters(admin: AdminClient, actor: string, shown: ReadonlySet<number>, isJson: boolean, terminal: Terminal): Promise<number> {
  let count = 0;
  for await (const page of pages(admin, { actor }, terminal)) {
    for (const letter of page) {
      if (shown.has(letter.position)) continue;
      if (isJson) terminal.data(JSON.stringify({ ...letter, kind: letter.state, events: [] }));
      else if (count < LETTERS_SHOWN_MAX) terminal.data(letterText(letter));
      count++;
    }
  }
  if (count > LETTERS_SHOWN_MAX && !isJson) terminal.talk(`... and ${count - LETTERS_SHOWN_MAX} more messages that are parked or have failed: \`troupe deadletters --type ${parseAddress(actor).type}\``);
  return count;
}

/** Shows every record that the cursor has not seen and moves it on; answers how many there were. */
export async function readNew(readPage: ReadPage, cursor: Cursor, show: (record: RecordView) => void, pageMax: number): Promise<number> {
  let shown = 0;
  for (;;) {
    const page = await readPage(cursor.from, pageMax);
    // A page begins with the record that holds the wanted event, and records without events lie between: some were shown before.
    const fresh = page.filter((record) => record.position > cursor.position);
    for (const record of fresh) {
      show(record);
      cursor.position = record.position;
      const last = record.events.at(-1);
      if (last !== undefined) cursor.from = Math.max(cursor.from, last.seq + 1);
    }
    shown += fresh.length;
    if (page.length < pageMax || fresh.length === 0) return shown;
  }
}
