/**
 * The book of a fault campaign: which commands were sent, what they were answered, and what must therefore be true. It knows
 * nothing of the engine: it folds the events itself, in the order of the numbers that the answers gave.
 *
 * Invariants it holds every answer against:
 *  B1  A command is answered once and for ever: every further answer to the same key is the first one, byte for byte.
 *  B2  No two commands of an actor were given the same seq.
 *  B3  When no command is open, the seqs of an actor's accepted commands are 1, 2, 3, ... without a gap: an event of which
 *      the book knows no command was applied twice, a missing one was lost.
 *  B4  The reply of the command with seq s is what folding the events 1 to s gives.
 */

import { foldCommand, initialFold, isRefused, sameFold } from './commands.ts';
import type { FaultActor, Fold } from './commands.ts';

export type Answer =
  | { readonly kind: 'accepted'; readonly seq: number; readonly reply: Fold; readonly bytes: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: string };

const OPEN = 0;
const ACCEPTED = 1;
const REFUSED = 2;

const SHOWN_PER_RULE_MAX = 8;

/** What was found wrong; empty is the only good result. Of each rule the first few are kept, or one rule's would hide the others'. */
export class Findings {
  readonly list: string[] = [];
  count = 0;
  private readonly perRule = new Map<string, number>();

  add(text: string): void {
    this.count++;
    const rule = /^[A-Z]\d(?=:)/.exec(text)?.[0] ?? '';
    const before = this.perRule.get(rule) ?? 0;
    this.perRule.set(rule, before + 1);
    if (before < SHOWN_PER_RULE_MAX) this.list.push(text);
  }
}

interface ActorPage {
  readonly actor: FaultActor;
  /** Command number by seq; index 0 is unused. */
  commands: Uint32Array;
  accepted: number;
  seqMax: number;
  /** Fold of the events 1 to `foldedTo`. */
  readonly fold: Fold;
  foldedTo: number;
}

export class Book {
  readonly findings: Findings;
  readonly pages: readonly ActorPage[];
  /** Commands without an answer: number to actor. */
  readonly open = new Map<number, FaultActor>();
  acknowledged = 0;
  repeats = 0;
  private next = 1;
  private status = new Uint8Array(1 << 16);
  private actorOf = new Uint32Array(1 << 16);
  private seqOf = new Uint32Array(1 << 16);
  private replyValue = new Float64Array(1 << 16);
  private replyChecksum = new Uint32Array(1 << 16);
  private replyBytes = new Uint32Array(1 << 16);

  constructor(actors: readonly FaultActor[], findings: Findings) {
    this.findings = findings;
    this.pages = actors.map((actor) => ({ actor, commands: new Uint32Array(16), accepted: 0, seqMax: 0, fold: initialFold(actor.kind), foldedTo: 0 }));
  }

  /** A new command for `actor`; its number. */
  add(actor: FaultActor): number {
    const n = this.next++;
    if (n === this.status.length) this.grow();
    this.actorOf[n] = actor.index;
    this.open.set(n, actor);
    return n;
  }

  get size(): number {
    return this.next - 1;
  }

  actor(n: number): FaultActor {
    return this.pages[this.actorOf[n]!]!.actor;
  }

  isOpen(n: number): boolean {
    return this.status[n] === OPEN;
  }

  wasAccepted(n: number): boolean {
    return this.status[n] === ACCEPTED;
  }

  wasRefused(n: number): boolean {
    return this.status[n] === REFUSED;
  }

  seq(n: number): number {
    return this.seqOf[n]!;
  }

  /** B1 and B2, at every answer. */
  answered(n: number, answer: Answer): void {
    const actor = this.actor(n);
    const status = answer.kind === 'accepted' ? ACCEPTED : REFUSED;
    if (this.status[n] !== OPEN) {
      this.repeats++;
      this.compare(n, answer, status);
      return;
    }
    this.status[n] = status;
    this.open.delete(n);
    this.acknowledged++;
    const expected = isRefused(actor.kind, n) ? REFUSED : ACCEPTED;
    if (status !== expected) this.findings.add(`command ${n} of ${actor.address} was ${answer.kind}, which its behaviour does not do`);
    if (answer.kind === 'refused') return;
    this.seqOf[n] = answer.seq;
    this.replyValue[n] = answer.reply.value;
    this.replyChecksum[n] = answer.reply.checksum;
    this.replyBytes[n] = digest(answer.bytes);
    this.enter(this.pages[actor.index]!, n, answer.seq);
  }

