/** `troupe why`: what an event came of, from a client's command on, with the line of the script that did each step. */

import type { Command } from 'commander';

import { TroupeError } from '../codec/errors.ts';
import { AdminClient } from './admin-client.ts';
import { checkedAddress, nodeOptions, withAdmin, withJson, withToken } from './node-options.ts';
import { wholeNumber } from './send.ts';
import type { Terminal } from './terminal.ts';
import { chainText } from './why-text.ts';

const LINKS_DEFAULT = '100';

export type WhyRef = { readonly actor: string; readonly seq: number } | { readonly bucket: number; readonly position: number };

export function addWhy(program: Command, terminal: Terminal): void {
  const command = program.command('why <what>').description('print what led to an event: <actor>, its newest record; <actor>@<seq>, that event; or <bucket>/<position>, any record');
  withJson(withToken(withAdmin(command)))
    .option('--seq <seq>', 'the event, where the actor\'s id itself ends in @ and digits')
    .option('--max <links>', 'how far to go back', LINKS_DEFAULT);
  command.action(async (what: string, options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    const ref = refOf(what, options['seq']);
    const max = wholeNumber(options['max'], '--max');
    const { links, broken } = await new AdminClient(node).why(ref, max);
    const inTime = [...links].reverse();
    if (node.json) for (const link of inTime) terminal.data(JSON.stringify(link));
    else terminal.data(chainText(links, 'actor' in ref ? ref.seq : 0));
    if (broken !== '') terminal.talk(`what came before is not known: ${broken}`);
  });
}

/** @throws TroupeError BAD_ADDRESS, CONFIG_INVALID */
export function refOf(what: string, seq: unknown): WhyRef {
  const place = /^(\d{1,9})\/(\d{1,15})$/.exec(what);
  if (place !== null) {
    if (seq !== undefined) throw new TroupeError('CONFIG_INVALID', '--seq goes with an actor');
    return { bucket: Number(place[1]), position: Number(place[2]) };
  }
  if (seq !== undefined) return { actor: checkedAddress(what), seq: wholeNumber(seq, '--seq') };
  const at = /^(.+)@(\d{1,15})$/.exec(what);
  if (at === null) return { actor: checkedAddress(what), seq: 0 };
  if (Number(at[2]) === 0) throw new TroupeError('CONFIG_INVALID', `${what}: an actor's first event is 1`);
  return { actor: checkedAddress(at[1]!), seq: Number(at[2]) };
}
