/** Takes a bundle's canonical bytes apart; see docs/BEHAVIORS.md for what is in a bundle. */

import { limits } from '../limits.ts';
import { invalid } from './bundle-error.ts';

export interface BundleContent {
  readonly name: string;
  /** Modules whose default export is a behaviour. */
  readonly behaviours: readonly string[];
  /** Path to text. */
  readonly modules: ReadonlyMap<string, string>;
  /** Path below proto/ to text. */
  readonly protos: ReadonlyMap<string, string>;
}

const path = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$/;

/** @throws BundleError */
export function readBundle(bytes: Uint8Array): BundleContent {
  if (bytes.length > limits.bundleBytesMax) throw invalid('', `the bundle has more than ${limits.bundleBytesMax} bytes`);
  const value = parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), '') as { format?: unknown; files?: unknown };
  if (typeof value !== 'object' || value === null || value.format !== 1) throw invalid('', 'the bundle is not of format 1');
  const { files } = value;
  if (typeof files !== 'object' || files === null || Array.isArray(files)) throw invalid('', 'the bundle has no files');
  const entries = Object.entries(files);
  if (entries.length > limits.bundleFilesMax) throw invalid('', `the bundle has more than ${limits.bundleFilesMax} files`);
  const modules = new Map<string, string>();
  const protos = new Map<string, string>();
  let manifest: string | null = null;
  for (const [name, text] of entries) {
    if (!path.test(name)) throw invalid('', `${JSON.stringify(name.slice(0, 80))} is not the path of a file in a bundle`);
    if (typeof text !== 'string' || !text.isWellFormed()) throw invalid(name, 'the file is not text');
    if (name === 'troupe.json') manifest = text;
    else if (name.startsWith('proto/') && name.endsWith('.proto')) protos.set(name.slice('proto/'.length), text);
    else if (name.endsWith('.js') && !name.startsWith('proto/')) modules.set(name, text);
  }
  if (manifest === null) throw invalid('troupe.json', 'the bundle has no troupe.json');
  return { ...readManifest(manifest, modules), modules, protos };
}

function readManifest(text: string, modules: ReadonlyMap<string, string>): Pick<BundleContent, 'name' | 'behaviours'> {
  const file = 'troupe.json';
  const value = parse(text, file) as { name?: unknown; modules?: unknown } | null;
  if (typeof value !== 'object' || value === null) throw invalid(file, 'it must hold an object with name and modules');
  const { name, modules: listed } = value;
  if (typeof name !== 'string' || name === '') throw invalid(file, 'name must be a text');
  if (!Array.isArray(listed) || listed.length === 0) throw invalid(file, 'modules must list the modules whose default export is a behaviour');
  for (const item of listed) {
    if (typeof item !== 'string' || !modules.has(item)) throw invalid(file, `modules names ${JSON.stringify(item)}, which is not in the bundle`);
  }
  if (new Set(listed).size !== listed.length) throw invalid(file, 'modules names a module twice');
  return { name, behaviours: listed as string[] };
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(file, `it is not JSON: ${(error as Error).message}`);
  }
}
