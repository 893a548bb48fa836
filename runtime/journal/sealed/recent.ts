/** A map that keeps the entries used last. A Map iterates in order of insertion, which is all it takes. */
export class Recent<K, V> {
  private readonly entries = new Map<K, V>();
  private readonly weightMax: number;
  private readonly weigh: (value: V) => number;
  private weight = 0;

  /** By count, or by what `weigh` says of an entry: its bytes, say. */
  constructor(weightMax: number, weigh: (value: V) => number = () => 1) {
    this.weightMax = weightMax;
    this.weigh = weigh;
  }

  get(key: K): V | undefined {
    const value = this.entries.get(key);
    // Where nothing has to go, the order is nobody's concern.
    if (value === undefined || this.weightMax === Infinity) return value;
    this.entries.delete(key);
    this.entries.set(key, value);
    return value;
  }

  /** What is heavier than all that may be kept is not kept, and pushes nothing out. */
  set(key: K, value: V): void {
    this.delete(key);
    const weight = this.weigh(value);
    if (weight > this.weightMax) return;
    this.entries.set(key, value);
    this.weight += weight;
    for (const oldest of this.entries.keys()) {
      if (this.weight <= this.weightMax) break;
      this.delete(oldest);
    }
  }

  private delete(key: K): void {
    const value = this.entries.get(key);
    if (value === undefined) return;
    this.entries.delete(key);
    this.weight -= this.weigh(value);
  }
}
