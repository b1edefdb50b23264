import type { StageHistogram } from '../../client/index.ts';
import { ROW_NAMES, type RowName } from './rows.ts';

/** What a stage took in one interval. */
export interface IntervalStage {
  readonly count: number;
  /** All of it added up. Units: microseconds. */
  readonly sumUs: number;
}

/** An interval of the measurement. */
export interface Interval {
  /** Units: milliseconds since the measurement began. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly frames: number;
  /** Those that were measured in it. */
  readonly stages: { readonly [name in RowName]?: IntervalStage };
}

/** Intervals that are kept: when there are more, each two become one. */
const MAX_INTERVALS = 600;

/** How stages went over time, at a size that does not grow with it. */
export class IntervalLine {
  readonly #of: (name: RowName) => StageHistogram | undefined;
  readonly #before = new Map<RowName, IntervalStage>();
  #intervals: Interval[] = [];
  /** Samples that make an interval. */
  #span = 1;
  #open: { samples: number; interval: Interval } | undefined;
  #frames = 0;
  #atMs = 0;

  /** `of` gives the histogram of a row. */
  constructor(of: (name: RowName) => StageHistogram | undefined) {
    this.#of = of;
  }

  /** The intervals until now, oldest first. */
  get intervals(): readonly Interval[] {
    return this.#open === undefined ? this.#intervals : [...this.#intervals, this.#open.interval];
  }

  /** Ends a sample. Gives what was measured in it. */
  sample(atMs: number, frames: number): Interval {
    const stages: { [name in RowName]?: IntervalStage } = {};
    for (const name of ROW_NAMES) {
      const histogram = this.#of(name);
      if (histogram === undefined) continue;
      const { count, sumUs } = histogram;
      const before = this.#before.get(name) ?? { count: 0, sumUs: 0 };
      if (count > before.count)
        stages[name] = { count: count - before.count, sumUs: sumUs - before.sumUs };
      this.#before.set(name, { count, sumUs });
    }
    const sample = { fromMs: this.#atMs, toMs: atMs, frames: frames - this.#frames, stages };
    this.#atMs = atMs;
    this.#frames = frames;
    this.#add(sample);
    return sample;
  }

  #add(sample: Interval): void {
    const open = this.#open;
    this.#open =
      open === undefined
        ? { samples: 1, interval: sample }
        : { samples: open.samples + 1, interval: joined(open.interval, sample) };
    if (this.#open.samples < this.#span) return;
    this.#intervals.push(this.#open.interval);
    this.#open = undefined;
    if (this.#intervals.length < MAX_INTERVALS) return;
    const halves: Interval[] = [];
    for (let i = 0; i + 1 < this.#intervals.length; i += 2) {
      const [first, second] = [this.#intervals[i], this.#intervals[i + 1]];
      if (first !== undefined && second !== undefined) halves.push(joined(first, second));
    }
    this.#intervals = halves;
    this.#span *= 2;
  }
}

function joined(a: Interval, b: Interval): Interval {
  const stages: { [name in RowName]?: IntervalStage } = { ...a.stages };
  for (const name of ROW_NAMES) {
    const more = b.stages[name];
    if (more === undefined) continue;
    const had = stages[name] ?? { count: 0, sumUs: 0 };
    stages[name] = { count: had.count + more.count, sumUs: had.sumUs + more.sumUs };
  }
  return { fromMs: a.fromMs, toMs: b.toMs, frames: a.frames + b.frames, stages };
}
