import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BROWSER_CASES, BROWSER_SIZE_CASES } from './browser/cases.ts';
import { CLIPBOARD_CASES } from './clipboard/cases.ts';
import { DETECTION_CASES } from './detect/cases.ts';
import { ENCODE_CASES } from './encode/cases.ts';
import { TILE_CASES } from './encode/tiles.ts';
import { VIDEO_CASES } from './encode/video.ts';
import { INPUT_CASES, INPUT_GUEST_CASES } from './input/cases.ts';
import { DOORBELL_CASES, LATENCY_CASES, LATENCY_LONG_CASES } from './latency/cases.ts';
import { HDR_CASES } from './micro/hdr.ts';
import { I420_CASES } from './micro/i420.ts';
import { MICRO_CASES } from './micro/kernels.ts';
import { QUEUE_CASES } from './queue/cases.ts';
import { READER_CASES } from './reader/cases.ts';
import { ABUSE_CASES } from './relay/abuse.ts';
import { RELAY_CASES, RELAY_LONG_CASES } from './relay/cases.ts';
import { SCREEN_CASES } from './screen/cases.ts';
import { SOUND_CASES, SOUND_STEADY_CASES } from './sound/cases.ts';
import type { BenchCase } from './support/bench-case.ts';
import { readFlags, refuse } from './support/flags.ts';
import { machineFacts } from './support/machine.ts';
import { promiseText } from './support/promises.ts';
import { type Row, reportText } from './support/report.ts';

/** What the design promises, and what it is made of. */
const SHORT: readonly BenchCase[] = [
  ...QUEUE_CASES,
  ...LATENCY_CASES,
  ...READER_CASES,
  ...RELAY_CASES,
  ...ABUSE_CASES,
  ...BROWSER_CASES,
  ...INPUT_CASES,
  ...CLIPBOARD_CASES,
  ...SOUND_CASES,
  ...DETECTION_CASES,
  ...I420_CASES,
];

/** The rest: every kernel and coding, other sizes, more viewers and guests, for longer. */
const LONG: readonly BenchCase[] = [
  ...LATENCY_LONG_CASES,
  ...DOORBELL_CASES,
  ...ENCODE_CASES,
  ...TILE_CASES,
  ...VIDEO_CASES,
  ...MICRO_CASES,
  ...HDR_CASES,
  ...BROWSER_SIZE_CASES,
  ...RELAY_LONG_CASES,
  ...INPUT_GUEST_CASES,
  ...SCREEN_CASES,
  ...SOUND_STEADY_CASES,
];

const HELP = `npm run bench [-- FLAGS]        what the design promises, in less than 5 minutes
npm run bench:all [-- FLAGS]    everything, with more samples

  --json FILE     write the figures as [{name, unit, value, limit, ok, samples, note}]
  --only PATTERN  run the cases, of all there are, whose name matches this regular expression
  --all           all cases
  --quick         fewer samples (npm run bench has it)
  --list          name the cases and run none

Exit status 0 when everything could be measured, whatever the limits say; 1 when not; 2 for wrong flags.
`;

const { values: flags } = readFlags(() =>
  parseArgs({
    options: {
      json: { type: 'string' },
      only: { type: 'string' },
      all: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }),
);

if (flags.help) process.stdout.write(HELP);
else if (flags.list) for (const { name } of [...SHORT, ...LONG]) process.stdout.write(`${name}\n`);
else await main();

async function main(): Promise<void> {
  const pattern = readFlags(() => new RegExp(flags.only ?? ''));
  const cases = flags.all || flags.only !== undefined ? [...SHORT, ...LONG] : SHORT;
  const chosen = cases.filter(({ name }) => pattern.test(name));
  if (chosen.length === 0) refuse(`no case matches ${flags.only}; see --list`);
  const facts = machineFacts();
  const rows: Row[] = [];
  for (const each of chosen) {
    process.stderr.write(`${each.name} ...\n`);
    try {
      rows.push(...(await each.run({ quick: flags.quick })));
    } catch (error) {
      process.exitCode = 1;
      process.stderr.write(`${each.name} could not be measured: ${String(error)}\n`);
    }
  }
  process.stdout.write(reportText(rows, facts));
  process.stdout.write(`\n${promiseText(rows)}\n`);
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(rows, null, 2)}\n`);
}
