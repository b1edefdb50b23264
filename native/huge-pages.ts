import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { KvmfrError } from '../protocol/error.ts';

/** Source: HUGETLBFS_MAGIC of linux/magic.h. */
const HUGETLBFS = 0x9584_58f6;

/** The size of huge pages where a file is, or would be; undefined where pages are plain. Units: bytes. */
export function hugePageBytes(path: string): number | undefined {
  for (const place of [path, dirname(path)])
    try {
      const { type, bsize } = statfsSync(place);
      return type === HUGETLBFS ? bsize : undefined;
    } catch {
      // Not there yet: its folder tells.
    }
  return undefined;
}

/** The error for huge pages that are not to be had; undefined where that is not what failed. */
export function hugePageError(
  path: string,
  syscall: string,
  errno: string,
): KvmfrError | undefined {
  const pageBytes = hugePageBytes(path);
  if (pageBytes === undefined || (errno !== 'ENOMEM' && errno !== 'ENOSPC')) return undefined;
  const pages = `pages of ${pageBytes / 2 ** 20} MiB`;
  return new KvmfrError(
    'ERR_KVMFR_SYSCALL',
    `expected enough free ${pages} for ${path}, but there are too few (${syscall}: ${errno})`,
    {
      ...{ syscall, errno, path },
      hint: `set more aside: as root, echo N > /sys/kernel/mm/hugepages/hugepages-${pageBytes / 1024}kB/nr_hugepages`,
    },
  );
}
