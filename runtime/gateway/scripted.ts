/**
 * An engine for tests of what talks to an engine: answers in a later turn of the event loop, by a script of the test. By
 * default a command echoes its body as its reply, and every actor counts its commands as its seq. Holds keys, so that a
 * command sent twice shows.
 */

import type {
  AnswerError, CommandRequest, Deployed, Engine, GetRequest, RecordView, Routes, ServedBehavior, Watch, WatchRequest,
} from '../actor/engine.ts';

export class ScriptedEngine implements Engine {
  /** Everything submitted, copied, because a request's body may be gone later. */
  readonly submitted: { to: string; name: string; body: string; key: string; principal: string; session: string; format: number; triedMs: number; waitedMs: number }[] = [];
  /** Commands that took effect, by actor: not those that were answered from their key. */
  readonly applied = new Map<string, { name: string; body: string; key: string }[]>();
  readonly watches: ScriptedWatch[] = [];
  private readonly answersByKey = new Map<string, { seq: number; reply: Buffer }>();

  /** Answers a command; null leaves it to the default. */
  onCommand: ((request: CommandRequest) => boolean) | null = null;
  onGet: ((request: GetRequest) => void) | null = null;
  onWatch: ((watch: ScriptedWatch) => void) | null = null;
  onDeploy: (content: Buffer) => Promise<Deployed> = (content) =>
    Promise.resolve({ bundle: String(content.length), types: ['shop.v1.Order'], changed: true });
  behaviorList: readonly ServedBehavior[] = [];
  recordList: readonly RecordView[] = [];
  recordsError: Error | null = null;
  readiness: string | null = null;
  node = 'n1';
  routes: Routes | null = null;
  /** How often it was asked for the above. */
  placesAsked = 0;
  /** Switches the memory of keys off, so that a test of "applied once" can be seen to fail. */
  forgetsKeys = false;

  submit(request: CommandRequest): void {
    this.submitted.push({
      to: request.to.text, name: request.name, body: bodyOf(request).toString('latin1'), key: request.key,
      principal: request.principal, session: request.session, format: request.format, triedMs: request.triedMs ?? 0,
      waitedMs: request.waitedMs ?? 0,
    });
    if (this.onCommand?.(request)) return;
    setImmediate(() => this.apply(request));
  }

  /** Applies as an engine would: once per key. */
  apply(request: CommandRequest): void {
    const scope = `${request.principal} ${request.to.text} ${request.key}`;
    let answer = request.key === '' || this.forgetsKeys ? undefined : this.answersByKey.get(scope);
    if (answer === undefined) {
      const log = this.applied.get(request.to.text) ?? [];
      this.applied.set(request.to.text, log);
      log.push({ name: request.name, body: bodyOf(request).toString('latin1'), key: request.key });
      answer = { seq: log.length, reply: bodyOf(request) };
      if (request.key !== '') this.answersByKey.set(scope, answer);
      for (const watch of this.watches) watch.offer(request.to.text);
    }
    request.done(answer.seq, answer.reply, 0, answer.reply.length);
  }

  get(request: GetRequest): void {
    setImmediate(() => {
      if (this.onGet !== null) {
        this.onGet(request);
        return;
      }
      const log = this.applied.get(request.to.text) ?? [];
      const state = Buffer.from(request.format === 2 ? JSON.stringify({ count: log.length }) : [8, log.length]);
      request.done(log.length, state, 0, state.length);
    });
  }

  watch(request: WatchRequest): Watch {
    const watch = new ScriptedWatch(this, request);
    this.watches.push(watch);
    if (this.onWatch !== null) {
      this.onWatch(watch);
    } else {
      setImmediate(() => watch.open());
    }
    return watch;
  }

  deploy(content: Buffer): Promise<Deployed> {
    return this.onDeploy(content);
  }

  behaviors(): readonly ServedBehavior[] {
    return this.behaviorList;
  }

  records(): Promise<readonly RecordView[]> {
    return this.recordsError === null ? Promise.resolve(this.recordList) : Promise.reject(this.recordsError);
  }

  notReady(): string | null {
    return this.readiness;
  }

  place(): { node: string; routes: Routes | null } {
    this.placesAsked++;
    return { node: this.node, routes: this.routes };
  }
}

/** A watch on the scripted engine: event n of an actor is its n-th applied command, under the command's name. */
export class ScriptedWatch implements Watch {
  readonly request: WatchRequest;
  isClosed = false;
  isPaused = false;
  resumes = 0;
  pauses = 0;
  private readonly engine: ScriptedEngine;
  private isOpen = false;
  private next = 0;

  constructor(engine: ScriptedEngine, request: WatchRequest) {
    this.engine = engine;
    this.request = request;
  }

  open(): void {
    if (this.isClosed) return;
    const newest = this.engine.applied.get(this.request.to)?.length ?? 0;
    this.next = this.request.from === 0 ? newest + 1 : this.request.from;
    this.isOpen = true;
    this.request.opened(newest);
    this.pump();
  }

  offer(actor: string): void {
    if (actor === this.request.to && this.isOpen) this.pump();
  }

  fail(error: AnswerError): void {
    this.isClosed = true;
    this.request.failed(error);
  }

  resume(): void {
    this.resumes++;
    this.isPaused = false;
    this.pump();
  }

  close(): void {
    this.isClosed = true;
  }

  private pump(): void {
    const log = this.engine.applied.get(this.request.to) ?? [];
    while (!this.isClosed && !this.isPaused && this.next <= log.length) {
      const event = log[this.next - 1]!;
      const body = Buffer.from(event.body, 'latin1');
      const goOn = this.request.event(this.next, `${event.name}Done`, body, 0, body.length);
      this.next++;
      if (!goOn) {
        this.pauses++;
        this.isPaused = true;
      }
    }
  }
}

function bodyOf(request: CommandRequest): Buffer {
  return Buffer.from(request.body.subarray(request.bodyFrom, request.bodyTo));
}
