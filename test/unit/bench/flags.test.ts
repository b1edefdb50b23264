import { parseArgs } from 'node:util';
import { afterEach, expect, it, vi } from 'vitest';
import { readFlags } from '../../../bench/support/flags.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('a wrong flag of a program of npm run is refused in one line, with status 2', () => {
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const exit = vi.spyOn(process, 'exit').mockImplementation(() => {
    throw new Error('ended');
  });
  const read = () => parseArgs({ args: ['--minuts', '3'], options: {} });
  expect(() => readFlags(read)).toThrow('ended');
  expect(said.mock.calls).toEqual([["Unknown option '--minuts'; see --help\n"]]);
  expect(exit).toHaveBeenCalledWith(2);
});

it('flags that can be read are given', () => {
  expect(readFlags(() => 3)).toBe(3);
});
