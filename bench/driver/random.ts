/** Random numbers of a driver, from a seed: xorshift32. Cheap enough to be called several times a command. */

export class DriverRandom {
  private state: number;

  constructor(seed: number) {
    this.state = (seed | 0) || 1;
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return this.next() % below;
  }

  /** In [0, 1). */
  unit(): number {
    return this.next() / 2 ** 32;
  }

  private next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }
}
