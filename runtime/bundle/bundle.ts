/**
 * A bundle: scripts and the schemas they need, as one run of bytes that is addressed by its SHA-256 and kept for ever.
 *
 * The bytes are canonical: JSON {"format":1,"files":{path: text}}, paths sorted by UTF-16 unit, UTF-8, no white space. What
 * `troupe.json` names are the behaviour modules; .proto files lie under proto/ and import each other relative to it.
 *
 * B1  The same files give the same bytes, so the same address, on every machine.
 * B2  Content that is not exactly what this code would write is refused: two addresses for one bundle would let history name
 *     a bundle that nobody has.
 * B3  A path is relative, has no segment that leads elsewhere, and ends in .js, .mjs or .proto; only troupe.json is JSON.
 */

import { createHash } from 'node:crypto';

import { TroupeError } from '../codec/errors.ts';
import { limits } from '../limits.ts';

export const MANIFEST_FILE = 'troupe.json';
export const PROTO_PREFIX = 'proto/';
const FORMAT = 1;

const segmentPattern = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/;
const namePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export interface Bundle {
  /** SHA-256 of the content, hex. */
  readonly hash: string;
  readonly name: string;
  /** Paths of the behaviour modules, in the order of the manifest. */
  readonly modules: readonly string[];
  /** Path to text, troupe.json included. */
  readonly files: ReadonlyMap<string, string>;
}

/** The address of a bundle: SHA-256 of its content, hex. */
export function bundleHash(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/**
 * Canonical bytes of a bundle with these files (B1).
 * @throws TroupeError BUNDLE_INVALID, BUNDLE_TOO_LARGE
 */
export function encodeBundle(files: ReadonlyMap<string, string>): Buffer {
  checkFiles(files);
  const content = canonical(files);
  checkSize(content.length);
  return content;
}

/**
 * Takes content apart and checks every rule of the format; what the scripts and schemas say is the sandbox's to judge.
 * @throws TroupeError BUNDLE_INVALID, BUNDLE_TOO_LARGE
 */
export function parseBundle(content: Uint8Array): Bundle {
  checkSize(content.length);
  const files = readFiles(content);
  checkFiles(files);
  if (!canonical(files).equals(content)) throw invalid('', 'the content is not in canonical form; pack it with `troupe deploy`');
  const { name, modules } = readManifest(files);
  return { hash: bundleHash(content), name, modules, files };
}

/** The text of the manifest inside a bundle. */
export function manifestText(name: string, modules: readonly string[]): string {
  return JSON.stringify({ name, modules });
}

/** The .proto files of a bundle, by the path that imports use. */
export function protoFiles(bundle: Pick<Bundle, 'files'>): Map<string, string> {
  const protos = new Map<string, string>();
  for (const [path, text] of bundle.files) {
    if (path.startsWith(PROTO_PREFIX)) protos.set(path.slice(PROTO_PREFIX.length), text);
  }
  return protos;
}

/** BUNDLE_INVALID with the file it is about and, in `location`, where in it. */
export function invalid(file: string, reason: string, line = 0): TroupeError {
  if (file === '') return new TroupeError('BUNDLE_INVALID', reason);
  const location = line > 0 ? `${file}:${line}` : file;
  return new TroupeError('BUNDLE_INVALID', `${location}: ${reason}`, { location });
}

export function checkName(name: string): void {
  if (!namePattern.test(name)) {
    throw invalid(MANIFEST_FILE, 'name must be 1 to 64 of a-z, 0-9, dot, dash and underscore, and begin with a letter or digit');
  }
}

/** Whether a path may stand in a bundle (B3). */
export function isBundlePath(path: string): boolean {
  return path.length <= 300 && path.split('/').every((segment) => segmentPattern.test(segment));
}

export function checkFileCount(count: number): void {
  if (count > limits.bundleFilesMax) {
    throw new TroupeError('BUNDLE_TOO_LARGE', `the bundle has more than ${limits.bundleFilesMax} files`);
  }
}

export function checkSize(bytes: number): void {
  if (bytes > limits.bundleBytesMax) {
    throw new TroupeError('BUNDLE_TOO_LARGE', `the bundle has more than ${limits.bundleBytesMax} bytes`);
  }
}

function canonical(files: ReadonlyMap<string, string>): Buffer {
  // Written by hand: an object would put names that look like array indexes first, and treat "__proto__" as no name at all.
  const parts: string[] = [];
  for (const path of [...files.keys()].sort()) parts.push(`${JSON.stringify(path)}:${JSON.stringify(files.get(path))}`);
  return Buffer.from(`{"format":${FORMAT},"files":{${parts.join(',')}}}`, 'utf8');
}

function readFiles(content: Uint8Array): Map<string, string> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(utf8.decode(content));
  } catch {
    throw invalid('', 'the content is not JSON in UTF-8');
  }
  if (!isObject(parsed)) throw invalid('', 'the content is not an object');
  if (parsed['format'] !== FORMAT) throw invalid('', `the format is not ${FORMAT}; this version reads no other`);
  const entries = parsed['files'];
  if (!isObject(entries)) throw invalid('', 'the content has no files');
  const files = new Map<string, string>();
  for (const [path, text] of Object.entries(entries)) {
    if (typeof text !== 'string') throw invalid(path, 'is not text');
    files.set(path, text);
  }
  return files;
}

function checkFiles(files: ReadonlyMap<string, string>): void {
  checkFileCount(files.size);
  for (const [path, text] of files) {
    if (!isBundlePath(path)) throw invalid(path, 'is not a path that a bundle may have');
    if (!text.isWellFormed()) throw invalid(path, 'holds half a surrogate pair');
    if (path === MANIFEST_FILE) continue;
    const isProto = path.endsWith('.proto');
    if (isProto !== path.startsWith(PROTO_PREFIX)) throw invalid(path, '.proto files, and only they, lie under proto/');
    if (!isProto && !/\.m?js$/.test(path)) throw invalid(path, 'is neither .js, .mjs nor .proto');
  }
  readManifest(files);
}

function readManifest(files: ReadonlyMap<string, string>): { name: string; modules: string[] } {
  const text = files.get(MANIFEST_FILE);
  if (text === undefined) throw invalid(MANIFEST_FILE, 'is missing');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw invalid(MANIFEST_FILE, 'is not JSON');
  }
  if (!isObject(parsed)) throw invalid(MANIFEST_FILE, 'is not an object');
  const { name, modules, ...others } = parsed;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) throw invalid(MANIFEST_FILE, `has the unknown key ${JSON.stringify(unknown)}`);
  if (typeof name !== 'string') throw invalid(MANIFEST_FILE, 'name is missing');
  checkName(name);
  if (!Array.isArray(modules) || modules.length === 0 || !modules.every((module) => typeof module === 'string')) {
    throw invalid(MANIFEST_FILE, 'modules must be a list of at least one path');
  }
  if (new Set(modules).size !== modules.length) throw invalid(MANIFEST_FILE, 'modules names one path twice');
  for (const module of modules) {
    if (!files.has(module) || module.endsWith('.proto')) throw invalid(MANIFEST_FILE, `the module ${module} is missing`);
  }
  return { name, modules };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
