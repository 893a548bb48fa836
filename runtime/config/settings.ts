/**
 * Settings of a node: flags over TROUPE_* variables over the file given with --config over the defaults. What is not known is an
 * error that names the nearest known key: a misspelt limit that is silently ignored shows itself only under load.
 */

import { readFileSync } from 'node:fs';

import { z } from 'zod';

import { TroupeError } from '../codec/errors.ts';
import { defaults, flagOf, settingNames, settingSpecs, variableOf, type SettingKind, type SettingName, type Settings } from './defaults.ts';
import { limits } from '../limits.ts';
import { nearest } from '../codec/nearest.ts';

export type { Settings } from './defaults.ts';

/** Variables that the command line reads besides those of the settings. */
export const otherVariables = ['TROUPE_CONFIG', 'TROUPE_URL', 'TROUPE_ADMIN', 'TROUPE_TOKEN'] as const;

export interface SettingSources {
  /** As parsed from the command line, by setting name; texts, lists of texts and booleans. Others than settings are ignored. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path of the file; undefined for none. */
  readonly configFile?: string | undefined;
}

/** Where a value came from, for messages. */
interface Source {
  readonly values: Partial<Record<SettingName, unknown>>;
  nameOf(name: SettingName): string;
}

/**
 * @throws TroupeError CONFIG_INVALID naming the setting as it was written
 */
export function loadSettings(sources: SettingSources): Settings {
  // Lowest first. Each is checked as a whole, so that a mistake does not hide behind a flag that overrides it.
  const layers = [fromFile(sources.configFile), fromEnvironment(sources.env), fromFlags(sources.flags)];
  const merged: Record<string, unknown> = { ...defaults };
  for (const layer of layers) Object.assign(merged, check(layer));
  const settings = merged as Settings;
  checkTogether(settings);
  return settings;
}

