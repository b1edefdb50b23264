import { describe, expect, it } from 'vitest';
import { runParser } from './loop/parser-target.ts';
import { PARSERS } from './parsers/all.ts';
import { fuzzTimeoutMs } from './runs.ts';

/** More of them by `npm run fuzz`. */
const EXECUTIONS = 20_000;

describe('what reads the bytes of others', () => {
  it.each(PARSERS.map((target) => [target.name, target] as const))(
    '%s: takes or refuses by an error of ours, and what it gives is in its bounds',
    async (_, target) => {
      const most = EXECUTIONS / (target.runsFor ?? 1);
      const run = await runParser(target, 1, (done) => done < most);
      expect(run.findings).toEqual([]);
      expect(run.distinct).toBeGreaterThan(run.executions / 4);
      expect(run.answers).toBeGreaterThan(1);
    },
    fuzzTimeoutMs(),
  );
});
