import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** A folder in shared memory for a bench's regions. Removed when disposed of. */
export class Scratch implements Disposable {
  readonly #folder: string = mkdtempSync('/dev/shm/kvmfr-bench-');

  /** The path of a file in it. */
  path(name: string): string {
    return join(this.#folder, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
