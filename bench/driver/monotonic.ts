/** A clock that all processes of this machine share, in milliseconds; its zero means nothing. (performance.now() counts from each process' start.) */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
