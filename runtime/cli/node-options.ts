/** Options shared by the commands that talk to a running node, and what they mean. */

import { readFileSync } from 'node:fs';

import type { Command } from 'commander';

import { parseAddress } from '../codec/address.ts';
import { TroupeError } from '../codec/errors.ts';
import { defaults } from '../config/defaults.ts';

export interface NodeOptions {
  readonly url: string;
  readonly admin: string;
  readonly token: string | undefined;
  readonly json: boolean;
}

const urlDefault = `ws://${defaults.host}:${defaults.port}`;
const adminDefault = `http://${defaults.adminHost}:${defaults.adminPort}`;

export function withGateway(command: Command): Command {
  return command.option('--url <url>', `gateway of the node (TROUPE_URL; default ${urlDefault})`);
}

export function withAdmin(command: Command): Command {
  return command.option('--admin <url>', `admin port of the node (TROUPE_ADMIN; default ${adminDefault})`);
}

export function withToken(command: Command): Command {
  return command.option('--token <token>', 'bearer token, or @<file> that holds it (TROUPE_TOKEN, which other users of the machine do not see)');
}

export function withJson(command: Command): Command {
  return command.option('--json', 'write JSON, one document a line');
}

/** @throws TroupeError CONFIG_INVALID */
export function nodeOptions(options: Record<string, unknown>, env: NodeJS.ProcessEnv = process.env): NodeOptions {
  return {
    url: checkUrl('--url', text(options['url']) ?? env['TROUPE_URL'] ?? urlDefault, ['ws:', 'wss:']),
    admin: checkUrl('--admin', text(options['admin']) ?? env['TROUPE_ADMIN'] ?? adminDefault, ['http:', 'https:']),
    token: tokenOf(text(options['token']) ?? env['TROUPE_TOKEN']),
    json: options['json'] === true,
  };
}

function checkUrl(flag: string, written: string, protocols: string[]): string {
  const url = URL.parse(written);
  if (url === null || !protocols.includes(url.protocol)) {
    throw new TroupeError('CONFIG_INVALID', `${flag} is ${JSON.stringify(written)}; it begins with ${protocols.map((p) => `${p}//`).join(' or ')}`);
  }
  return written.replace(/\/+$/, '');
}

function tokenOf(written: string | undefined): string | undefined {
  if (written === undefined || !written.startsWith('@')) return written;
  return readText(written.slice(1), '--token').trim();
}

/** @throws TroupeError CONFIG_INVALID */
export function readText(file: string, flag: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new TroupeError('CONFIG_INVALID', `the file given with ${flag} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * An address from the command line, checked before anything is asked of a node.
 * @throws TroupeError BAD_ADDRESS
 */
export function checkedAddress(written: string): string {
  parseAddress(written);
  return written;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