function fromFile(file: string | undefined): Source {
  const nameOf = (name: SettingName): string => `"${name}" in ${file}`;
  if (file === undefined) return { values: {}, nameOf };
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new TroupeError('CONFIG_INVALID', `the file ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new TroupeError('CONFIG_INVALID', `the file ${file} must hold one JSON object`);
  }
  for (const key of Object.keys(parsed)) {
    if (!Object.hasOwn(settingSpecs, key)) throw unknown(`"${key}" in ${file}`, nearest(key, settingNames));
  }
  return { values: parsed, nameOf };
}

function fromEnvironment(env: SettingSources['env']): Source {
  const byVariable = new Map(settingNames.map((name) => [variableOf(name), name]));
  const values: Source['values'] = {};
  for (const [variable, written] of Object.entries(env)) {
    if (!variable.startsWith('TROUPE_') || written === undefined || isOther(variable)) continue;
    const name = byVariable.get(variable);
    if (name === undefined) throw unknown(variable, nearest(variable, [...byVariable.keys(), ...otherVariables]));
    values[name] = fromText(name, written, variable);
  }
  return { values, nameOf: variableOf };
}

function fromFlags(flags: SettingSources['flags']): Source {
  const values: Source['values'] = {};
  for (const name of settingNames) {
    const written = flags[name];
    if (written === undefined) continue;
    values[name] = typeof written === 'string' ? fromText(name, written, flagOf(name)) : written;
  }
  return { values, nameOf: flagOf };
}

function fromText(name: SettingName, written: string, shownAs: string): unknown {
  switch (settingSpecs[name].kind) {
    case 'text':
      return written;
    case 'integer':
      if (!/^\d+$/.test(written)) throw new TroupeError('CONFIG_INVALID', `${shownAs} is ${JSON.stringify(written)}, which is not a whole number`);
      return Number(written);
    case 'switch':
      if (written !== 'true' && written !== 'false') {
        throw new TroupeError('CONFIG_INVALID', `${shownAs} is ${JSON.stringify(written)}; it is true or false`);
      }
      return written === 'true';
    case 'list':
      return written.split(',').map((part) => part.trim()).filter((part) => part !== '');
  }
}

const partial = z.strictObject(
  Object.fromEntries(settingNames.map((name) => [name, settingSpecs[name].schema.optional()])),
);

function check(source: Source): object {
  const result = partial.safeParse(source.values);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const name = String(issue.path[0]) as SettingName;
  const value = JSON.stringify(source.values[name]);
  throw new TroupeError('CONFIG_INVALID', `${source.nameOf(name)} is ${value}: ${complaint(issue, settingSpecs[name].kind)}`);
}

const wanted: Record<SettingKind, string> = { text: 'must be text', integer: 'must be a whole number', switch: 'must be true or false', list: 'must be a list of texts' };

/** What must be, in our words: the library's speak of its own types. */
function complaint(issue: z.core.$ZodIssue, kind: SettingKind): string {
  switch (issue.code) {
    case 'invalid_type': return wanted[kind];
    case 'invalid_value': return `must be one of ${issue.values.join(', ')}`;
    case 'too_big': return `must be at most ${String(issue.maximum)}`;
    case 'too_small': return kind === 'integer' ? `must be at least ${String(issue.minimum)}` : 'must not be empty';
    default: return issue.message;
  }
}

const jwtSettings = ['authSecretFile', 'authPublicKeyFile', 'authJwksFile', 'authIssuer', 'authAudience', 'authScope'] as const;

/** What no setting can get wrong alone. */
function checkTogether(settings: Settings): void {
  const fail = (message: string): never => {
    throw new TroupeError('CONFIG_INVALID', message);
  };
  if (settings.auth === 'none') {
    // Without tokens whoever reaches the port may send any command and deploy any code.
    for (const [flag, host] of [['--host', settings.host], ['--admin-host', settings.adminHost]] as const) {
      if (!isLoopback(host)) fail(`${flag} ${host} can be reached from other machines, which needs --auth jwt`);
    }
    // Whoever gives a key means to have tokens checked; nobody would, and nothing would show it.
    for (const name of jwtSettings) {
      if (settings[name] !== '') fail(`${flagOf(name)} has no effect without --auth jwt`);
    }
  }
  const keys = [settings.authSecretFile, settings.authPublicKeyFile, settings.authJwksFile].filter((file) => file !== '').length;
  // A public key taken for a shared secret would let everybody sign.
  if (keys > 1) fail('only one of --auth-secret-file, --auth-public-key-file and --auth-jwks-file can be given');
  if (settings.auth === 'jwt' && keys === 0) fail('--auth jwt needs --auth-secret-file, --auth-public-key-file or --auth-jwks-file');
  for (const origin of settings.origin) {
    if (origin === '*' && settings.auth === 'none') fail('--origin * lets every page of the web command this node, which needs --auth jwt');
    if (origin !== '*' && origin !== 'null' && !isOrigin(origin)) fail(`--origin ${origin} is not an origin; one is written like https://shop.example or http://localhost:5173`);
  }
  if (settings.mailboxLengthMax > settings.commandsWaitingMax) fail('--mailbox-length-max is above --commands-waiting-max: one actor could fill the node');
  if (settings.requestsInFlightPerConnectionMax > settings.mailboxLengthMax) {
    fail('--requests-in-flight-per-connection-max is above --mailbox-length-max: one connection could fill an actor\'s mailbox twice over');
  }
  if (settings.queuedBytesPerConnectionMax <= settings.frameBytesMax + limits.queuedBytesPauseAt) {
    fail(`--queued-bytes-per-connection-max must be above --frame-bytes-max plus ${limits.queuedBytesPauseAt}, or a connection is closed before it can be paused`);
  }
  if (settings.isolateMemoryMaxMib >= settings.sandboxRssMaxMib) fail('--isolate-memory-max-mib must be below --sandbox-rss-max-mib');
  if (settings.port !== 0 && settings.port === settings.adminPort && settings.host === settings.adminHost) {
    fail(`--port and --admin-port are both ${settings.port}`);
  }
}

/** Only addresses that cannot be reached from another machine; a name other than localhost may mean anything. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.origin === text;
}

function isOther(variable: string): boolean {
  return (otherVariables as readonly string[]).includes(variable);
}

function unknown(shown: string, near: string | null): TroupeError {
  return new TroupeError('CONFIG_INVALID', `${shown} is no setting${near === null ? '' : `; did you mean ${near}?`}`);
}
