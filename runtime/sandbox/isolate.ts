/**
 * The only file that knows isolated-vm. One isolate in this process, a context for the hub and one per bundle; all of
 * a process's bundles are of one namespace, which is the boundary of trust.
 *
 * I1  Nothing of isolated-vm's is handed to a script: references are dereferenced into the runtime's own closures, and what
 *     crosses per batch is a string and numbers, and memory that only the hub's closure holds.
 * I2  Loading a bundle has a timeout. A batch has none here: a timeout is another thread that is woken for every batch, which took
 *     15 % of the CPU time with batches of 26, and the node has its eye on the process anyhow (child.ts, N3). After a timeout or a
 *     catastrophic error the isolate is not used again: the caller ends the process.
 */

import ivm from 'isolated-vm';

import type { Hash64 } from '../codec/hash64.ts';
import { limits } from '../limits.ts';
import { readBundle } from './bundle-content.ts';
import type { BundleContent } from './bundle-content.ts';
import { BundleError, invalid } from './bundle-error.ts';
import { engineHash, foldHash } from './fold-hash.ts';
import { lineColumn, prepareModule } from './module-source.ts';
import type { ColumnShift, PreparedModule, Token } from './module-source.ts';
import { wrongNames } from './named-commands.ts';
import type { NamedType } from './named-commands.ts';
import { realmAdvice, realmGlobals } from './realm-globals.ts';
import { closingSource, hubSource, lockdownSource, prologueSource, realmSource } from './realm-source.ts';
import { replyTakers } from './reply-takers.ts';
import type { LoadedBundle, LoadedType } from './sandbox.ts';
import { readSchema } from './schema.ts';
import type { Schema } from './schema.ts';
import { placeOf, unshift } from './subscription-places.ts';
import type { SubscriptionText } from './subscription-places.ts';
import { undeclaredName } from './undeclared-names.ts';

/** The isolate cannot go on; the process must end. */
export class IsolateEnded extends Error {
  readonly code: 'BEHAVIOR_TIMEOUT' | 'BEHAVIOR_MEMORY' | 'SANDBOX_LOST';

  constructor(code: IsolateEnded['code'], message: string) {
    super(message);
    this.code = code;
  }
}

type Ref = ivm.Reference<unknown>;

const sdkSource = `export const defineActor = globalThis.$troupe.defineActor;`;
const guardSource = `export const caught = globalThis.$troupe.caught;`;
const entryFile = 'troupe:entry';
const INPUT_BYTES = limits.batchBytesMax + 64 * 1024;
const OUTPUT_BYTES = 4 * 1024 * 1024;

export class SandboxIsolate {
  /** Items and steps that the hub has begun: two numbers of 32 bits, which wrap. */
  readonly progress = new SharedArrayBuffer(8);
  /** Shared with the hub: what is read into it need not be copied. */
  readonly input = Buffer.from(new SharedArrayBuffer(INPUT_BYTES));
  private readonly output = Buffer.from(new SharedArrayBuffer(OUTPUT_BYTES));
  private readonly isolate: ivm.Isolate;
  private readonly run: Ref;
  private readonly io: Ref;
  private readonly addRealm: Ref;
  private readonly removeRealm: Ref;
  private readonly contexts = new Map<number, ivm.Context>();
  private readonly engineHash = engineHash();

  constructor(memoryMaxMib: number = limits.isolateMemoryMaxMib) {
    this.isolate = new ivm.Isolate({
      memoryLimit: memoryMaxMib,
      onCatastrophicError: (message) => {
        process.stderr.write(`isolate: ${message}\n`);
        process.kill(process.pid, 'SIGKILL');
      },
    });
    const context = this.isolate.createContextSync();
    const hub = this.isolate.compileScriptSync(hubSource, { filename: 'troupe:hub' }).runSync(context, { reference: true }) as Ref;
    const get = (name: string): Ref => hub.getSync(name as never, { reference: true }) as Ref;
    this.run = get('run');
    this.io = get('io');
    this.addRealm = get('addRealm');
    this.removeRealm = get('removeRealm');
    const share = (buffer: ArrayBufferLike): unknown => new ivm.ExternalCopy(buffer).copyInto({ release: true });
    get('share').applySync(undefined, [share(this.input.buffer), share(this.output.buffer), share(this.progress)] as never);
  }

