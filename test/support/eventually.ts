/** Less than a test has: it is this that says what did not come, and nothing turns on after the test. */
const PATIENCE_NS = 100_000_000_000n;

/** Waits for something that has no event, turn by turn of the event loop. @throws what did not come */
export async function eventually(holds: () => boolean): Promise<void> {
  // By no clock that a test sets.
  const endNs = process.hrtime.bigint() + PATIENCE_NS;
  while (!holds()) {
    if (process.hrtime.bigint() > endNs) throw new Error(`it must come that ${holds}, but did not`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
