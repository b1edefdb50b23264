import { ERROR_CODES, KvmfrError } from '../protocol/error.ts';

/** Exit statuses of every command. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Prints a line for people on standard error: standard output is for results. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Prints a result line on standard output. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One sentence for an error, its hint after it, and no stack. */
export function errorText(error: unknown): string {
  if (!KvmfrError.is(error)) return error instanceof Error ? error.message : String(error);
  return error.hint === undefined ? error.message : `${error.message}\n       ${error.hint}`;
}

/** The exit status an error means. */
export function exitStatus(error: unknown): number {
  if (!KvmfrError.is(error)) return EXIT.failed;
  return error.code === 'ERR_KVMFR_USAGE' || error.code === 'ERR_KVMFR_UNSUPPORTED'
    ? EXIT.usage
    : EXIT.failed;
}

/** An error as `--json` shows it. */
export function errorJson(error: unknown): object {
  if (!KvmfrError.is(error))
    return { error: { code: 'ERR_KVMFR_SYSCALL', message: errorText(error) } };
  return {
    error: {
      code: error.code,
      meaning: ERROR_CODES[error.code],
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.path === undefined ? {} : { path: error.path }),
      ...(error.errno === undefined ? {} : { errno: error.errno }),
    },
  };
}

/** A signal that fires at Ctrl+C or SIGTERM; a second Ctrl+C ends the process at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  process.on('SIGHUP', interrupt);
  return controller.signal;
}

/** Waits until a signal fires. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  );
}
