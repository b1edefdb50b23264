import type { VirtualMachine } from './virtual-machine.ts';

/** How long a test here may take; a machine that does nothing else is a hundred times as quick. Units: milliseconds. */
export const VM_LIMIT_MS: number = 300_000;
/** How long one thing is waited for: less, so that it is this that says what did not come. */
const WAIT_LIMIT_MS = 240_000;

/**
 * Waits for something that a machine has to do with.
 *
 * @throws what was waited for, when the machine ends first, or after four minutes
 */
export async function awaited<T>(
  what: string,
  machine: VirtualMachine,
  coming: Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what} must come in ${WAIT_LIMIT_MS} ms, but did not`)),
      WAIT_LIMIT_MS,
    );
  });
  const ended = machine.events.over.catch((cause: unknown) => {
    throw new Error(`${what} must come, but the machine has ended`, { cause });
  });
  try {
    return await Promise.race([coming, late, ended]);
  } finally {
    clearTimeout(timer);
    // Who loses the race ends later, or never: nobody has to hear of it.
    for (const loser of [coming, late, ended]) loser.catch(() => undefined);
  }
}

/** The first of a stream's values that is so. @throws when the stream ends before */
export async function firstOf<T>(
  what: string,
  values: AsyncIterable<T>,
  holds: (value: T) => boolean,
): Promise<T> {
  for await (const value of values) if (holds(value)) return value;
  throw new Error(`${what} must come, but nothing follows any more`);
}
