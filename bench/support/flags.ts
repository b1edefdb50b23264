/** Ends a program of `npm run` that was called wrongly: a line on standard error, and status 2. */
export function refuse(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

/** What is read of a command line. What cannot be read ends the program, in one line. */
export function readFlags<Flags>(read: () => Flags): Flags {
  try {
    return read();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    refuse(`${text.split(/\. |\n/)[0]}; see --help`);
  }
}
