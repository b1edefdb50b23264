import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PARSERS } from '../parsers/all.ts';
import { type Campaign, type CampaignBudget, type CampaignRow, HANG_MS } from './campaign.ts';
import type { ParserNews } from './parser-child.ts';

const CHILD = fileURLToPath(new URL('./parser-child.js', import.meta.url));
/** No parser of small inputs needs as much. */
const HEAP_MIB = 512;

function runInChild(name: string, { seconds, seed }: CampaignBudget): Promise<CampaignRow> {
  return new Promise((resolve) => {
    const execArgv = [`--max-old-space-size=${HEAP_MIB}`];
    const child = fork(CHILD, [name, `${seed}`, `${seconds}`], { execArgv });
    let newest: ParserNews = { executions: 0, seconds: 0 };
    let hang = false;
    const watch = (): NodeJS.Timeout =>
      setTimeout(() => {
        hang = true;
        child.kill('SIGKILL');
      }, HANG_MS);
    let watched = watch();
    child.on('message', (news: ParserNews) => {
      newest = news;
      clearTimeout(watched);
      watched = watch();
    });
    child.once('exit', (status, signal) => {
      clearTimeout(watched);
      const { done, executions } = newest;
      const last = `after input ${executions}, seed ${seed}`;
      const findings = [
        ...(done?.findings ?? []),
        ...(hang ? [`${name} hangs ${last}`] : []),
        ...(done === undefined && !hang ? [`${name} crashed (${status ?? signal}) ${last}`] : []),
      ];
      resolve({
        target: name,
        unit: 'inputs',
        executions,
        seconds: newest.seconds,
        variety: `${done?.distinct ?? 0} distinct, ${done?.answers ?? 0} kinds of answer`,
        seed,
        findings,
      });
    });
  });
}

/** Every parser, each in a process of its own. */
export const PARSER_CAMPAIGNS: readonly Campaign[] = PARSERS.map(({ name }) => ({
  name,
  share: 1,
  run: (budget) => runInChild(name, budget),
}));
