/**
 * Packs a directory into a bundle: the manifest, the modules it names, what those import relatively, the .proto files it
 * names and what those import. Nothing else of the directory goes in, so notes and scenarios do not change the address.
 *
 * On disk `troupe.json` may have two keys more than in the bundle: `protoRoot`, the directory that .proto files import from
 * (default "proto"), and `proto`, patterns relative to it (default everything).
 */

import { glob, lstat, open, realpath } from 'node:fs/promises';
import { constants } from 'node:fs';
import { isAbsolute, join, posix, relative, resolve, sep } from 'node:path';

import { z } from 'zod';

import { TroupeError } from '../codec/errors.ts';
import {
  bundleHash, checkFileCount, checkName, checkSize, encodeBundle, invalid, isBundlePath, MANIFEST_FILE, manifestText, PROTO_PREFIX,
} from './bundle.ts';
import { meant } from '../codec/nearest.ts';
import { scanImports } from './imports.ts';
import { EMPTY_PROTO, loadSchema, protoImports } from './schema.ts';

export interface PackedBundle {
  readonly content: Buffer;
  /** SHA-256 of the content, hex. */
  readonly hash: string;
  readonly name: string;
  /** Path in the bundle to text. */
  readonly files: ReadonlyMap<string, string>;
}

const manifestSchema = z.strictObject({
  name: z.string(),
  modules: z.array(z.string()).min(1),
  protoRoot: z.string().min(1).default('proto'),
  proto: z.array(z.string().min(1)).min(1).default(['**/*.proto']),
});

/**
 * Packs `directory`.
 * @throws TroupeError BUNDLE_INVALID with file and reason, BUNDLE_TOO_LARGE
 */
export async function packDirectory(directory: string): Promise<PackedBundle> {
  const sources = new Sources(await rootOf(directory, directory));
  const manifest = parseManifest(await sources.read(MANIFEST_FILE, MANIFEST_FILE));
  const files = new Map<string, string>([[MANIFEST_FILE, manifestText(manifest.name, manifest.modules)]]);
  await addModules(sources, manifest.modules, files);
  const protos = await collectProtos(sources, manifest);
  for (const [path, text] of protos) files.set(`${PROTO_PREFIX}${path}`, text);
  loadSchema(protos);
  const content = encodeBundle(files);
  return { content, hash: bundleHash(content), name: manifest.name, files };
}

/**
 * The .proto files that the manifest of `directory` names, with what they import; for tools that need no modules.
 * @throws TroupeError BUNDLE_INVALID, BUNDLE_TOO_LARGE
 */
export async function packProtos(directory: string): Promise<Map<string, string>> {
  const sources = new Sources(await rootOf(directory, directory));
  return collectProtos(sources, parseManifest(await sources.read(MANIFEST_FILE, MANIFEST_FILE)));
}

type Manifest = z.infer<typeof manifestSchema>;

function parseManifest(text: string): Manifest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(MANIFEST_FILE, `is not JSON: ${(error as Error).message}`);
  }
  const result = manifestSchema.safeParse(parsed);
  if (!result.success) {
    const { issues } = result.error;
    // A key under a wrong name is missing under the right one: the first says what to do.
    const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
    if (issue.code === 'unrecognized_keys') throw invalid(MANIFEST_FILE, `has no key ${JSON.stringify(issue.keys[0])}${meant(issue.keys[0]!, Object.keys(manifestSchema.shape))}`);
    throw invalid(MANIFEST_FILE, issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message);
  }
  checkName(result.data.name);
  if (new Set(result.data.modules).size !== result.data.modules.length) throw invalid(MANIFEST_FILE, 'modules names one path twice');
  return result.data;
}

/** Files of one directory tree, bounded as a whole; no path and no link leads out of it. */
class Sources {
  readonly root: string;
  private bytes = 0;
  private count = 0;

  constructor(root: string) {
    this.root = root;
  }

  /** A tree whose bytes and files count towards the same bounds. */
  async other(root: string, shown: string): Promise<Sources> {
    const other = new Sources(await rootOf(root, shown));
    other.take = (bytes) => this.take(bytes);
    return other;
  }

  async read(path: string, shown: string): Promise<string> {
    if (!isBundlePath(path)) throw invalid(shown, 'is not a path inside the directory of letters, digits, dot, dash and underscore');
    const file = await this.inside(path, shown);
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: Error) => {
      throw invalid(shown, `cannot be read: ${error.message}`);
    });
    try {
      // Asked of the open file: a pipe or a device under this name would hang or never end.
      const stat = await handle.stat();
      if (!stat.isFile()) throw invalid(shown, 'is not a regular file');
      this.take(stat.size);
      const bytes = Buffer.alloc(stat.size);
      const { bytesRead } = await handle.read(bytes, 0, stat.size, 0);
      return decode(bytes.subarray(0, bytesRead), shown);
    } finally {
      await handle.close();
    }
  }

  take(bytes: number): void {
    this.bytes += bytes;
    this.count++;
    checkFileCount(this.count);
    checkSize(this.bytes);
  }

  private async inside(path: string, shown: string): Promise<string> {
    const wanted = join(this.root, path);
    const real = await realpath(wanted).catch(() => null);
    if (real === null) throw invalid(shown, (await isLink(wanted)) ? 'is a link to nothing' : 'is missing');
    if (!isWithin(this.root, real)) throw invalid(shown, 'leads out of its directory');
    return real;
  }
}

