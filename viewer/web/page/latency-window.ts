import { type LatencySample, STAGES, type Stage } from '../index.ts';

/** A stage, or all of them, over some time. Units: milliseconds; undefined when nothing is known. */
export interface Spread {
  readonly p50Ms: number | undefined;
  readonly p95Ms: number | undefined;
}

/** What a window of samples says. */
export interface LatencySummary {
  readonly stages: readonly (Spread & { readonly stage: Stage })[];
  /** The sum of what is known of each update. */
  readonly total: Spread;
  /** How far the network's time may be off; the median. Units: milliseconds. */
  readonly boundMs: number | undefined;
  /** What the sum begins with: the guest's capturing, its publishing, or what this side measures. */
  readonly from: 'captured' | 'published' | 'received';
}

/** Samples that are kept at most: ten seconds of the fastest displays. */
const MOST_SAMPLES = 4096;

/** The latency of the last seconds. */
export class LatencyWindow {
  readonly spanMs: number;
  #samples: LatencySample[] = [];

  constructor(spanMs: number) {
    this.spanMs = spanMs;
  }

  /** Oldest first. */
  get samples(): readonly LatencySample[] {
    return this.#samples;
  }

  /** Takes a sample, and forgets those that are older than the window is long. */
  add(sample: LatencySample): void {
    this.#samples.push(sample);
    this.forget(sample.atMs);
  }

  /** Forgets what is too old at a time. */
  forget(nowMs: number): void {
    const since = nowMs - this.spanMs;
    let gone = Math.max(0, this.#samples.length - MOST_SAMPLES);
    while ((this.#samples[gone]?.atMs ?? since) < since) gone += 1;
    if (gone > 0) this.#samples.splice(0, gone);
  }

  /** Forgets everything. */
  clear(): void {
    this.#samples = [];
  }

  /** What the samples say. */
  summary(): LatencySummary {
    const of = (index: number) => spread(this.#samples.map(({ stagesMs }) => stagesMs[index]));
    const stages = STAGES.map((stage, index) => ({ stage, ...of(index) }));
    const isKnown = (stage: Stage) => stages[STAGES.indexOf(stage)]?.p50Ms !== undefined;
    return {
      stages,
      total: spread(this.#samples.map(totalMs)),
      boundMs: spread(this.#samples.map(({ boundMs }) => boundMs)).p50Ms,
      from: isKnown('producer') ? 'captured' : isKnown('apply') ? 'published' : 'received',
    };
  }

  /**
   * The slowest sample of each slice of time, for a graph of so many columns that ends now. Slices
   * stay where they are in time, so that a graph moves by whole columns.
   */
  columns(count: number, nowMs: number): (LatencySample | undefined)[] {
    const sliceMs = this.spanMs / count;
    const last = Math.floor(nowMs / sliceMs);
    const columns = new Array<LatencySample | undefined>(count).fill(undefined);
    for (const sample of this.#samples) {
      const at = count - 1 - (last - Math.floor(sample.atMs / sliceMs));
      if (at < 0 || at >= count) continue;
      const before = columns[at];
      if (before === undefined || totalMs(before) < totalMs(sample)) columns[at] = sample;
    }
    return columns;
  }
}

/** All that is known of a sample, added up. Units: milliseconds. */
export function totalMs({ stagesMs }: LatencySample): number {
  let total = 0;
  for (const ms of stagesMs) total += ms ?? 0;
  return total;
}

function spread(values: readonly (number | undefined)[]): Spread {
  const known = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  // The smallest value that so many are not above.
  const rank = (share: number) => known[Math.max(0, Math.ceil(known.length * share) - 1)];
  return { p50Ms: rank(0.5), p95Ms: rank(0.95) };
}

/** The top of a scale for values of this size: a number that people read at a glance. */
export function scaleTopMs(ms: number): number {
  const decade = 10 ** Math.floor(Math.log10(Math.max(1, ms)));
  for (const step of [1, 2, 4, 6, 10]) if (step * decade >= ms) return Math.max(4, step * decade);
  return 10 * decade;
}
