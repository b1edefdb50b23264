import type { LatencyReport } from './report.ts';
import { ROW_TEXTS, type RowName, STACKED } from './rows.ts';
import { escaped, niceTicks, px } from './svg.ts';
import { timeText } from './table.ts';

const WIDTH = 1000;
const HEIGHT = 300;
const LEFT = 58;
const RIGHT = 8;
const TOP = 10;
const BOTTOM = 34;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const PLOT_HEIGHT = HEIGHT - TOP - BOTTOM;
const TIME_TICKS = 8;
const VALUE_TICKS = 5;

type Interval = LatencyReport['timeline'][number];

/** What a stage took in the mean in an interval. Means add up to the mean of the whole way. */
function meanUs({ stages }: Interval, name: RowName): number {
  return stages[name]?.meanUs ?? 0;
}

function sumUs(interval: Interval): number {
  return STACKED.reduce((sum, name) => sum + meanUs(interval, name), 0);
}

/** The stages over time, one on top of the other, as SVG; empty when nothing was measured. */
export function timelineChart(report: LatencyReport): string {
  // The rest of a second at the end is as good as nothing.
  const intervals = report.timeline.filter(({ fromMs, toMs }) => toMs - fromMs >= 100);
  const most = Math.max(0, ...intervals.map(sumUs));
  if (most === 0) return '';
  const used = STACKED.filter((name) => intervals.some((one) => meanUs(one, name) > 0));
  const ticks = niceTicks(most / 1000, VALUE_TICKS);
  const topUs = (ticks.at(-1) ?? 1) * 1000;
  const endMs = Math.max(...intervals.map(({ toMs }) => toMs));
  const xOf = (ms: number): number => LEFT + (ms / endMs) * PLOT_WIDTH;
  const yOf = (us: number): number => TOP + PLOT_HEIGHT - (us / topUs) * PLOT_HEIGHT;
  const parts: string[] = [];
  for (const tick of ticks) {
    const y = px(yOf(tick * 1000));
    parts.push(
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>`,
      `<text class="tick" x="${LEFT - 8}" y="${y}" dy=".32em" text-anchor="end">${tick} ms</text>`,
    );
  }
  for (const tick of niceTicks(endMs / 1000, TIME_TICKS)) {
    if (tick * 1000 > endMs) break;
    const x = px(xOf(tick * 1000));
    parts.push(
      `<text class="tick" x="${x}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${tick} s</text>`,
    );
  }
  for (const [index, name] of used.entries())
    parts.push(areaOf(intervals, used.slice(0, index), name, { xOf, yOf }));
  for (const interval of intervals) parts.push(hoverOf(interval, used, xOf));
  return (
    `<svg class="timeline" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" ` +
    `aria-label="Mean time of each stage over time, stacked">${parts.join('')}</svg>` +
    legendOf(used)
  );
}

/** The outline of a stage between those below it and itself. */
function areaOf(
  intervals: readonly Interval[],
  below: readonly RowName[],
  name: RowName,
  scale: { readonly xOf: (ms: number) => number; readonly yOf: (us: number) => number },
): string {
  const there: string[] = [];
  const back: string[] = [];
  for (const interval of intervals) {
    const base = below.reduce((sum, other) => sum + meanUs(interval, other), 0);
    const [from, to] = [px(scale.xOf(interval.fromMs)), px(scale.xOf(interval.toMs))];
    const top = px(scale.yOf(base + meanUs(interval, name)));
    const bottom = px(scale.yOf(base));
    there.push(`${from} ${top}L${to} ${top}`);
    back.unshift(`${to} ${bottom}L${from} ${bottom}`);
  }
  return `<path class="area c-${name}" d="M${there.join('L')}L${back.join('L')}Z"/>`;
}

/** What is told where the mouse rests. */
function hoverOf(
  interval: Interval,
  used: readonly RowName[],
  xOf: (ms: number) => number,
): string {
  const { fromMs, toMs } = interval;
  const lines = used.map((name) => `${ROW_TEXTS[name].title}: ${timeText(meanUs(interval, name))}`);
  const seconds = `${(fromMs / 1000).toFixed(0)} to ${(toMs / 1000).toFixed(0)} s`;
  const title = [`${seconds}: ${timeText(sumUs(interval))} in the mean`, ...lines.reverse()];
  const width = Math.max(0.5, xOf(toMs) - xOf(fromMs));
  return (
    `<rect class="hover" x="${px(xOf(fromMs))}" y="${TOP}" width="${px(width)}" ` +
    `height="${PLOT_HEIGHT}"><title>${escaped(title.join('\n'))}</title></rect>`
  );
}

function legendOf(used: readonly RowName[]): string {
  const items = used.map(
    (name) =>
      `<li><i class="c-${name}"></i><b>${ROW_TEXTS[name].title}</b> ${escaped(ROW_TEXTS[name].meaning)}</li>`,
  );
  return `<ul class="legend">${items.join('')}</ul>`;
}
