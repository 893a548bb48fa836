/** `troupe token`: mints a token from the shared secret of a node, for operators and first steps. */

import type { Command } from 'commander';

import { TroupeError } from '../codec/errors.ts';
import { readText, withJson } from './node-options.ts';
import type { Terminal } from './terminal.ts';

const SECRET_BYTES_MIN = 32;
const ADMIN_SCOPE = 'troupe:admin';

export function addToken(program: Command, terminal: Terminal): void {
  const command = program.command('token').description('mint an HS256 token from the secret file of a node');
  command
    .requiredOption('--secret-file <file>', 'the file that the node has as --auth-secret-file')
    .requiredOption('--sub <name>', 'principal: who the holder is')
    .option('--ttl <seconds>', 'how long the token is good', '3600')
    .option('--issuer <text>', 'the `iss` that the node asks for')
    .option('--audience <text>', 'the `aud` that the node asks for')
    .option('--scope <text>', 'scopes, separated by spaces')
    .option('--allow-admin', `add the scope ${ADMIN_SCOPE}: deploying, records, metrics`);
  withJson(command);
  command.action(async (options: Record<string, string | boolean | undefined>) => {
    const token = await mint(readText(String(options['secretFile']), '--secret-file'), options);
    terminal.data(options['json'] === true ? JSON.stringify({ token }) : token);
  });
}

/** @throws TroupeError CONFIG_INVALID */
export async function mint(secretText: string, options: Record<string, string | boolean | undefined>): Promise<string> {
  // White space at the ends does not count, as in the node: editors leave a line break.
  const secret = new TextEncoder().encode(secretText.trim());
  if (secret.length < SECRET_BYTES_MIN) {
    throw new TroupeError('CONFIG_INVALID', `the secret has ${secret.length} bytes, at least ${SECRET_BYTES_MIN} are needed; make one with: openssl rand -base64 48`);
  }
  const ttl = Number(options['ttl']);
  if (!Number.isSafeInteger(ttl) || ttl < 1) throw new TroupeError('CONFIG_INVALID', `--ttl is ${JSON.stringify(options['ttl'])}, which is not a number of seconds`);
  const scopes = [...String(options['scope'] ?? '').split(/\s+/), options['allowAdmin'] === true ? ADMIN_SCOPE : ''].filter((scope) => scope !== '');
  const { SignJWT } = await import('jose');
  const token = new SignJWT(scopes.length === 0 ? {} : { scope: scopes.join(' ') })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(String(options['sub']))
    .setIssuedAt()
    .setExpirationTime(`${ttl}s`);
  if (typeof options['issuer'] === 'string') token.setIssuer(options['issuer']);
  if (typeof options['audience'] === 'string') token.setAudience(options['audience']);
  return token.sign(secret);
}
