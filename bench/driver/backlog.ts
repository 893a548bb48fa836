/** What is due and has no connection with room yet, in the order in which it became due. */

const SHRINK_AT = 65_536;

export class Backlog {
  private actors: number[] = [];
  private dues: number[] = [];
  private head = 0;

  get length(): number {
    return this.actors.length - this.head;
  }

  push(actor: number, due: number): void {
    this.actors.push(actor);
    this.dues.push(due);
  }

  /** Of the oldest; there must be one. */
  get actor(): number {
    return this.actors[this.head]!;
  }

  get due(): number {
    return this.dues[this.head]!;
  }

  shift(): void {
    this.head++;
    if (this.head < SHRINK_AT) return;
    this.actors = this.actors.slice(this.head);
    this.dues = this.dues.slice(this.head);
    this.head = 0;
  }
}
