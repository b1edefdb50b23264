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
  const table = [head, ...cells];
  const widths = head.map((_, column) =>
    Math.max(...table.map((line) => line[column]?.length ?? 0)),
  );
  const toTheRight = new Set([1, 2, 4]);
  return table
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

/** The figures that have a limit, and how many of them keep it. */
export function promiseText(rows: readonly Row[]): string {
  const limited = rows.filter(({ limit }) => limit !== null);
  if (limited.length === 0) return 'No figure of these has a limit.';
  const kept = limited.filter(({ ok }) => ok === true).length;
  const lines = limited.map(
    ({ name, value, unit, limit, ok }) =>
      `${ok ? 'ok    ' : 'MISSED'}  ${name}: ${number(value)} ${unit}, limit ${number(limit ?? 0)}`,
  );
  return `${kept} of ${limited.length} limits are kept\n${lines.join('\n')}`;
}

function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 4 });
}

/** Machine, date and table as one text. */
export function reportText(rows: readonly Row[], facts: MachineFacts): string {
  return `${machineText(facts)}\n\n${tableText(rows)}\n`;
}
