/**
 * The bundles a node knows: each has its content in the bundle store for ever, and a small number under which every sandbox
 * process has it loaded. Old bundles are loaded again when history that they recorded has to be folded.
 */

import type { Hash64 } from '../codec/hash64.ts';
import { encodeProvenance } from '../codec/record.ts';
import type { LoadedBundle, SandboxPool } from '../sandbox/sandbox.ts';

/** Where bundles are kept, addressed by the SHA-256 (hex) of their content. */
export interface BundleStore {
  /** @throws TroupeError BUNDLE_MISSING, JOURNAL_DAMAGED */
  get(hash: string): Promise<Buffer>;
  /** Durable when it resolves; returns the hash. */
  put(content: Buffer): Promise<string>;
}

/** One actor type as one bundle defines it. */
export interface TypeVersion {
  readonly type: string;
  readonly bundle: LoadedBundleEntry;
  readonly foldHash: Hash64;
  readonly commands: readonly string[];
  readonly commandIndexes: ReadonlyMap<string, number>;
  readonly events: readonly string[];
  readonly migrates: boolean;
  /** How strikes and quarantines of the type under this bundle are keyed. */
  readonly key: string;
  /** Fields 19 to 21 of every record it decides. */
  readonly provenance: Buffer;
}

export interface LoadedBundleEntry {
  /** The number in every sandbox process. */
  readonly index: number;
  readonly hash: string;
  readonly hashBytes: Buffer;
  readonly engineHash: Hash64;
  readonly types: ReadonlyMap<string, TypeVersion>;
}

export class Bundles {
  /** The type versions that decide now. */
  readonly served = new Map<string, TypeVersion>();
  private readonly byHash = new Map<string, LoadedBundleEntry>();
  private readonly loading = new Map<string, Promise<LoadedBundleEntry>>();
  private readonly store: BundleStore;
  private readonly pool: SandboxPool;
  private nextIndex = 1;

  constructor(store: BundleStore, pool: SandboxPool) {
    this.store = store;
    this.pool = pool;
  }

  loaded(hash: string): LoadedBundleEntry | undefined {
    return this.byHash.get(hash);
  }

  /** Loads a bundle of the store into the sandboxes, once. */
  async load(hash: string): Promise<LoadedBundleEntry> {
    const known = this.byHash.get(hash);
    if (known !== undefined) return known;
    let loading = this.loading.get(hash);
    if (loading === undefined) {
      loading = this.install(hash).finally(() => this.loading.delete(hash));
      this.loading.set(hash, loading);
    }
    return loading;
  }

  private async install(hash: string): Promise<LoadedBundleEntry> {
    const content = await this.store.get(hash);
    const index = this.nextIndex++;
    const entry = toEntry(index, hash, await this.pool.install(index, content));
    this.byHash.set(hash, entry);
    return entry;
  }
}

function toEntry(index: number, hash: string, loaded: LoadedBundle): LoadedBundleEntry {
  const types = new Map<string, TypeVersion>();
  const hashBytes = Buffer.from(hash, 'hex');
  const entry: LoadedBundleEntry = { index, hash, hashBytes, engineHash: loaded.engineHash, types };
  for (const type of loaded.types) {
    types.set(type.type, {
      type: type.type,
      bundle: entry,
      foldHash: type.foldHash,
      commands: type.commands,
      commandIndexes: new Map(type.commands.map((name, i) => [name, i])),
      events: type.events,
      migrates: type.migrates,
      key: `${type.type} ${hash}`,
      provenance: encodeProvenance(hashBytes, type.foldHash, loaded.engineHash),
    });
  }
  return entry;
}