  /**
   * Runs the items of the batch at [from, to) of `buffer`, which is best `input`. Answers with a BatchResult behind four bytes for its
   * length, valid until the next call. Its deadline is watched by the node, from outside (I2).
   * @throws IsolateEnded
   */
  batch(buffer: Buffer, from: number, to: number): Buffer {
    return this.guarded(() => {
      const shared = buffer === this.input;
      // Not buffer.slice(): that is a view, and transferring would take away the buffer that is read into.
      const bytes = shared ? null : new ivm.ExternalCopy(Uint8Array.prototype.slice.call(buffer, 0, to), { transferOut: true });
      const result: unknown = this.run.applySync(undefined, [bytes?.copyInto({ release: true, transferIn: true }) ?? null, from, to] as never, {
        result: { copy: true },
      } as never);
      return typeof result === 'number' ? this.output.subarray(0, result) : Buffer.from(result as ArrayBuffer);
    });
  }

  /** Forgets a bundle. */
  unload(bundle: number): void {
    this.removeRealm.applySync(undefined, [bundle] as never);
    this.contexts.get(bundle)?.release();
    this.contexts.delete(bundle);
  }

  /**
   * `anew`: it is about to be deployed, so that names which nothing declares are looked for, and commands that nobody has. A bundle that is in
   * service is loaded without: it is history, and what reads it must not become stricter.
   * @throws BundleError when the bundle is refused
   * @throws IsolateEnded
   */
  load(bundle: number, bytes: Uint8Array, deadlineMs: number, anew: boolean): LoadedBundle {
    const content = readBundle(bytes);
    const schema = readSchema(content.protos);
    return this.guarded(() => new BundleLoad(this.isolate, content, schema, deadlineMs, anew).load(this.io, (realm) => {
      const context = realm.context;
      this.addRealm.applySync(undefined, [bundle, realm.functions.derefInto()] as never);
      this.contexts.set(bundle, context);
      return this.engineHash;
    }));
  }

  private guarded<T>(work: () => T): T {
    const from = performance.now();
    try {
      return work();
    } catch (error) {
      if (error instanceof BundleError) throw error;
      const message = error instanceof Error ? error.message : String(error);
      if (/timed out/.test(message)) throw new IsolateEnded('BEHAVIOR_TIMEOUT', `${message} It ran for ${Math.round(performance.now() - from)} ms.`);
      if (this.isolate.isDisposed || /memory limit|disposed/.test(message)) throw new IsolateEnded('BEHAVIOR_MEMORY', message);
      throw new IsolateEnded('SANDBOX_LOST', message);
    }
  }
}

interface LoadedRealm {
  readonly context: ivm.Context;
  readonly functions: Ref;
}

/** One bundle on its way into a context. */
class BundleLoad {
  private readonly isolate: ivm.Isolate;
  private readonly content: BundleContent;
  private readonly schema: Schema;
  private readonly timeout: number;
  private readonly anew: boolean;
  private readonly context: ivm.Context;
  private readonly modules = new Map<string, ivm.Module>();
  private readonly paths = new Map<ivm.Module, string>();
  private readonly shifts: Record<string, readonly ColumnShift[]> = {};
  private readonly prepared = new Map<string, PreparedModule>();

  constructor(isolate: ivm.Isolate, content: BundleContent, schema: Schema, timeout: number, anew: boolean) {
    this.isolate = isolate;
    this.content = content;
    this.schema = schema;
    this.timeout = timeout;
    this.anew = anew;
    this.context = isolate.createContextSync();
  }

  load(io: Ref, add: (realm: LoadedRealm) => Hash64): LoadedBundle {
    try {
      return this.enter(io, add);
    } catch (error) {
      if (error instanceof BundleError) this.context.release();
      throw error;
    }
  }

  private enter(io: Ref, add: (realm: LoadedRealm) => Hash64): LoadedBundle {
    for (const [file, source] of this.content.modules) this.compile(file, source);
    this.script(prologueSource, 'troupe:prologue');
    this.script(lockdownSource, 'troupe:lockdown');
    const make = this.isolate.compileScriptSync(realmSource(this.schema, this.shifts), { filename: 'troupe:realm' });
    const factory = make.runSync(this.context, { reference: true }) as Ref;
    const functions = factory.applySync(undefined, [io.derefInto()] as never, { result: { reference: true } } as never) as unknown as Ref;
    const troupe = this.context.global.getSync('$troupe', { reference: true }) as Ref;
    const install = troupe.getSync('installModules' as never, { reference: true }) as Ref;
    const sdk = new Map([['troupe', this.sdkModule(sdkSource, 'troupe')], ['troupe:guard', this.sdkModule(guardSource, 'troupe:guard')]]);
    checkGlobals(JSON.parse(this.script(closingSource, 'troupe:closing') as string) as string[]);
    this.evaluate(install, sdk);
    const types = this.loadedTypes(functions);
    if (this.anew) this.refuseWrongNames(types);
    this.placeSubscriptions(functions);
    return { types, engineHash: add({ context: this.context, functions }) };
  }