  private compare(n: number, answer: Answer, status: number): void {
    const where = `command ${n} of ${this.actor(n).address}, sent again with its key`;
    if (status !== this.status[n]) {
      this.findings.add(`B1: ${where}, was first ${this.status[n] === ACCEPTED ? 'accepted' : 'refused'} and is now ${answer.kind}`);
    } else if (answer.kind === 'accepted' && answer.seq !== this.seqOf[n]) {
      this.findings.add(`B1: ${where}, was first answered with seq ${this.seqOf[n]} and is now with ${answer.seq}`);
    } else if (answer.kind === 'accepted' && digest(answer.bytes) !== this.replyBytes[n]) {
      this.findings.add(`B1: ${where}, gets another reply than the first time`);
    }
  }

  private enter(page: ActorPage, n: number, seq: number): void {
    if (seq < 1) {
      this.findings.add(`command ${n} of ${page.actor.address} was accepted with seq ${seq}`);
      return;
    }
    while (seq >= page.commands.length) {
      const grown = new Uint32Array(page.commands.length * 2);
      grown.set(page.commands);
      page.commands = grown;
    }
    const other = page.commands[seq]!;
    if (other !== 0) {
      this.findings.add(`B2: commands ${other} and ${n} of ${page.actor.address} were both answered with seq ${seq}`);
      return;
    }
    page.commands[seq] = n;
    page.accepted++;
    page.seqMax = Math.max(page.seqMax, seq);
  }

  /** B3 and B4, when no command is open. */
  settle(): void {
    if (this.open.size > 0) throw new Error('settle() with open commands proves nothing');
    for (const page of this.pages) {
      if (page.accepted !== page.seqMax) {
        this.findings.add(`B3: ${page.actor.address} has events up to ${page.seqMax}, but ${page.accepted} commands were accepted`);
      }
      this.foldOn(page);
    }
  }

  private foldOn(page: ActorPage): void {
    for (let seq = page.foldedTo + 1; seq <= page.seqMax; seq++) {
      const n = page.commands[seq]!;
      // A gap was reported by B3; what lies behind it cannot be folded.
      if (n === 0) return;
      foldCommand(page.fold, page.actor.kind, n);
      page.foldedTo = seq;
      if (this.replyValue[n] !== page.fold.value || this.replyChecksum[n] !== page.fold.checksum) {
        this.findings.add(`B4: the reply to command ${n} of ${page.actor.address}, seq ${seq}, is not the fold of the events up to it`);
      }
    }
  }

  /** An actor's state as the node shows it when no command is open. */
  checkState(actor: FaultActor, seq: number, state: Fold): void {
    const page = this.pages[actor.index]!;
    if (seq !== page.seqMax) this.findings.add(`${actor.address} is at seq ${seq}, its acknowledged commands say ${page.seqMax}`);
    else if (!sameFold(state, page.fold)) this.findings.add(`the state of ${actor.address} at seq ${seq} is not the fold of its events`);
  }

  private grow(): void {
    const size = this.status.length * 2;
    this.status = copyInto(new Uint8Array(size), this.status);
    this.actorOf = copyInto(new Uint32Array(size), this.actorOf);
    this.seqOf = copyInto(new Uint32Array(size), this.seqOf);
    this.replyValue = copyInto(new Float64Array(size), this.replyValue);
    this.replyChecksum = copyInto(new Uint32Array(size), this.replyChecksum);
    this.replyBytes = copyInto(new Uint32Array(size), this.replyBytes);
  }
}

function copyInto<T extends Uint8Array | Uint32Array | Float64Array>(target: T, source: T): T {
  target.set(source);
  return target;
}

/** FNV-1a; compares replies without keeping them. */
function digest(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
