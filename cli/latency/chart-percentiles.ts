import type { PercentilePoint } from '../../client/index.ts';
import type { LatencyReport, ReportRow } from './report.ts';
import { ROW_NAMES, ROW_TEXTS, type RowName } from './rows.ts';
import { escaped, linePath, px } from './svg.ts';
import { timeText } from './table.ts';

const WIDTH = 280;
const HEIGHT = 165;
const LEFT = 48;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 24;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const PLOT_HEIGHT = HEIGHT - TOP - BOTTOM;
/** The axis is one of nines: each is as wide as the one before, and stands for a tenth of it. */
const PERCENTS = [50, 90, 99, 99.9, 99.99, 99.999] as const;
const LEAST_US = 10;

type Measured = Extract<ReportRow, { readonly curve: unknown }>;

interface Scale {
  readonly nines: number;
  readonly decades: number;
}

/** Each stage's distribution, all on the same axes, as SVG. */
export function percentileCharts(report: LatencyReport): string {
  const rows = ROW_NAMES.flatMap((name): readonly (readonly [RowName, Measured])[] => {
    const row = report.stages[name];
    return 'curve' in row ? [[name, row]] : [];
  });
  const mostUs = Math.max(LEAST_US * 10, ...rows.map(([, { maxUs }]) => maxUs));
  const scale: Scale = {
    nines: Math.max(2, ...rows.map(([, { count }]) => Math.log10(count))),
    decades: Math.ceil(Math.log10(mostUs / LEAST_US)),
  };
  const lines = rows.map(([name, row]) => [name, linePath(pointsOf(row, scale))] as const);
  const panels = rows.map(([name, row]) => {
    const others = lines
      .filter(([other]) => other !== name)
      .map(([, path]) => `<path class="other" d="${path}"/>`);
    return panelOf(name, row, { scale, others: others.join('') });
  });
  return `<div class="panels">${panels.join('')}</div>`;
}

function panelOf(
  name: RowName,
  row: Measured,
  frame: { readonly scale: Scale; readonly others: string },
): string {
  const { scale, others } = frame;
  const points = pointsOf(row, scale);
  const floor = TOP + PLOT_HEIGHT;
  const last = points.at(-1);
  const area = `${linePath(points)}L${px(last?.[0] ?? LEFT)} ${floor}L${LEFT} ${floor}Z`;
  const { title, meaning } = ROW_TEXTS[name];
  const told = `${timeText(row.p50Us)} at 50 %, ${timeText(row.p99Us)} at 99 %, ${timeText(row.maxUs)} at most`;
  return (
    `<figure><figcaption><b>${title}</b> ${escaped(meaning)}</figcaption>` +
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(`${title}: ${told}`)}">` +
    `<title>${escaped(`${title}: ${told}`)}</title>${axesOf(scale)}${others}` +
    `<path class="under c-${name}" d="${area}"/><path class="curve c-${name}" d="${linePath(points)}"/>` +
    `${dotOf(name, row.p50Us, 50, scale)}${row.count >= 100 ? dotOf(name, row.p99Us, 99, scale) : ''}</svg></figure>`
  );
}

/** The curve as far as there are times to draw it from. */
function pointsOf(row: Measured, scale: Scale): readonly (readonly [number, number])[] {
  const end = Math.log10(row.count);
  const points: PercentilePoint[] = [
    ...row.curve,
    // Those of the figures too, so that the line goes through its dots.
    { percentile: 90, us: row.p90Us },
    { percentile: 99, us: row.p99Us },
    { percentile: 99.9, us: row.p999Us },
  ];
  points.sort((a, b) => a.percentile - b.percentile || a.us - b.us);
  return points.map(({ percentile, us }) => [
    xOf(Math.min(ninesOf(percentile), end), scale),
    yOf(us, scale),
  ]);
}

function ninesOf(percentile: number): number {
  return percentile >= 100 ? Number.POSITIVE_INFINITY : -Math.log10(1 - percentile / 100);
}

function xOf(nines: number, scale: Scale): number {
  return LEFT + (nines / scale.nines) * PLOT_WIDTH;
}

function yOf(us: number, { decades }: Scale): number {
  const part = Math.log10(Math.max(LEAST_US, us) / LEAST_US) / decades;
  return TOP + PLOT_HEIGHT * (1 - part);
}

function axesOf(scale: Scale): string {
  const parts: string[] = [];
  for (let decade = 0; decade <= scale.decades; decade++) {
    const us = LEAST_US * 10 ** decade;
    const y = px(yOf(us, scale));
    parts.push(
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>`,
      `<text class="tick" x="${LEFT - 6}" y="${y}" dy=".32em" text-anchor="end">${shortTime(us)}</text>`,
    );
  }
  for (const percent of PERCENTS) {
    const nines = ninesOf(percent);
    if (nines > scale.nines * 1.001) break;
    const x = px(xOf(nines, scale));
    parts.push(
      `<line class="grid" x1="${x}" x2="${x}" y1="${TOP}" y2="${TOP + PLOT_HEIGHT}"/>`,
      `<text class="tick" x="${x}" y="${HEIGHT - 8}" text-anchor="middle">${percent} %</text>`,
    );
  }
  return parts.join('');
}

function dotOf(name: RowName, us: number, percent: number, scale: Scale): string {
  const x = xOf(ninesOf(percent), scale);
  return `<circle class="dot c-${name}" cx="${px(x)}" cy="${px(yOf(us, scale))}" r="3.5"/>`;
}

/** A power of ten: `10 us`, `1 ms`. */
function shortTime(us: number): string {
  if (us < 1000) return `${us} us`;
  return us < 1e6 ? `${us / 1000} ms` : `${us / 1e6} s`;
}
