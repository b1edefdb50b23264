import type { CampaignRow } from './campaign.ts';

/** What was tried, as a table that can be put into a document. */
export function fuzzTable(rows: readonly CampaignRow[]): string {
  const cells = rows.map((row) => [
    row.target,
    `${row.executions.toLocaleString('en')} ${row.unit}`,
    row.seconds.toFixed(0),
    row.variety,
    `${row.seed}`,
    `${row.findings.length}`,
  ]);
  const sum = (unit: CampaignRow['unit'], of: (row: CampaignRow) => number): number =>
    rows.filter((row) => row.unit === unit).reduce((total, row) => total + of(row), 0);
  const units = [...new Set(rows.map(({ unit }) => unit))];
  const totals = units.map((unit) => [
    'all',
    `${sum(unit, (row) => row.executions).toLocaleString('en')} ${unit}`,
    sum(unit, (row) => row.seconds).toFixed(0),
    '',
    '',
    `${sum(unit, (row) => row.findings.length)}`,
  ]);
  const head = ['target', 'how often', 'seconds', 'variety', 'seed', 'findings'];
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |\n`;
  return [head, head.map(() => '---'), ...cells, ...totals].map(line).join('');
}
