import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from '../../support/project-root.ts';

/** A program of native/fuzz, and the sources of native/src that it is about. */
export interface NativeTarget {
  readonly name: string;
  readonly program: string;
  readonly sources: readonly string[];
}

const ROWS = ['pixels.cc', 'pixels-rows.cc', 'pixels-avx2.cc'] as const;
const HDR = ['hdr.cc', 'hdr-portable.cc', 'hdr-avx2.cc'] as const;
const I420 = ['i420.cc', 'i420-avx2.cc', 'i420-neon.cc'] as const;

/** What libFuzzer feeds, under the address and undefined-behaviour sanitizers. */
export const NATIVE_TARGETS: readonly NativeTarget[] = [
  {
    name: 'native: update, convert, pack, I420',
    program: 'kernels-fuzz.cc',
    sources: [...ROWS, 'tiles.cc', ...HDR, ...I420],
  },
  { name: 'native: coder of tiles', program: 'tile-ops-fuzz.cc', sources: ['tile-ops.cc'] },
  {
    name: 'native: moves',
    program: 'moves-fuzz.cc',
    sources: ['moves.cc', ...ROWS, 'tiles.cc', ...HDR, ...I420],
  },
  { name: 'native: cadence of looks', program: 'cadence-fuzz.cc', sources: ['cadence.cc'] },
];

/** What came of a run. */
export interface NativeRun {
  readonly executions: number;
  readonly edges: number;
  readonly findings: readonly string[];
}

const COMPILER = process.env['KVMFR_CLANG'] ?? 'clang++';
const FLAGS = ['-std=c++17', '-O1', '-gline-tables-only', '-Wall', '-Wextra', '-Werror'];
const CHECKED = ['-ffp-contract=off', '-fno-sanitize-recover=all'];
const OBJECT_FLAGS = [...FLAGS, ...CHECKED, '-fsanitize=fuzzer-no-link,address,undefined', '-c'];
const LINK_FLAGS = ['-fsanitize=fuzzer,address,undefined'];
/** Of one input. Units: seconds; machines are stopped and loaded. */
const HANG_SECONDS = 180;
const MAX_BYTES = 1024;

/** Makes programs of targets in a folder; a source that several need is compiled once. */
export class NativeBuild {
  readonly #folder: string;
  readonly #objects: Map<string, Promise<string>> = new Map();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Compiles a target, and returns where its program is. @throws when it cannot be */
  async program({ program, sources }: NativeTarget): Promise<string> {
    const names = [join('fuzz', program), ...sources.map((name) => join('src', name))];
    const objects: string[] = [];
    for (const name of names) objects.push(await this.#object(name));
    const output = join(this.#folder, program.replace('.cc', ''));
    await compile([...LINK_FLAGS, '-o', output, ...objects]);
    return output;
  }

  #object(name: string): Promise<string> {
    const known = this.#objects.get(name);
    if (known !== undefined) return known;
    const object = join(this.#folder, `${name.replaceAll('/', '-')}.o`);
    const source = join(projectRoot(), 'native', name);
    const made = compile([...OBJECT_FLAGS, '-o', object, source]).then(() => object);
    this.#objects.set(name, made);
    return made;
  }
}

async function compile(args: readonly string[]): Promise<void> {
  const { status, text } = await run(COMPILER, args, projectRoot());
  if (status !== 0) throw new Error(`${args.at(-1)} was not built: ${text}`);
}

/** Runs a target for so many inputs, or so many seconds. `folder` takes what is found. */
export async function runNative(
  program: string,
  options: {
    readonly folder: string;
    readonly seed: number;
    readonly runs?: number;
    readonly seconds?: number;
  },
): Promise<NativeRun> {
  const { folder, seed, runs, seconds } = options;
  const bound = runs === undefined ? [`-max_total_time=${seconds ?? 1}`] : [`-runs=${runs}`];
  const args = [
    ...bound,
    `-seed=${seed}`,
    `-max_len=${MAX_BYTES}`,
    `-timeout=${HANG_SECONDS}`,
    '-print_final_stats=1',
    `-artifact_prefix=${folder}/`,
  ];
  const { status, text } = await run(program, args, folder);
  const last = (pattern: RegExp): number =>
    Number([...text.matchAll(pattern)].at(-1)?.[1] ?? Number.NaN);
  const findings = status === 0 ? [] : [`exit status ${status}: ${whatHappened(text)}`];
  return {
    executions: last(/number_of_executed_units: (\d+)/g),
    edges: last(/ cov: (\d+)/g),
    findings,
  };
}

/** The lines that name a fault, and the input that makes it. */
function whatHappened(text: string): string {
  const lines = text.split('\n');
  const telling = lines.filter((line) => /not so|ERROR|runtime error|SUMMARY|Base64/.test(line));
  return (telling.length > 0 ? telling : lines.slice(-10)).join('; ');
}

function run(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<{ readonly status: number | string; readonly text: string }> {
  return new Promise((resolve) => {
    const options = { cwd, maxBuffer: 64 * 2 ** 20 };
    execFile(command, [...args], options, (error, stdout, stderr) => {
      const status = error === null ? 0 : (error.code ?? error.signal ?? 'unknown');
      resolve({ status, text: stdout + stderr });
    });
  });
}