  private script(source: string, filename: string): unknown {
    return this.isolate.compileScriptSync(source, { filename }).runSync(this.context, { timeout: this.timeout });
  }

  private sdkModule(source: string, filename: string): ivm.Module {
    const module = this.isolate.compileModuleSync(source, { filename });
    module.instantiateSync(this.context, () => {
      throw new Error('it imports nothing');
    });
    module.evaluateSync({ timeout: this.timeout });
    return module;
  }

  /** What was written is compiled before what is made of it, so that V8 says what is wrong with it, and where. */
  private compile(file: string, source: string): void {
    this.compiled(file, source).release();
    const prepared = prepareModule(file, source);
    if (this.anew) this.refuseUndeclared(file, source, prepared.tokens);
    this.prepared.set(file, prepared);
    this.shifts[file] = prepared.shifts;
    const module = this.compiled(file, prepared.source);
    this.modules.set(file, module);
    this.paths.set(module, file);
    for (const specifier of module.dependencySpecifiers) this.checkImport(file, source, specifier);
  }

  private compiled(file: string, source: string): ivm.Module {
    try {
      return this.isolate.compileModuleSync(source, { filename: `bundle:${file}` });
    } catch (error) {
      throw this.moduleError(error, file);
    }
  }

  private refuseUndeclared(file: string, source: string, tokens: readonly Token[]): void {
    const found = undeclaredName(tokens, (name) => this.isCode(file, source, name));
    if (found !== null) throw invalid(`${file}:${lineColumn(source, found.start)}`, found.reason);
  }

  private refuseWrongNames(types: readonly LoadedType[]): void {
    const schemas: NamedType[] = [...this.schema.types.values()].filter((type) => typeof type !== 'string');
    const known = { types: schemas.filter((schema) => types.some(({ type }) => type === schema.type)), schemas, takers: replyTakers(this.schema) };
    for (const [file, source] of this.content.modules) {
      for (const found of wrongNames(source, this.prepared.get(file)!.tokens, known)) {
        if (this.isCode(file, source, found)) throw invalid(`${file}:${lineColumn(source, found.start)}`, found.reason);
      }
    }
  }

  /** Whether an expression could stand there: a slip of the token reader would be within a regular expression or a text, where the second is no error. */
  private isCode(file: string, source: string, { start, end }: { readonly start: number; readonly end: number }): boolean {
    const compiles = (text: string): boolean => {
      try {
        this.compiled(file, source.slice(0, start) + text + source.slice(end)).release();
        return true;
      } catch (error) {
        if (error instanceof BundleError) return false;
        throw error;
      }
    };
    const name = source.slice(start, end);
    return compiles(`(0, ${name})`) && !compiles(`${name} @`);
  }

  private checkImport(file: string, source: string, specifier: string): void {
    if (specifier === 'troupe' || specifier === 'troupe:guard') return;
    if (this.content.modules.has(resolve(file, specifier))) return;
    const at = Math.max(source.indexOf(`'${specifier}'`), source.indexOf(`"${specifier}"`), 0);
    throw invalid(
      `${file}:${lineColumn(source, at)}`,
      `it imports ${JSON.stringify(specifier)}: only modules of the bundle, by relative path, and "troupe" can be imported`,
    );
  }

