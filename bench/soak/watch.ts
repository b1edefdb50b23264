import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { processCounts, processMemory } from '../support/process.ts';

const MIB = 2 ** 20;
const LOOKS = 15;
const LOOK_MS = 200;

/** What a process holds at a moment. */
export interface Belongings {
  /** Resident memory without what is shared. */
  readonly ownMib: number;
  readonly descriptors: number;
  readonly threads: number;
  /** Of files, regions and shared memory; those of the heap come and go. */
  readonly maps: number;
  readonly children: number;
}

/** What a process holds now; undefined when it is gone. */
export function belongingsOf(pid: number): Belongings | undefined {
  try {
    return {
      ownMib: processMemory(pid).ownBytes / MIB,
      ...processCounts(pid),
      maps: mapsOfFiles(pid),
      children: childrenOf(pid).length,
    };
  } catch {
    return undefined;
  }
}

/**
 * What a process that has nothing to do keeps: the least of several looks, because pools and
 * timers of its libraries come and go.
 */
export async function kept(pid: number): Promise<Belongings> {
  const looks: Belongings[] = [];
  for (let look = 0; look < LOOKS; look++) {
    await sleep(LOOK_MS);
    const found = belongingsOf(pid);
    if (found === undefined) throw new Error(`process ${pid} is gone`);
    looks.push(found);
  }
  const least = (name: keyof Belongings): number => Math.min(...looks.map((each) => each[name]));
  return {
    ownMib: least('ownMib'),
    descriptors: least('descriptors'),
    threads: least('threads'),
    maps: least('maps'),
    children: least('children'),
  };
}

function mapsOfFiles(pid: number): number {
  const lines = readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n');
  // Address, permissions, offset, device, inode: 0 is memory without a file.
  return lines.filter((line) => Number(line.split(/ +/)[4] ?? 0) > 0).length;
}

/** Processes that a process has started and that run. */
export function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').split(' '))
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
}

/** Values over time, and the straight line that lies nearest to them. */
export class Trend {
  readonly #points: { readonly atMs: number; readonly value: number }[] = [];

  /** Adds a value. */
  add(atMs: number, value: number): void {
    this.#points.push({ atMs, value });
  }

  /** From the first value to the last. Units: hours. */
  get hours(): number {
    const first = this.#points[0]?.atMs ?? 0;
    return ((this.#points.at(-1)?.atMs ?? first) - first) / 3_600_000;
  }

  get max(): number {
    return Math.max(...this.#points.map(({ value }) => value));
  }

  get last(): number {
    return this.#points.at(-1)?.value ?? Number.NaN;
  }

  /** What is kept of it. */
  toJSON(): { readonly [name: string]: number } {
    const { hours, max, last, perHour } = this;
    return { samples: this.#points.length, hours, maxMib: max, lastMib: last, mibPerHour: perHour };
  }

  /** Slope of the line by least squares. Units: of the values, for each hour. */
  get perHour(): number {
    const count = this.#points.length;
    if (count < 2) return 0;
    const meanMs = this.#points.reduce((sum, { atMs }) => sum + atMs, 0) / count;
    const mean = this.#points.reduce((sum, { value }) => sum + value, 0) / count;
    let above = 0;
    let below = 0;
    for (const { atMs, value } of this.#points) {
      above += (atMs - meanMs) * (value - mean);
      below += (atMs - meanMs) ** 2;
    }
    return below === 0 ? 0 : (above / below) * 3_600_000;
  }
}
