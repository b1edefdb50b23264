import type { Row } from './report.ts';

/** How a run is to be made. */
export interface RunOptions {
  /** Shorter, with fewer samples; for a look while something is being changed. */
  readonly quick: boolean;
}

/** Some figures that are measured together. */
export interface BenchCase {
  /** Begins the names of its rows. */
  readonly name: string;
  readonly run: (options: RunOptions) => Promise<readonly Row[]>;
}
