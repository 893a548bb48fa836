/** `troupe send <actor> <command> [json|-]`: sends one command and prints its reply. */

import { text as readAll } from 'node:stream/consumers';

import type { Command } from 'commander';

import { TroupeError } from '../codec/errors.ts';
import { withClient } from './gateway-client.ts';
import { checkedAddress, nodeOptions, withGateway, withJson, withToken } from './node-options.ts';
import type { Terminal } from './terminal.ts';

export function addSend(program: Command, terminal: Terminal): void {
  const command = program.command('send <actor> <command> [body]').description('send a command to an actor; the body is JSON, or - for stdin');
  withJson(withToken(withGateway(command)))
    .option('--key <key>', 'idempotency key: the same key and body get the first answer (default: a random one)')
    .option('--deadline <ms>', 'give up waiting after this time', '30000');
  command.action(async (actor: string, name: string, body: string | undefined, options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    const deadlineMs = wholeNumber(options['deadline'], '--deadline');
    checkedAddress(actor);
    const parsed = parseBody(body === '-' ? await readAll(process.stdin) : (body ?? '{}'));
    const key = typeof options['key'] === 'string' ? options['key'] : crypto.randomUUID();
    const answer = await withClient(node, (client) => client.send(actor, name, parsed, { key, deadlineMs })).catch((error: unknown) => {
      // Without it an unknown outcome could not be asked for again.
      if (error instanceof TroupeError && error.retryable && error.code !== 'UNREACHABLE') terminal.talk(`the command had the key ${key}; send it again with --key ${key}`);
      throw error;
    });
    if (node.json) terminal.data(JSON.stringify({ seq: answer.seq, reply: answer.reply, key }));
    else terminal.data(`seq ${answer.seq}\n${JSON.stringify(answer.reply, null, 2)}`);
  });
}

/** @throws TroupeError CONFIG_INVALID */
export function parseBody(text: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new TroupeError('CONFIG_INVALID', `the body is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new TroupeError('CONFIG_INVALID', 'the body must be a JSON object');
  return parsed as Record<string, unknown>;
}

/** @throws TroupeError CONFIG_INVALID */
export function wholeNumber(written: unknown, flag: string, min = 1): number {
  const value = Number(written);
  if (typeof written !== 'string' || !/^\d+$/.test(written) || value < min || !Number.isSafeInteger(value)) {
    throw new TroupeError('CONFIG_INVALID', `${flag} is ${JSON.stringify(written)}; it is a whole number from ${min}`);
  }
  return value;
}
