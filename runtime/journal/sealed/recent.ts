/**
 * A map that keeps the entries used last. A Map iterates in order of insertion; an entry that was used is moved to the end when its turn to go
 * comes, and not at each use: an actor that is read uses dozens.
 */
export class Recent<K, V> {
  private readonly entries = new Map<K, Entry<V>>();
  private readonly weightMax: number;
  private readonly weigh: (value: V) => number;
  private weight = 0;

  /** By count, or by what `weigh` says of an entry: its bytes, say. */
  constructor(weightMax: number, weigh: (value: V) => number = () => 1) {
    this.weightMax = weightMax;
    this.weigh = weigh;
  }

  get(key: K): V | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    entry.isUsed = true;
    return entry.value;
  }

  /** What is heavier than all that may be kept is not kept, and pushes nothing out. */
  set(key: K, value: V): void {
    this.delete(key);
    const weight = this.weigh(value);
    if (weight > this.weightMax) return;
    this.entries.set(key, { value, isUsed: false });
    this.weight += weight;
    if (this.weight > this.weightMax) this.makeRoom(key);
  }

  /** Once round at most: whoever was used and stays is not used any more. The newest never goes. */
  private makeRoom(newest: K): void {
    for (const [key, entry] of this.entries) {
      if (this.weight <= this.weightMax) return;
      if (!entry.isUsed && key !== newest) {
        this.delete(key);
        continue;
      }
      entry.isUsed = false;
      this.entries.delete(key);
      this.entries.set(key, entry);
    }
  }

  private delete(key: K): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.weight -= this.weigh(entry.value);
  }
}

interface Entry<V> {
  readonly value: V;
  isUsed: boolean;
}
