import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KvmfrError } from '../protocol/error.ts';
import { errorName } from './failure.ts';
import { linuxAddon } from './load.ts';
import type { Mapping } from './mapping.ts';

/** Where the memory of a region is, and who reads it. */
export interface Placement {
  /** How many nodes of memory the machine has. */
  readonly nodes: number;
  /** The nodes on which pages of the region are, and the share of each; none where nobody tells. */
  readonly pages: readonly { readonly node: number; readonly share: number }[];
  /** The node of the processor that this thread runs on. */
  readonly reader: number;
  /** Processors of the node with most of the pages, as `--cpu` takes them. */
  readonly nearCpus: string | undefined;
}

/** Where nodes are looked for. */
export interface PlacementOptions {
  /** Root of sysfs; `/sys` when left out. */
  readonly sysfs?: string;
}

/** Largest number of a processor that is taken for one. */
const MAX_CPU = 4095;

/**
 * Where the pages of a region are: a sample of those that are in memory.
 *
 * @throws ERR_KVMFR_UNSUPPORTED, ERR_KVMFR_NATIVE
 */
export function placementOf(mapping: Mapping, options: PlacementOptions = {}): Placement {
  const folder = join(options.sysfs ?? '/sys', 'devices/system/node');
  const found = mapping.pageNodes().filter((node) => node >= 0);
  const counts = new Map<number, number>();
  for (const node of found) counts.set(node, (counts.get(node) ?? 0) + 1);
  const pages = [...counts]
    .sort(([a, many], [b, more]) => more - many || a - b)
    .map(([node, count]) => ({ node, share: count / found.length }));
  const [most] = pages;
  return {
    nodes: Math.max(1, nodesIn(folder)),
    pages,
    reader: Math.max(0, linuxAddon().nodeOfThread()),
    nearCpus: most === undefined ? undefined : textOf(join(folder, `node${most.node}/cpulist`)),
  };
}

/**
 * Reads a list of processors, for example `0-3,8`.
 *
 * @throws ERR_KVMFR_ARGUMENT
 */
export function parseCpuList(text: string): readonly number[] {
  const cpus = new Set<number>();
  for (const part of text.split(',')) {
    const [, first, last = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === undefined || from > to || to > MAX_CPU)
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `a list of processors is like 0-3,8, up to ${MAX_CPU}, not ${text}`,
      );
    for (let cpu = from; cpu <= to; cpu++) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}

/**
 * Lets all threads of this process run on these processors only, and whatever it starts from now on.
 * Memory is taken from the node of the thread that first uses it, so it is near then as well.
 *
 * @throws ERR_KVMFR_ARGUMENT (none of them is there), ERR_KVMFR_SYSCALL, ERR_KVMFR_UNSUPPORTED,
 *   ERR_KVMFR_NATIVE
 */
export function pinProcess(cpus: readonly number[]): void {
  const { pinThread } = linuxAddon();
  // Threads that start meanwhile are children of those that were moved first.
  for (const thread of readdirSync('/proc/self/task')) {
    const errno = errorName(pinThread(Number(thread), cpus));
    if (errno === 'errno 0' || errno === 'ESRCH') continue;
    if (errno === 'EINVAL')
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `none of the processors ${cpus.join(',')} may be used here`,
        { syscall: 'sched_setaffinity', errno },
      );
    throw new KvmfrError(
      'ERR_KVMFR_SYSCALL',
      `the processors of thread ${thread} could not be set: ${errno}`,
      { syscall: 'sched_setaffinity', errno },
    );
  }
}

function nodesIn(folder: string): number {
  try {
    return readdirSync(folder).filter((name) => /^node\d+$/.test(name)).length;
  } catch {
    return 0;
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return undefined;
  }
}
