import type { Measurement } from './measurement.ts';
import { ROW_NAMES, ROW_TEXTS, type RowName } from './rows.ts';
import type { Interval } from './timeline.ts';

const COLUMNS = ['p50', 'p90', 'p99', 'p99.9', 'max'] as const;
const NAME_WIDTH = Math.max(...Object.values(ROW_TEXTS).map(({ title }) => title.length));
const TIME_WIDTH = 9;

/** A time as people read it: `58 us`, `1.24 ms`, `2.05 s`. */
export function timeText(us: number): string {
  if (us < 1000) return `${Math.round(us)} us`;
  if (us < 999_500) return `${threeFigures(us / 1000)} ms`;
  return `${threeFigures(us / 1e6)} s`;
}

function threeFigures(value: number): string {
  if (value < 9.995) return value.toFixed(2);
  return value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

/** The table of a measurement: stages as rows, percentiles as columns. */
export function tableText(measurement: Measurement): string {
  const head = COLUMNS.map((name) => name.padStart(TIME_WIDTH)).join('');
  const lines = [`${'stage'.padEnd(NAME_WIDTH)}${head}${'count'.padStart(TIME_WIDTH)}`];
  for (const name of ROW_NAMES) if (measurement.shows(name)) lines.push(rowText(measurement, name));
  return lines.join('\n');
}

function rowText(measurement: Measurement, name: RowName): string {
  const title = ROW_TEXTS[name].title.padEnd(NAME_WIDTH);
  const found = measurement.of(name)?.summary();
  // Where the first time would be, so that the eye finds it in the column.
  if (found === undefined) return `${title}    ${measurement.missing(name)}`;
  const { p50Us, p90Us, p99Us, p999Us, maxUs, count } = found;
  const times = [p50Us, p90Us, p99Us, p999Us, maxUs].map((us) => timeText(us).padStart(TIME_WIDTH));
  return `${title}${times.join('')}${String(count).padStart(TIME_WIDTH)}`;
}

/** Frames in a second of an interval. */
export function framesPerSecond({ fromMs, toMs, frames }: Interval): number {
  return toMs > fromMs ? (frames * 1000) / (toMs - fromMs) : 0;
}

/** An interval in one line: what its frames took in the mean. */
export function lineText(measurement: Measurement, interval: Interval): string {
  const seconds = `${Math.round(interval.toMs / 1000)} s`;
  const parts = ROW_NAMES.flatMap((name) => {
    const stage = measurement.shows(name) ? interval.stages[name] : undefined;
    return stage === undefined
      ? []
      : [`${ROW_TEXTS[name].title} ${timeText(stage.sumUs / stage.count)}`];
  });
  const mean = parts.length === 0 ? '' : `  mean: ${parts.join(', ')}`;
  return `${seconds.padStart(5)}  ${framesPerSecond(interval).toFixed(1)} fps${mean}`;
}
