import { cpus, release, totalmem, type } from 'node:os';

/** The machine on which was measured. */
export interface MachineFacts {
  readonly cpu: string;
  readonly threads: number;
  readonly memoryMib: number;
  readonly system: string;
  readonly arch: string;
  readonly node: string;
}

/** Facts of this machine. */
export function machineFacts(): MachineFacts {
  const threads = cpus();
  return {
    cpu: threads[0]?.model.trim() ?? 'unknown',
    threads: threads.length,
    memoryMib: Math.round(totalmem() / 2 ** 20),
    system: `${type()} ${release()}`,
    arch: process.arch,
    node: process.versions.node,
  };
}

const SECRETS = ['--token'];

/** A command line as it may be shown to others: without secrets. */
export function shownCommandLine(args: readonly string[]): readonly string[] {
  return args.map((arg, index) => {
    if (SECRETS.includes(args[index - 1] ?? '')) return '***';
    const secret = SECRETS.find((flag) => arg.startsWith(`${flag}=`));
    return secret === undefined ? arg : `${secret}=***`;
  });
}
