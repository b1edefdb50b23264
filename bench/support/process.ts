import { readdirSync, readFileSync } from 'node:fs';

/** Memory of a process as the kernel counts it. Units: bytes. */
export interface ProcessMemory {
  /** All resident pages, those of a mapped region included. */
  readonly residentBytes: number;
  /** Resident pages that are no shared memory: heap, stacks, code. */
  readonly ownBytes: number;
}

const TICKS_PER_SECOND = 100;

/** What a process holds besides memory. */
export function processCounts(pid: number): {
  readonly descriptors: number;
  readonly threads: number;
} {
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
  };
}

/** Memory of a process. */
export function processMemory(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024;
  return { residentBytes: bytes('VmRSS'), ownBytes: bytes('VmRSS') - bytes('RssShmem') };
}

/**
 * Processor time of the children of a process and theirs, as far as they still run, without its
 * own. Units: seconds of one core.
 */
export function groupCpuSeconds(pid: number): number {
  let children: readonly number[] = [];
  try {
    children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
        .split(' ')
        .filter(Boolean)
        .map(Number),
    );
  } catch {
    // It has ended.
  }
  let seconds = 0;
  for (const child of children) {
    try {
      seconds += processCpuSeconds(child) + groupCpuSeconds(child);
    } catch {
      // It has ended meanwhile.
    }
  }
  return seconds;
}

/**
 * Processor time of the threads that a process has now, to the nanosecond: a clock of ticks of 10 ms
 * is too coarse for one that hardly does anything. Units: seconds of one core.
 */
export function threadsCpuSeconds(pid: number): number {
  let ns = 0;
  for (const task of readdirSync(`/proc/${pid}/task`))
    try {
      ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ', 1)[0]);
    } catch {
      // It has ended meanwhile.
    }
  return ns / 1e9;
}

/** Processor time of all threads of a process since it started. Units: seconds of one core. */
export function processCpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in brackets may hold spaces; fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
