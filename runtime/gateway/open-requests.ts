/**
 * The open requests of one connection by their ids. A Map would do, but one that is filled and emptied all the time makes
 * itself anew every few entries, which cost a twentieth of a node's time with many connections of one request each.
 *
 * Open addressing with linear probing; what stands behind a removed entry moves up, so there are no marks of removed ones.
 */

export interface OpenRequest {
  readonly id: string;
  /** As `hashId` gives it. */
  readonly idHash: number;
}

const CAPACITY_MIN = 8;

export class OpenRequests<T extends OpenRequest> {
  private places: (T | null)[] = new Array<T | null>(CAPACITY_MIN).fill(null);
  private mask = CAPACITY_MIN - 1;
  private count = 0;

  find(id: string, idHash: number): T | null {
    const { places, mask } = this;
    for (let i = idHash & mask; ; i = (i + 1) & mask) {
      const request = places[i]!;
      if (request === null || (request.idHash === idHash && request.id === id)) return request;
    }
  }

  /** Its id must not be in use. */
  add(request: T): void {
    if (2 * (this.count + 1) > this.places.length) this.resize(this.places.length * 2);
    this.count++;
    this.place(request);
  }

  /** False when it is not there. */
  remove(request: T): boolean {
    const { places, mask } = this;
    let hole = request.idHash & mask;
    while (places[hole] !== request) {
      if (places[hole] === null) return false;
      hole = (hole + 1) & mask;
    }
    for (let i = (hole + 1) & mask; places[i] !== null; i = (i + 1) & mask) {
      // Whoever was looked for at or before the hole, and stands behind it, would no longer be found.
      const wanted = places[i]!.idHash & mask;
      if (((i - wanted) & mask) < ((i - hole) & mask)) continue;
      places[hole] = places[i]!;
      hole = i;
    }
    places[hole] = null;
    this.count--;
    return true;
  }

  *all(): Generator<T> {
    for (const request of this.places) if (request !== null) yield request;
  }

  clear(): void {
    this.places = new Array<T | null>(CAPACITY_MIN).fill(null);
    this.mask = CAPACITY_MIN - 1;
    this.count = 0;
  }

  private place(request: T): void {
    const { places, mask } = this;
    let i = request.idHash & mask;
    while (places[i] !== null) i = (i + 1) & mask;
    places[i] = request;
  }

  private resize(capacity: number): void {
    const old = this.places;
    this.places = new Array<T | null>(capacity).fill(null);
    this.mask = capacity - 1;
    for (const request of old) if (request !== null) this.place(request);
  }
}

export function hashId(id: string): number {
  let hash = id.length;
  for (let i = 0; i < id.length; i++) hash = (Math.imul(hash, 31) + id.charCodeAt(i)) | 0;
  return hash ^ (hash >>> 15);
}
