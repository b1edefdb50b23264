import { describe, expect, it } from 'vitest';
import * as demo from '../../../cli/commands/demo.ts';
import * as doorbell from '../../../cli/commands/doorbell.ts';
import * as host from '../../../cli/commands/host.ts';
import * as info from '../../../cli/commands/info.ts';
import * as latency from '../../../cli/commands/latency.ts';
import * as password from '../../../cli/commands/password.ts';
import * as snapshot from '../../../cli/commands/snapshot.ts';
import * as view from '../../../cli/commands/view.ts';
import { commandHelp } from '../../../cli/help.ts';
import type { CommandSpec } from '../../../cli/spec.ts';

const SPECS = [demo, doorbell, host, info, latency, password, snapshot, view].map(
  ({ spec }): [string, CommandSpec] => [spec.name, spec],
);

/** Names of the flags that have a line, in order. */
function toldFlags(help: string): readonly string[] {
  return [...help.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)].map((match) => match[1] ?? '');
}

describe.each(SPECS)('the help of kvmfr %s', (name, spec) => {
  const help = commandHelp(spec);

  it('tells of each flag once, on a line of its own', () => {
    expect(toldFlags(help).toSorted()).toEqual([...Object.keys(spec.flags), 'help'].toSorted());
  });

  it('has no line that a terminal would break', () => {
    expect(help.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });

  it('begins with what the command does, and ends with an example', () => {
    expect(help.startsWith(`kvmfr ${name}`)).toBe(true);
    expect(help.trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^Example: kvmfr ${name} ?`));
  });
});

describe('the help of a command with flags of several kinds', () => {
  const spec: CommandSpec = {
    name: 'paint',
    summary: 'a picture of what is not there',
    args: 'FILE',
    positionals: [{ name: 'FILE', required: true }],
    flags: {
      size: { value: 'WxH', help: 'how large', short: 's' },
      red: { help: 'all of it', group: 'Colour' },
      thick: { value: 'N', help: 'of the brush', group: 'Brush' },
      blue: { help: 'none of it', group: 'Colour' },
    },
    example: 'kvmfr paint a.png',
  };

  it('puts those of a kind below their heading, in the order of the first of each', () => {
    expect(commandHelp(spec)).toBe(
      [
        'kvmfr paint FILE: a picture of what is not there',
        '',
        '  -s, --size WxH  how large',
        '  --help          this text',
        '',
        'Colour:',
        '  --red           all of it',
        '  --blue          none of it',
        '',
        'Brush:',
        '  --thick N       of the brush',
        '',
        'Example: kvmfr paint a.png',
        '',
      ].join('\n'),
    );
  });
});
