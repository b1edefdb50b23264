import { type MachineFacts, machineText } from './machine.ts';

/** One figure. `limit` is what it is meant to reach, and null where there is none. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly limit: number | null;
  /** Whether the limit is kept; null without a limit. */
  readonly ok: boolean | null;
  /** How many single measurements the value was made from. */
  readonly samples: number;
  readonly note: string;
}

/** What a figure is made from. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly samples: number;
  readonly note?: string;
  /** The value must not be above this. */
  readonly atMost?: number;
  /** The value must not be below this. */
  readonly atLeast?: number;
}

/** Judges a figure by its limit. A value that is not a number keeps no limit. */
export function row(figure: Figure): Row {
  const { name, unit, samples, atMost, atLeast } = figure;
  const value = rounded(figure.value);
  const limit = atMost ?? atLeast ?? null;
  const kept =
    (atMost === undefined || value <= atMost) && (atLeast === undefined || value >= atLeast);
  return {
    name,
    unit,
    value,
    limit,
    ok: limit === null ? null : Number.isFinite(value) && kept,
    samples,
    note: figure.note ?? '',
  };
}

/** Four significant digits: what is measured here is not known more exactly. */
function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4));
}

/** The rows as a table for a terminal. */
export function tableText(rows: readonly Row[]): string {
  const head = ['name', 'value', 'limit', 'ok', 'samples', 'note'];
  const cells = rows.map((each) => [
    each.name,
    `${number(each.value)} ${each.unit}`.trim(),
    each.limit === null ? '' : number(each.limit),
    each.ok === null ? '' : each.ok ? 'yes' : 'NO',
    number(each.samples),
    each.note,
  ]);
  return columnsText([head, ...cells], new Set([1, 2, 4]));
}

/** Lines of cells, each column as wide as its widest cell. */
export function columnsText(
  lines: readonly (readonly string[])[],
  toTheRight: ReadonlySet<number> = new Set(),
): string {
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return toTheRight.has(column) ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A figure for people. */
export function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 4 });
}

/** Machine, date and table as one text. */
export function reportText(rows: readonly Row[], facts: MachineFacts): string {
  return `${machineText(facts)}\n\n${tableText(rows)}\n`;
}