  /** Evaluates all modules through one entry module, freezes what they hold, and takes the behaviours. */
  private evaluate(install: Ref, sdk: ReadonlyMap<string, ivm.Module>): void {
    const files = [...this.modules.keys()].sort();
    const entry = this.isolate.compileModuleSync(
      [
        ...files.map((file, i) => `import * as m${i} from ${JSON.stringify(`./${file}`)};`),
        `export const all = [${files.map((file, i) => `[${JSON.stringify(file)}, m${i}]`).join(', ')}];`,
        `export const behaviours = [${this.content.behaviours.map((file) => `[${JSON.stringify(file)}, m${files.indexOf(file)}.default]`).join(', ')}];`,
      ].join('\n'),
      { filename: entryFile },
    );
    this.paths.set(entry, entryFile);
    try {
      entry.instantiateSync(this.context, (specifier, referrer) => {
        const found = sdk.get(specifier) ?? this.modules.get(resolve(this.paths.get(referrer) ?? entryFile, specifier));
        if (found === undefined) throw new Error(`no module ${specifier}`);
        return found;
      });
      entry.evaluateSync({ timeout: this.timeout });
    } catch (error) {
      throw this.moduleError(error, this.content.behaviours[0]!);
    }
    const all = entry.namespace.getSync('all', { reference: true }) as Ref;
    const behaviours = entry.namespace.getSync('behaviours', { reference: true }) as Ref;
    const refused = install.applySync(undefined, [all.derefInto(), behaviours.derefInto()] as never, { timeout: this.timeout }) as unknown as string;
    if (refused === '') return;
    const [location, ...reason] = refused.split('\n');
    throw invalid(location!, reason.join('\n'));
  }

  /** An error that V8 or a module threw while it was compiled, linked or evaluated; ends of the isolate pass through. */
  private moduleError(error: unknown, file: string): unknown {
    if (!(error instanceof Error) || this.isolate.isDisposed || /timed out|memory limit|disposed/.test(error.message)) return error;
    const found = /bundle:([^\s():]+):(\d+)(?::(\d+))?/.exec(`${error.stack ?? ''}`);
    const message = error.message.replace(/ ?\[bundle:[^\]]*\]/, '');
    const reason = `${error.name}: ${message}`.slice(0, 1_000);
    if (found === null) return invalid(`${file}:1:1`, reason);
    const [, where, line, column] = found;
    return invalid(`${where}:${line}:${unshift(this.shifts[where!] ?? [], Number(line), Number(column ?? '1'))}`, reason);
  }

  private call(functions: Ref, name: string, ...args: unknown[]): unknown {
    return (functions.getSync(name as never, { reference: true }) as Ref).applySync(undefined, args as never, { timeout: this.timeout });
  }

  /** What a subscription has sent is said to come from its function. */
  private placeSubscriptions(functions: Ref): void {
    const texts = JSON.parse(this.call(functions, 'subscriptionTexts') as string) as SubscriptionText[];
    if (texts.length === 0) return;
    this.call(functions, 'placeSubscriptions', JSON.stringify(texts.map((text) => placeOf(this.imported(text.file), this.prepared, text))));
  }

  private loadedTypes(functions: Ref): LoadedType[] {
    const call = (name: string, ...args: unknown[]): unknown => this.call(functions, name, ...args);
    const types: LoadedType[] = [];
    for (const type of this.schema.types.values()) {
      if (typeof type === 'string' || call('has', type.type) !== true) continue;
      const module = call('moduleOf', type.type) as string;
      const hash = foldHash(this.schema, type, this.imported(module));
      call('setFoldHash', type.type, `${hash.hi}:${hash.lo}`);
      types.push({
        type: type.type,
        foldHash: hash,
        commands: type.commands.map((command) => command.name),
        events: type.events.map((event) => event.name),
        migrates: call('migrates', type.type) === true,
      });
    }
    return types;
  }

  /** A module and all that it imports, directly or not. */
  private imported(file: string): Map<string, string> {
    const sources = new Map<string, string>();
    const todo = [file];
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      if (sources.has(next)) continue;
      sources.set(next, this.content.modules.get(next)!);
      for (const specifier of this.modules.get(next)!.dependencySpecifiers) {
        if (!specifier.startsWith('troupe')) todo.push(resolve(next, specifier));
      }
    }
    return sources;
  }
}

/** The path in the bundle that a relative specifier names; '' when it is not relative or leaves the bundle. */
function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith('./') && !specifier.startsWith('../')) return '';
  const parts = from === entryFile ? [] : from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return '';
  }
  return parts.join('/');
}

function checkGlobals(found: readonly string[]): void {
  const expected = new Set([...realmGlobals, ...Object.keys(realmAdvice).filter((name) => !name.includes('.'))]);
  for (const name of found) if (!expected.has(name)) throw new Error(`a realm has the unexpected global ${name}`);
}
