/**
 * Every setting of a node, with its default, in one place. From a name here follow all its forms: `adminPort` is the flag
 * `--admin-port`, the variable `TROUPE_ADMIN_PORT` and the key "adminPort" of the file given with `--config`. Units are in the names.
 * docs/OPERATING.md shows this table; style.test.ts holds the two together.
 */

import { z } from 'zod';

import { limits } from '../limits.ts';

/** How a setting is written as text, on the command line and in the environment. */
export type SettingKind = 'text' | 'integer' | 'switch' | 'list';

export interface SettingSpec<T extends z.ZodType = z.ZodType> {
  readonly kind: SettingKind;
  readonly schema: T;
  readonly preset: z.output<T>;
  /** One line, for --help and docs/OPERATING.md. */
  readonly help: string;
  /** Shown after the flag in --help. */
  readonly value: string;
}

const port = z.int().min(0).max(65_535);
const optionalText = z.string();
const KIB = 1024;
const MIB = 1024 * KIB;

export const settingSpecs = {
  data: text('data', '<folder>', 'Folder of the journal and the bundles; one node at a time.'),
  node: text('node-1', '<name>', 'Name of this node, in its log and in the records of new epochs.', z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores')),
  buckets: integer(2 ** limits.bucketBits, '<n>', 'Buckets of a new data folder, a power of two; fixed once the folder exists.', z.int().min(1).max(4_096).refine((n) => (n & (n - 1)) === 0, 'must be a power of two')),

  host: text('127.0.0.1', '<address>', 'Address on which the WebSocket gateway listens.'),
  port: integer(7070, '<port>', 'Port of the gateway; 0 takes a free one.', port),
  adminHost: text('127.0.0.1', '<address>', 'Address on which the admin port listens (deploying, metrics, health).'),
  adminPort: integer(7071, '<port>', 'Port of admin; 0 takes a free one.', port),

  auth: choice(['none', 'jwt'], 'none', 'Who may connect: `none` (loopback addresses only) or whoever has a `jwt`.'),
  authSecretFile: text('', '<file>', 'With jwt: file with the shared secret of HS256 tokens, at least 32 bytes.', optionalText),
  authPublicKeyFile: text('', '<file>', 'With jwt: file with the public key of RSA, EC or Ed25519 tokens, in PEM form.', optionalText),
  authJwksFile: text('', '<file>', 'With jwt: file with a JSON Web Key Set of public keys.', optionalText),
  authIssuer: text('', '<text>', 'With jwt: the `iss` that tokens must have; empty accepts any.', optionalText),
  authAudience: text('', '<text>', 'With jwt: the `aud` that tokens must have; empty accepts any.', optionalText),
  authScope: text('', '<text>', 'With jwt: a scope that every client must have; empty asks for none. Deploying always needs `troupe:admin`.', optionalText),
  origin: list([], '<origin...>', 'Origins of web pages that may connect, or `*` for any, with jwt only. Pages of other origins are refused.'),

  redis: text('', '<url>', 'Joins the cluster on this Redis, or founds it: redis://[user:password@]host:port[,host:port...], rediss:// for TLS. Empty: one node by itself.', optionalText),
  namespace: text('main', '<name>', 'With --redis: the namespace; clusters of different names share a server without meeting.', z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit')),
  cold: text('', '<folder>', 'With --redis: folder for sealed ranges of old records, shared by all nodes (one machine, or a shared volume); it must exist. Empty: they stay in Redis, sealed: packed to less than half, and not read when a bucket changes hands.', optionalText),
  hotLogMaxMib: integer(128, '<MiB>', 'With --redis: size of the logs of all buckets above which the oldest records are sealed, on average; the share of a bucket is the same for all.', z.int().min(1).max(1_048_576)),
  durability: choice(['kept', 'memory'], 'kept', 'With --redis: refuse a server that keeps nothing (`kept`), or take it (`memory`).'),
  clusterHost: text('127.0.0.1', '<address>', 'With --redis: address on which other nodes reach this one.'),
  clusterPort: integer(7072, '<port>', 'With --redis: port for other nodes; 0 takes a free one.', port),
  advertiseUrl: text('', '<url>', 'With --redis: where clients reach the gateway of this node, such as wss://n1.example; they are told, and go straight to the owners of actors. Empty: ws:// with --host and --port, and nothing when the host is 0.0.0.0 or ::.', z.string().regex(/^(wss?:\/\/[^\s#]+)?$/, 'must be a ws:// or wss:// address')),
  clusterAdvertise: text('', '<host[:port]>', 'With --redis: what other nodes dial, where it is not --cluster-host or not --cluster-port.', optionalText),
  clusterSecretFile: text('', '<file>', 'With --redis: file with the secret that all nodes share, at least 16 bytes; needed unless all of them are on this machine.', optionalText),
  clusterTlsCertFile: text('', '<file>', 'With --redis: certificate for TLS between nodes, in PEM form.', optionalText),
  clusterTlsKeyFile: text('', '<file>', 'With --redis: its private key.', optionalText),
  clusterTlsCaFile: text('', '<file>', 'With --redis: the authority that signed the certificates of all nodes.', optionalText),
  leaseTtlMs: integer(2_000, '<ms>', 'With --redis: silence after which a node is taken for dead and its buckets are given to others.', z.int().min(400).max(600_000)),
  handOffPauseMaxMs: integer(1_000, '<ms>', 'With --redis: how long a bucket may stand still on the side that hands it over; above it the hand-off is put off and the bucket serves on.', z.int().min(10).max(600_000)),
  drainTimeMaxMs: integer(15_000, '<ms>', 'With --redis: how long a node that ends hands its buckets over before it ends anyway.', z.int().min(0).max(3_600_000)),

  journal: choice(['segment', 'memory'], 'segment', 'Where records go: `segment` (files in the data folder) or `memory` (gone with the process).'),
  sync: toggle(true, 'Acknowledge without synchronising the disk (as `false` in a variable or the file): a power loss takes acknowledged commands.'),
  segmentFileBytes: integer(limits.segmentFileBytes, '<bytes>', 'Size at which a journal file is sealed and compressed.', z.int().min(1 * MIB).max(1_024 * MIB)),

  mailboxLengthMax: integer(limits.mailboxLengthMax, '<n>', 'Commands waiting for one actor; above it MAILBOX_FULL.', z.int().min(1).max(1_000_000)),
  commandsWaitingMax: integer(limits.commandsWaitingMax, '<n>', 'Commands waiting in the whole node; above it OVERLOADED.', z.int().min(1).max(10_000_000)),
  activationsMax: integer(limits.activationsMax, '<n>', 'Actors held in memory; the least recently used leave first.', z.int().min(16).max(10_000_000)),
  keysPerActorMax: integer(limits.keysPerActorMax, '<n>', 'Command keys remembered per actor; an older key is not recognised any more. As many commands with keys may wait for one actor.', z.int().min(1).max(100_000)),
  keyAgeMaxMs: integer(limits.keyAgeMaxMs, '<ms>', 'Age up to which a command key is remembered.', z.int().min(1_000)),

  connectionsMax: integer(limits.connectionsMax, '<n>', 'Open WebSocket connections.', z.int().min(1).max(1_000_000)),
  frameBytesMax: integer(limits.frameBytesMax, '<bytes>', 'Size of one incoming frame; above it FRAME_TOO_LARGE.', z.int().min(limits.bodyBytesMax + 64 * KIB).max(64 * MIB)),
  requestsInFlightPerConnectionMax: integer(limits.requestsInFlightPerConnectionMax, '<n>', 'Unanswered requests of one connection; above it TOO_MANY_IN_FLIGHT.', z.int().min(1).max(1_000_000)),
  watchesPerConnectionMax: integer(limits.watchesPerConnectionMax, '<n>', 'Open watches of one connection.', z.int().min(0).max(1_000_000)),
  queuedBytesPerConnectionMax: integer(limits.queuedBytesPerConnectionMax, '<bytes>', 'Answers queued for a client that does not read; above it SLOW_READER and the connection is closed.', z.int().min(2 * MIB).max(1_024 * MIB)),
  handshakeTimeMaxMs: integer(limits.handshakeTimeMaxMs, '<ms>', 'Time a client has for the WebSocket handshake.', z.int().min(100)),
  idlePingMs: integer(limits.idlePingMs, '<ms>', 'Silence after which a client is pinged; closed when it stays silent as long again.', z.int().min(100)),

  decideTimeMaxMs: integer(limits.decideTimeMaxMs, '<ms>', 'Time one decision of a behaviour may take.', z.int().min(1).max(limits.decideTimeCeilingMs)),
  isolateMemoryMaxMib: integer(limits.isolateMemoryMaxMib, '<MiB>', 'Heap of the isolate in which behaviours run.', z.int().min(32).max(16_384)),
  sandboxRssMaxMib: integer(limits.sandboxRssMaxMib, '<MiB>', 'Resident memory at which a sandbox process is killed.', z.int().min(128).max(65_536)),

  logLevel: choice(['trace', 'debug', 'info', 'warn', 'error', 'silent'], 'info', 'Least important line that is logged (to stderr).'),
  logFormat: choice(['text', 'json'], 'text', 'Log lines for people (`text`) or for machines (`json`).'),
} as const;

export type SettingName = keyof typeof settingSpecs;

/** What a node runs with, all of it present. */
export type Settings = { readonly [K in SettingName]: z.output<(typeof settingSpecs)[K]['schema']> };

export const settingNames = Object.keys(settingSpecs) as SettingName[];

export const defaults = Object.fromEntries(settingNames.map((name) => [name, settingSpecs[name].preset])) as Settings;

/** `adminPort` as `--admin-port` is written. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `adminPort` as `TROUPE_ADMIN_PORT`. */
export function variableOf(name: string): string {
  return `TROUPE_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

function text(preset: string, value: string, help: string, schema: z.ZodString = z.string().min(1)): SettingSpec<z.ZodString> {
  return { kind: 'text', schema, preset, help, value };
}

function integer(preset: number, value: string, help: string, schema: z.ZodInt): SettingSpec<z.ZodInt> {
  return { kind: 'integer', schema, preset, help, value };
}

function toggle(preset: boolean, help: string): SettingSpec<z.ZodBoolean> {
  return { kind: 'switch', schema: z.boolean(), preset, help, value: '' };
}

function list(preset: string[], value: string, help: string): SettingSpec<z.ZodArray<z.ZodString>> {
  return { kind: 'list', schema: z.array(z.string().min(1)), preset, help, value };
}

function choice<const T extends readonly [string, ...string[]]>(of: T, preset: T[number], help: string): SettingSpec<z.ZodType<T[number]>> {
  return { kind: 'text', schema: z.enum(of) as unknown as z.ZodType<T[number]>, preset, help, value: `<${of.join('|')}>` };
}
