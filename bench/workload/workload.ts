/** What `troupe bench` can run. */

export interface Workload {
  readonly name: string;
  /** In the list of all. */
  readonly summary: string;
  readonly help: string;
  /** Without its name in front; answers the exit code. */
  run(args: readonly string[]): Promise<number>;
}
