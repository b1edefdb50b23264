/** Now, on the clock that all processes of a machine share. Units: nanoseconds. */
export function monotonicNs(): number {
  return Number(process.hrtime.bigint());
}
