/** All activations of a node, found by address, in the order of their use. */

import type { Activation } from './activation.ts';
import { GONE } from './activation.ts';
import type { Address } from './engine.ts';

const ROOMY_ERA = 16;

export class Catalog {
  private readonly byAddress = new Map<string, Activation>();
  private newest: Activation | null = null;
  private oldest: Activation | null = null;
  private era = 1;
  private usesLeft = 0;
  private readonly activationsMax: number;
  private readonly stateBytesMax: number;
  /** Rough size of all resident states. */
  stateBytes = 0;
  /** Activations that were read ahead, and that nothing was for so far. */
  unused = 0;

  constructor(activationsMax: number, stateBytesMax: number) {
    this.activationsMax = activationsMax;
    this.stateBytesMax = stateBytesMax;
  }

  get size(): number {
    return this.byAddress.size;
  }

  find(address: string): Activation | undefined {
    return this.byAddress.get(address);
  }

  /** As `find`, and remembered in the address until the activation goes. */
  at(address: Address): Activation | undefined {
    const known = address.resident as Activation | null;
    if (known !== null) return known;
    const found = this.byAddress.get(address.text);
    if (found === undefined) return undefined;
    // Two of the senders' objects a time, so that none of them keeps alive what has gone: one of the clients', one of other actors'.
    if (found.knownBefore !== null) found.knownBefore.resident = null;
    found.knownBefore = found.knownBy;
    found.knownBy = address;
    address.resident = found;
    return found;
  }

  add(activation: Activation): void {
    this.byAddress.set(activation.address, activation);
    this.unused++;
    this.link(activation);
  }

  /**
   * Moves an activation to the young end, at most once an era: the order stays good enough to choose who leaves, and a busy
   * actor's neighbours are not touched for every command. An era lasts for as many uses as there are activations; many times as
   * long while there is so much room that nobody has to leave.
   */
  use(activation: Activation): void {
    if (--this.usesLeft < 0) {
      this.era++;
      const { size } = this.byAddress;
      const isRoomy = size * 2 < this.activationsMax && this.stateBytes * 2 < this.stateBytesMax;
      this.usesLeft = isRoomy ? size * ROOMY_ERA : size;
    }
    if (activation.usedIn === this.era) return;
    if (activation.usedIn === 0) this.unused--;
    activation.usedIn = this.era;
    if (this.newest === activation) return;
    this.unlink(activation);
    this.link(activation);
  }

  remove(activation: Activation): void {
    if (this.byAddress.get(activation.address) === activation) this.byAddress.delete(activation.address);
    this.unlink(activation);
    if (activation.usedIn === 0) this.unused--;
    activation.usedIn = this.era;
    this.stateBytes -= activation.stateBytes;
    activation.stateBytes = 0;
    activation.phase = GONE;
    if (activation.knownBy !== null) activation.knownBy.resident = null;
    if (activation.knownBefore !== null) activation.knownBefore.resident = null;
    activation.knownBy = activation.knownBefore = null;
    activation.keys.release();
  }

  resize(activation: Activation, stateBytes: number): void {
    this.stateBytes += stateBytes - activation.stateBytes;
    activation.stateBytes = stateBytes;
  }

  /** Activations from the one least recently used on. Removing the current one while walking is allowed. */
  *fromOldest(): Generator<Activation> {
    let at = this.oldest;
    while (at !== null) {
      const next: Activation | null = at.newer;
      yield at;
      at = next;
    }
  }

  all(): IterableIterator<Activation> {
    return this.byAddress.values();
  }

  private link(activation: Activation): void {
    activation.older = this.newest;
    activation.newer = null;
    if (this.newest !== null) this.newest.newer = activation;
    else this.oldest = activation;
    this.newest = activation;
  }

  private unlink(activation: Activation): void {
    const { newer, older } = activation;
    if (newer !== null) newer.older = older;
    else if (this.newest === activation) this.newest = older;
    if (older !== null) older.newer = newer;
    else if (this.oldest === activation) this.oldest = newer;
    activation.newer = activation.older = null;
  }
}
