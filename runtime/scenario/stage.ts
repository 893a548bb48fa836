/**
 * Plays one scenario in a sandbox process, as the engine would: activate the actor on what is given, decide, read the state.
 * One batch a scenario, one after the other; the sandbox is the real one, so its limits and strictness are too.
 */

import { WireWriter, halves } from '../codec/wire.ts';
import type { ResultReader } from '../sandbox/batch.ts';
import { BatchWriter } from '../sandbox/batch.ts';
import { FORMAT_JSON, FORMAT_PROTO } from '../sandbox/sandbox.ts';
import type { LoadedBundle, LoadedType, SandboxPool } from '../sandbox/sandbox.ts';

export interface Act {
  readonly type: string;
  readonly id: string;
  readonly given: readonly { readonly name: string; readonly bytes: Buffer }[];
  readonly command: string;
  readonly json: string;
  readonly now: number;
  readonly seed: number;
  readonly caller: string;
  readonly firing: { readonly name: string; readonly due: number; readonly missed: number } | null;
}

export interface ItemOutcome {
  readonly status: number;
  readonly tail: Buffer;
  readonly body: Buffer;
  readonly error: { readonly code: string; readonly message: string; readonly location: string } | null;
}

/** What came of an act: of activation, decision and state; or why the sandbox died. */
export type ActOutcome =
  | { readonly lost: null; readonly activated: ItemOutcome; readonly decided: ItemOutcome; readonly state: ItemOutcome }
  | { readonly lost: { readonly code: string; readonly message: string } };

const BUNDLE = 1;

export class Stage {
  readonly types: ReadonlyMap<string, LoadedType>;
  private readonly pool: SandboxPool;
  private readonly batch = new BatchWriter();
  private lastBatch = 0;
  private settle: ((outcome: ActOutcome) => void) | null = null;

  private constructor(pool: SandboxPool, loaded: LoadedBundle) {
    this.pool = pool;
    this.types = new Map(loaded.types.map((type) => [type.type, type]));
    pool.onResults = (results) => this.answered(results);
    pool.onLost = (loss) => this.finish({ lost: { code: loss.code, message: loss.message } });
  }

  /** Starts the pool and loads the bundle; closes the pool when that fails. @throws TroupeError BUNDLE_INVALID */
  static async open(pool: SandboxPool, content: Buffer): Promise<Stage> {
    try {
      await pool.start();
      await pool.check(content);
      return new Stage(pool, await pool.install(BUNDLE, content));
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  /** One act at a time. */
  play(act: Act): Promise<ActOutcome> {
    const { batch } = this;
    const handle = ++this.lastBatch;
    const command = this.types.get(act.type)!.commands.indexOf(act.command);
    const seed = halves(act.seed);
    batch.begin(handle, this.pool.generation);
    batch.activate(handle, act.type, act.id, BUNDLE, null, [{ bundle: BUNDLE, bytes: encodeGiven(act) }]);
    const body = Buffer.from(act.json, 'utf8');
    const firing = act.firing === null ? null : { name: act.firing.name, dueMs: act.firing.due, missed: act.firing.missed, timerChanges: 0 };
    batch.decide(handle, BUNDLE, command, FORMAT_JSON, body, act.now, seed.hi, seed.lo, act.caller, false, 0, body.length, firing);
    batch.read(handle, BUNDLE, FORMAT_PROTO);
    batch.drop(handle);
    return new Promise((resolve) => {
      this.settle = resolve;
      this.pool.send(batch);
    });
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  private answered(results: ResultReader): void {
    // The answer of a batch whose process was given up since.
    if (results.id !== this.lastBatch) return;
    const outcomes: ItemOutcome[] = [];
    while (results.next()) outcomes.push(copyItem(results));
    const [activated, decided, state] = outcomes;
    this.finish({ lost: null, activated: activated!, decided: decided!, state: state! });
  }

  private finish(outcome: ActOutcome): void {
    const { settle } = this;
    this.settle = null;
    settle?.(outcome);
  }
}

/** The reader's bytes are gone after the call, so they are copied. */
function copyItem(results: ResultReader): ItemOutcome {
  const copy = (from: number, to: number): Buffer => (from < 0 ? Buffer.alloc(0) : Buffer.from(results.buffer.subarray(from, to)));
  const tail = copy(results.tailFrom, results.tailTo);
  return { status: results.status, tail, body: copy(results.bodyFrom, results.bodyTo), error: results.error };
}

/** The given events as one record of the actor. */
function encodeGiven(act: Act): Buffer {
  const wire = new WireWriter(1024);
  wire.uint(1, 1);
  wire.string(4, `${act.type}:${act.id}`);
  wire.uint(11, act.given.length === 0 ? 0 : 1);
  for (const { name, bytes } of act.given) {
    const event = wire.begin(33);
    wire.string(1, name);
    wire.bytes(2, bytes);
    wire.end(event);
  }
  return wire.copy();
}