async function addModules(sources: Sources, modules: readonly string[], files: Map<string, string>): Promise<void> {
  const waiting = modules.map((path) => ({ path, from: MANIFEST_FILE, line: 0 }));
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { path, from, line } = next;
    if (files.has(path)) continue;
    if (!/\.m?js$/.test(path)) throw invalid(from, `${path} is not a .js or .mjs file; a specifier names the whole file`, line);
    if (path.startsWith(PROTO_PREFIX)) throw invalid(from, `${path}: modules cannot lie under ${PROTO_PREFIX}`, line);
    const source = await readFrom(sources, path, from, line);
    files.set(path, source);
    for (const found of scanImports(source)) {
      const target = moduleTarget(path, found.specifier, found.line, found.dynamic);
      if (target !== null) waiting.push({ path: target, from: path, line: found.line });
    }
  }
}

/** The path that a specifier names; null for the SDK. */
function moduleTarget(importer: string, specifier: string, line: number, dynamic: boolean): string | null {
  if (dynamic) throw invalid(importer, 'import() does not exist in a behaviour; use an import statement', line);
  if (specifier === 'troupe') return null;
  if (!/^\.\.?\//.test(specifier)) {
    throw invalid(importer, `cannot import ${JSON.stringify(specifier)}: only 'troupe' and files of the bundle (./...) exist`, line);
  }
  const target = posix.join(posix.dirname(importer), specifier);
  if (target.startsWith('../')) throw invalid(importer, `the import ${JSON.stringify(specifier)} leaves the directory`, line);
  return target;
}

async function collectProtos(sources: Sources, manifest: Manifest): Promise<Map<string, string>> {
  if (isAbsolute(manifest.protoRoot)) throw invalid(MANIFEST_FILE, 'protoRoot must be relative to the directory');
  const tree = await sources.other(resolve(sources.root, manifest.protoRoot), `${MANIFEST_FILE}: protoRoot`);
  const protos = new Map<string, string>();
  const waiting = await matching(tree.root, manifest.proto);
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { path, from } = next;
    if (protos.has(path) || path === EMPTY_PROTO) continue;
    if (path.startsWith('google/protobuf/')) {
      throw invalid(from, `${path}: well-known types other than Empty are not supported; define a message of your own`);
    }
    const source = await readFrom(tree, path, from, 0, PROTO_PREFIX);
    protos.set(path, source);
    for (const target of protoImports(path, source)) waiting.push({ path: target, from: `${PROTO_PREFIX}${path}` });
  }
  return protos;
}

async function matching(root: string, patterns: readonly string[]): Promise<{ path: string; from: string }[]> {
  const found = new Set<string>();
  for (const pattern of patterns) {
    if (isAbsolute(pattern) || pattern.split('/').includes('..')) {
      throw invalid(MANIFEST_FILE, `proto: ${JSON.stringify(pattern)} leads out of protoRoot`);
    }
    let matches = 0;
    for await (const path of glob(pattern, { cwd: root })) {
      if (!path.endsWith('.proto')) continue;
      matches++;
      found.add(path.split(sep).join('/'));
      checkFileCount(found.size);
    }
    if (matches === 0) throw invalid(MANIFEST_FILE, `proto: ${JSON.stringify(pattern)} matches no .proto file`);
  }
  return [...found].sort().map((path) => ({ path, from: MANIFEST_FILE }));
}

/** Reads a file that another one asks for, and says which one if it is not there. */
async function readFrom(sources: Sources, path: string, from: string, line: number, prefix = ''): Promise<string> {
  try {
    return await sources.read(path, `${prefix}${path}`);
  } catch (error) {
    if (!(error instanceof TroupeError) || error.code !== 'BUNDLE_INVALID') throw error;
    throw invalid(from, error.message, line);
  }
}

async function rootOf(directory: string, shown: string): Promise<string> {
  const root = await realpath(directory).catch(() => null);
  const stat = root === null ? null : await lstat(root);
  if (root === null || stat === null || !stat.isDirectory()) throw invalid(shown, 'is not a directory');
  return root;
}

async function isLink(path: string): Promise<boolean> {
  return lstat(path).then((stat) => stat.isSymbolicLink(), () => false);
}

function isWithin(root: string, real: string): boolean {
  const way = relative(root, real);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function decode(bytes: Uint8Array, shown: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid(shown, 'is not UTF-8');
  }
}
