/** `troupe deadletters`: messages between actors that were taken in and have had no effect, and what to do about them. */

import type { Command } from 'commander';

import type { DeadLetter, LetterOutcome, RecordPlace } from '../actor/engine.ts';
import { TroupeError } from '../codec/errors.ts';
import { AdminClient } from './admin-client.ts';
import { exitCodes } from './exit-codes.ts';
import { checkType } from './known-type.ts';
import { nodeOptions, withAdmin, withJson, withToken } from './node-options.ts';
import { ageText } from './quantities.ts';
import { table, type Terminal } from './terminal.ts';

const PAGE = 200;

export function addDeadLetters(program: Command, terminal: Terminal): void {
  const command = program.command('deadletters').description('list messages between actors that are parked or have failed, retry or drop them').helpCommand(false)
    .addHelpText('after', `\n\`troupe deadletters\` alone takes the options of list: see \`troupe deadletters list --help\`; each other command has its own.`);
  addList(command, terminal);
  addRetry(command, terminal);
  addDrop(command, terminal);
}

function withType(command: Command): Command {
  return command.option('--type <type>', 'only messages to actors of this type');
}

function addList(command: Command, terminal: Terminal): void {
  const list = command.command('list', { isDefault: true }).description('list them: why, since when, from whom, to whom; what `troupe deadletters` does alone');
  withType(withJson(withToken(withAdmin(list)))).action(async (options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    const admin = new AdminClient(node);
    const type = typeOf(options);
    let shown = 0;
    for await (const page of pages(admin, { type }, terminal)) {
      if (node.json) for (const letter of page) terminal.data(JSON.stringify(letter));
      else if (page.length > 0) terminal.data(letterTable(page, Date.now(), shown === 0));
      shown += page.length;
    }
    if (shown > 0) return;
    if (type !== '') await checkType(admin, type);
    if (!node.json) terminal.talk('no message is parked or has failed');
  });
}

function addRetry(command: Command, terminal: Terminal): void {
  const retry = command.command('retry [place]').description('bring a failed message to its actor once more; of a parked one, try whether its actor can take it by now');
  withType(withJson(withToken(withAdmin(retry)))).option('--all', 'all that have failed, or those of --type, in the order in which they are listed');
  retry.action(async (written: string | undefined, options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    const admin = new AdminClient(node);
    const isAll = options['all'] === true;
    if (isAll === (written !== undefined)) throw new TroupeError('CONFIG_INVALID', 'say which message, <bucket>/<position>, or --all');
    if (!isAll && options['type'] !== undefined) throw new TroupeError('CONFIG_INVALID', '--type goes with --all');
    const show = (place: RecordPlace, outcome: LetterOutcome): void => {
      // Done is what its actor has taken, also with a refusal.
      if (outcome.became === 'failed' || outcome.became === 'parked') process.exitCode = exitCodes.failed;
      terminal.data(node.json ? JSON.stringify({ ...placeIn(place), ...outcome }) : outcomeText(place, outcome));
    };
    if (!isAll) {
      const place = placeOf(written!);
      show(place, await admin.letterOrder(place, 'retry'));
      return;
    }
    const type = typeOf(options);
    const tried = await retryAll(admin, pages(admin, { type }, terminal), show);
    if (tried === 0 && type !== '') await checkType(admin, type);
    if (!node.json) terminal.talk(`${tried} retried`);
  });
}

function addDrop(command: Command, terminal: Terminal): void {
  const drop = command.command('drop <place>').description('take a message out of the way for good; who waits for its reply gets the refusal MESSAGE_DROPPED');
  withJson(withToken(withAdmin(drop))).action(async (written: string, options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    const place = placeOf(written);
    const outcome = await new AdminClient(node).letterOrder(place, 'drop');
    terminal.data(node.json ? JSON.stringify({ ...placeIn(place), ...outcome }) : outcomeText(place, outcome));
  });
}

/** What fails again is listed again, further on in its bucket: it is not tried a second time. Parked ones need nobody's retry. */
async function retryAll(admin: AdminClient, all: AsyncIterable<readonly DeadLetter[]>, show: (place: RecordPlace, outcome: LetterOutcome) => void): Promise<number> {
  const own = new Set<string>();
  let tried = 0;
  for await (const page of all) {
    for (const letter of page) {
      if (letter.state !== 'failed' || own.has(textOf(letter))) continue;
      const outcome = await admin.letterOrder(letter, 'retry').catch((error: unknown) => {
        // Somebody else was faster.
        if (error instanceof TroupeError && error.code === 'BAD_REQUEST') return null;
        throw error;
      });
      if (outcome === null) continue;
      own.add(textOf(outcome.record));
      show(letter, outcome);
      tried++;
    }
  }
  return tried;
}

/** Of a type, or to an actor; all without either. */
export async function* pages(admin: AdminClient, of: { readonly type?: string; readonly actor?: string }, terminal: Terminal): AsyncGenerator<readonly DeadLetter[]> {
  const said = new Set<string>();
  let after: RecordPlace | null = { bucket: 0, position: 0 };
  while (after !== null) {
    const { letters, next, missing }: Awaited<ReturnType<AdminClient['deadLetters']>> = await admin.deadLetters(of, after, PAGE);
    for (const node of missing) {
      if (!said.has(node)) terminal.talk(`${node} did not answer: the messages of its buckets are missing`);
      said.add(node);
    }
    yield letters;
    after = next;
  }
}

function typeOf(options: Record<string, unknown>): string {
  return typeof options['type'] === 'string' ? options['type'] : '';
}

/** @throws TroupeError CONFIG_INVALID */
export function placeOf(written: string): RecordPlace {
  const match = /^(\d{1,9})\/(\d{1,15})$/.exec(written);
  if (match === null) throw new TroupeError('CONFIG_INVALID', `${JSON.stringify(written)} is no place of a record: <bucket>/<position>, as \`troupe deadletters list\` shows it`);
  return { bucket: Number(match[1]), position: Number(match[2]) };
}

function placeIn({ bucket, position }: RecordPlace): RecordPlace {
  return { bucket, position };
}

function textOf({ bucket, position }: RecordPlace): string {
  return `${bucket}/${position}`;
}

export function letterTable(letters: readonly DeadLetter[], nowMs: number, hasHeader: boolean): string {
  const rows = letters.map((letter) => {
    const { state, nowMs: at, from, timer, to, command, code, message } = letter;
    return [textOf(letter), state, ageText(nowMs - at), timer === '' ? from : `timer ${timer}`, to, command, code, message];
  });
  const text = table(['PLACE', 'STATE', 'AGE', 'FROM', 'TO', 'COMMAND', 'WHY', ''], rows);
  return hasHeader ? text : text.slice(text.indexOf('\n') + 1);
}

export function outcomeText(place: RecordPlace, { became, record, code, message }: LetterOutcome): string {
  const at = `record ${textOf(record)}`;
  const why = code === '' ? '' : `: ${code}: ${message}`;
  switch (became) {
    case 'decision': return `${textOf(place)} was taken, ${at}`;
    case 'rejection': return `${textOf(place)} was taken and refused, ${at}${why}`;
    case 'dropped': return `${textOf(place)} is dropped, ${at}, which is in no actor's history: \`troupe why ${textOf(record)}\` shows it`;
    case 'failed': return `${textOf(place)} has failed again, as ${textOf(record)}${why}`;
    case 'parked': return `${textOf(place)} waits for its actor${record.position === place.position ? '' : `, as ${textOf(record)}`}${why}`;
  }
}
