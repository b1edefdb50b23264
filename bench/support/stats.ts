import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** A histogram of nanoseconds with three significant digits, up to ten seconds. */
export function latencyHistogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: 10_000_000_000, figures: 3 });
}

/** The value below which this share of the sorted samples lies. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1);
  return sorted[Math.max(0, at)] ?? Number.NaN;
}

/** The middle one of the samples. */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** Lowest and highest sample as text. */
export function spreadText(samples: readonly number[], digits: number): string {
  return `${Math.min(...samples).toFixed(digits)}-${Math.max(...samples).toFixed(digits)}`;
}

/** Nanoseconds of a clock that all processes of the machine share. */
export function nowNs(): bigint {
  return process.hrtime.bigint();
}
