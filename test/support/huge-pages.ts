import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const COUNT = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages';
const FREE = '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages';

/** A folder on huge pages of 2 MiB, some of which are free. */
export interface HugeFolder extends Disposable {
  readonly path: string;
  readonly freePages: number;
}

/**
 * Sets pages aside and mounts a folder of them; gives them back when it is disposed of.
 *
 * @returns a sentence instead where this machine does not allow it: that takes root, and no container
 */
export function hugeFolder(pages: number): HugeFolder | string {
  let before: number;
  try {
    before = numberIn(COUNT);
    writeFileSync(COUNT, String(before + pages));
  } catch (error) {
    return `no huge pages may be set aside here: ${String(error)}`;
  }
  const path = mkdtempSync(join(tmpdir(), 'kvmfr-huge-'));
  const giveBack = (): void => {
    rmdirSync(path);
    // Only as many as came with us: others may have set some aside meanwhile.
    writeFileSync(COUNT, String(Math.max(0, numberIn(COUNT) - pages)));
  };
  try {
    if (numberIn(FREE) < pages) throw new Error(`${numberIn(FREE)} of ${pages} pages are free`);
    execFileSync('mount', ['-t', 'hugetlbfs', '-o', 'pagesize=2M', 'none', path]);
  } catch (error) {
    giveBack();
    return `no folder on huge pages can be made here: ${String(error)}`;
  }
  return {
    path,
    freePages: numberIn(FREE),
    [Symbol.dispose]: () => {
      for (const name of readdirSync(path)) rmSync(join(path, name));
      execFileSync('umount', [path]);
      giveBack();
    },
  };
}

function numberIn(path: string): number {
  return Number(readFileSync(path, 'latin1'));
}
