import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readFlags, refuse } from '../../bench/support/flags.ts';
import type { Campaign, CampaignRow } from './campaigns/campaign.ts';
import { NATIVE_CAMPAIGNS } from './campaigns/natives.ts';
import { PARSER_CAMPAIGNS } from './campaigns/parsers.ts';
import { RACE_CAMPAIGNS } from './campaigns/races.ts';
import { SIEGE_CAMPAIGNS } from './campaigns/sieges.ts';
import { fuzzTable } from './campaigns/table.ts';

const CAMPAIGNS: readonly Campaign[] = [
  ...PARSER_CAMPAIGNS,
  ...NATIVE_CAMPAIGNS,
  ...RACE_CAMPAIGNS,
  ...SIEGE_CAMPAIGNS,
];

const HELP = `npm run fuzz [-- FLAGS]         everything that reads what others write, fed with nonsense

  --minutes N     how long, all in all (10)
  --only PATTERN  only targets whose name matches this regular expression
  --seed S        repeats what a finding names; another one each time when left out
  --json FILE     write the rows as [{target, unit, executions, seconds, variety, seed, findings}]
  --list          name the targets and run none

Exit status 0 when nothing was found, 1 when something was; 2 for wrong flags.
`;

const { values: flags } = readFlags(() =>
  parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      only: { type: 'string', default: '' },
      seed: { type: 'string' },
      json: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }),
);

if (flags.help) process.stdout.write(HELP);
else if (flags.list) for (const { name } of CAMPAIGNS) process.stdout.write(`${name}\n`);
else await main();

async function main(): Promise<void> {
  const pattern = readFlags(() => new RegExp(flags.only));
  const chosen = CAMPAIGNS.filter(({ name }) => pattern.test(name));
  if (chosen.length === 0) refuse(`no target matches ${flags.only}; see --list`);
  const seconds = numberOf('minutes', flags.minutes) * 60;
  const seed = flags.seed === undefined ? randomInt(2 ** 31) : numberOf('seed', flags.seed);
  const shares = chosen.reduce((sum, { share }) => sum + share, 0);
  const rows: CampaignRow[] = [];
  for (const { name, share, run } of chosen) {
    process.stderr.write(`${name} ...\n`);
    const row = await run({ seconds: (seconds * share) / shares, seed });
    for (const finding of row.findings) process.stderr.write(`FOUND ${finding}\n`);
    rows.push(row);
  }
  process.stdout.write(fuzzTable(rows));
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(rows, null, 2)}\n`);
  if (rows.some(({ findings }) => findings.length > 0)) process.exitCode = 1;
}

function numberOf(flag: string, text: string): number {
  const value = Number(text);
  if (!(value >= 0)) refuse(`--${flag} takes a number, not ${text}`);
  return value;
}
