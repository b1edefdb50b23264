import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../support/project-root.ts';

interface Waiting<News> {
  readonly fits: (news: News) => boolean;
  readonly settle: (news: News | undefined) => void;
}

/** A process of a race. What it dies of is an error of who waits for its news. */
export class RaceChild<News extends object> implements AsyncDisposable {
  readonly #script: string;
  readonly #process: ChildProcess;
  readonly #waiting: Set<Waiting<News>> = new Set();
  #ended: string | undefined;
  #errors = '';

  constructor(script: string, args: readonly string[]) {
    this.#script = script;
    const path = join(projectRoot(), 'test', 'race', script);
    this.#process = fork(path, [...args], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = `${this.#errors}${text}`.slice(-2000);
    });
    this.#process.on('message', (news: News) => {
      for (const waiting of this.#waiting) if (waiting.fits(news)) waiting.settle(news);
    });
    this.#process.on('exit', (status, signal) => {
      this.#ended = `${status ?? signal}`;
      for (const { settle } of this.#waiting) settle(undefined);
    });
  }

  tell(message: object): void {
    if (this.#ended === undefined) this.#process.send(message);
  }

  /** Waits for news that fit, from now on. @throws when the process ends before */
  async hears(fits: (news: News) => boolean): Promise<News> {
    const news =
      this.#ended !== undefined
        ? undefined
        : await new Promise<News | undefined>((resolve) => {
            const waiting: Waiting<News> = {
              fits,
              settle: (found) => {
                this.#waiting.delete(waiting);
                resolve(found);
              },
            };
            this.#waiting.add(waiting);
          });
    if (news !== undefined) return news;
    throw new Error(`${this.#script} has ended by itself: ${this.#ended} ${this.#errors}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended !== undefined) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }
}

/** Compiles the racer to a path. */
export async function buildRacer(output: string): Promise<void> {
  const source = join(projectRoot(), 'test', 'race', 'racer.cc');
  const flags = ['-std=c++17', '-O2', '-Wall', '-Wextra', '-Werror'];
  await promisify(execFile)('g++', [...flags, '-o', output, source]);
}

/** What a racer tells at its end. */
export interface RacerResult {
  readonly mutations: number;
  readonly decisions: number;
  readonly hash: string;
}

/** A racer at work. */
export interface RacerRun {
  readonly done: Promise<RacerResult>;
  /** Ends it after the burst it is at. */
  stop(): void;
}

/** Starts a racer on a region: so many mutations, or until it is stopped (0). */
export function startRacer(
  program: string,
  options: {
    readonly path: string;
    readonly seed: number;
    readonly count: number;
    readonly areas: readonly {
      readonly group: string;
      readonly at: number;
      readonly bytes: number;
    }[];
  },
): RacerRun {
  const args = [options.path, `${options.seed}`, `${options.count}`];
  const started = promisify(execFile)(program, args);
  const { child } = started;
  const lines = options.areas.map(({ group, at, bytes }) => `${group} ${at} ${bytes}\n`);
  child.stdin?.on('error', () => {});
  child.stdin?.write(`${lines.join('')}go\n`);
  return {
    done: started.then(({ stdout }): RacerResult => JSON.parse(stdout)),
    stop: () => void child.stdin?.end(),
  };
}
