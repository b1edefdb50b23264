import type { CommandSpec, FlagSpec } from './spec.ts';

const REGION_HELP = `REGION: a file, /dev/kvmfrN, ivshmem:unix:SOCKET, or inside a guest pci:[ADDR] or vfio:[ADDR].
Left out where it may be: /dev/kvmfr0 if it exists, else /dev/shm/looking-glass.`;

/** The help of a command: a flag a line, those of a kind below their heading, and an example. */
export function commandHelp(spec: CommandSpec): string {
  const flags = Object.entries(spec.flags);
  const width = Math.max('--help'.length, ...flags.map((flag) => flagText(flag).length));
  const row = (flag: string, help: string): string => `  ${flag.padEnd(width)}  ${help}`;
  const rowsOf = (group: string | undefined): readonly string[] =>
    flags
      .filter(([, flag]) => flag.group === group)
      .map((flag) => row(flagText(flag), flag[1].help));
  const groups = new Set(flags.flatMap(([, { group }]) => (group === undefined ? [] : [group])));
  const head = `kvmfr ${spec.name}${spec.args === '' ? '' : ` ${spec.args}`}`;
  return [
    `${head}: ${spec.summary}`,
    '',
    ...rowsOf(undefined),
    row('--help', 'this text'),
    ...[...groups].flatMap((group) => ['', `${group}:`, ...rowsOf(group)]),
    ...(spec.positionals.some((arg) => arg.name === 'REGION') ? ['', REGION_HELP] : []),
    '',
    `Example: ${spec.example}`,
    '',
  ].join('\n');
}

function flagText([name, { short, value }]: readonly [string, FlagSpec]): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}
