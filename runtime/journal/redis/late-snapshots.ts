/**
 * Snapshots in the store that belong in the cold tier alone: what they name was demoted before they came, or a former owner left them
 * behind. The next demotion of their bucket takes them along; until then they cost memory of the hot tier, and count for it.
 */

export class LateSnapshots {
  /** Of all of them, as they are stored. */
  bytes = 0;
  private readonly sizes = new Map<string, number>();

  get actors(): string[] {
    return [...this.sizes.keys()];
  }

  add(actor: string, bytes: number): void {
    this.bytes += bytes - (this.sizes.get(actor) ?? 0);
    this.sizes.set(actor, bytes);
  }

  delete(actor: string): void {
    this.bytes -= this.sizes.get(actor) ?? 0;
    this.sizes.delete(actor);
  }
}
