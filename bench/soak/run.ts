import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readFlags, refuse } from '../support/flags.ts';
import { accountText, promises } from './account.ts';
import { Soak } from './soak.ts';

const HELP = `npm run soak [-- FLAGS]    a guest at 60 Hz, a relay, viewers that come and go, and one fault after the other

  --minutes N     how long (default 2)
  --seed S        which faults, in which order (default: another one each time, printed)
  --browser       one Chromium among the viewers
  --only FAULT    this fault and no other, one soon after the other; may be given several times
  --json FILE     write what was found

Ctrl+C ends it early and tells what was found. Exit status 0 when every promise was kept; 1 when not; 2 for wrong flags.
`;

const { values: flags } = readFlags(() =>
  parseArgs({
    options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string' },
      browser: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }),
);

if (flags.help) process.stdout.write(HELP);
else process.exitCode = await main();

async function main(): Promise<number> {
  const minutes = Number(flags.minutes);
  const seed = Number(flags.seed ?? Math.floor(Math.random() * 2 ** 31));
  if (!(minutes > 0) || !Number.isInteger(seed))
    refuse('--minutes takes a number above 0, and --seed a whole number');
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say(`soak of ${minutes} minutes, seed ${seed}`);
  try {
    const account = await Soak.run({
      minutes,
      seed,
      browser: flags.browser,
      only: flags.only,
      signal: stop.signal,
      say,
    });
    say(`\n${accountText(account)}`);
    const kept = promises(account);
    if (flags.json !== undefined)
      writeFileSync(flags.json, `${JSON.stringify({ ...account, promises: kept }, null, 2)}\n`);
    return kept.every((each) => each.kept) ? 0 : 1;
  } catch (error) {
    say(`\nBROKEN  ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}
