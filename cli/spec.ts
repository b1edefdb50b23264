import { type ParseArgsConfig, parseArgs } from 'node:util';
import { KvmfrError } from '../protocol/error.ts';

/** One flag of a command. */
export interface FlagSpec {
  /** What the value is, in capitals; left out for a switch. */
  readonly value?: string;
  readonly help: string;
  readonly multiple?: boolean;
  readonly short?: string;
  /** The heading of the help that it stands below. */
  readonly group?: string;
}

/** Flags by their names. */
export type FlagSpecs = { readonly [flag: string]: FlagSpec };

/** Flags that stand below one heading of the help. */
export function grouped(group: string, flags: FlagSpecs): FlagSpecs {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, { ...flag, group }]),
  );
}

/** What a command takes, and how it says so. */
export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** Positional arguments as shown, for example `[REGION]`. */
  readonly args: string;
  /** Names of the positional arguments, and whether each must be there. */
  readonly positionals: readonly { readonly name: string; readonly required: boolean }[];
  readonly flags: FlagSpecs;
  /** Flags that exist in the plan of this product and not in this version: refused by name. */
  readonly later?: { readonly [flag: string]: string };
  readonly example: string;
}

/** A command line that fits its command. */
export interface ParsedCommand {
  readonly positionals: readonly string[];
  /** The text of a flag that takes a value. */
  text(flag: string): string | undefined;
  /** All texts of a flag that may be given several times. */
  texts(flag: string): readonly string[];
  /** Whether a switch is on. */
  has(flag: string): boolean;
}

/** An error about how a command was called: exit status 2. */
export function usageError(message: string): KvmfrError {
  return new KvmfrError('ERR_KVMFR_USAGE', message);
}

/**
 * Reads the arguments of a command.
 *
 * @throws ERR_KVMFR_USAGE for what the command does not take, ERR_KVMFR_UNSUPPORTED for what a later
 *   version will
 */
export function parseCommand(spec: CommandSpec, argv: readonly string[]): ParsedCommand {
  refuseLater(spec, argv);
  const options: NonNullable<ParseArgsConfig['options']> = {
    help: { type: 'boolean', short: 'h' },
  };
  for (const [name, flag] of Object.entries(spec.flags))
    options[name] = {
      type: flag.value === undefined ? 'boolean' : 'string',
      ...(flag.multiple === undefined ? {} : { multiple: flag.multiple }),
      ...(flag.short === undefined ? {} : { short: flag.short }),
    };
  const { values, positionals } = readArgs(spec, argv, options);
  checkPositionals(spec, positionals);
  return {
    positionals,
    text: (flag) => {
      const value = values[flag];
      return typeof value === 'string' ? value : undefined;
    },
    texts: (flag) => {
      const value = values[flag];
      return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [];
    },
    has: (flag) => values[flag] === true,
  };
}

function readArgs(
  spec: CommandSpec,
  argv: readonly string[],
  options: NonNullable<ParseArgsConfig['options']>,
): { values: { [flag: string]: unknown }; positionals: string[] } {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw usageError(`kvmfr ${spec.name}: ${argumentProblem(spec, error)}`);
  }
}

/** What node's parser found, in one sentence without its advice for programmers. */
function argumentProblem(spec: CommandSpec, error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const unknown = /^Unknown option '([^']+)'/.exec(text);
  if (unknown !== null) return `there is no flag ${unknown[1]}`;
  const known = /^Option '(?:-\w, )?--([\w-]+)/.exec(text)?.[1];
  const flag = known === undefined ? undefined : spec.flags[known];
  if (flag === undefined) return text.split(/[.\n]/)[0] ?? text;
  if (flag.value === undefined) return `--${known} takes no value`;
  return `--${known} needs ${flag.value}`;
}

function refuseLater(spec: CommandSpec, argv: readonly string[]): void {
  for (const argument of argv) {
    if (argument === '--') return;
    const name = /^--([a-z0-9-]+)/.exec(argument)?.[1];
    const reason = name === undefined ? undefined : spec.later?.[name];
    if (reason !== undefined)
      throw new KvmfrError(
        'ERR_KVMFR_UNSUPPORTED',
        `kvmfr ${spec.name}: --${name} is not supported by this version of kvmfr: ${reason}`,
      );
  }
}

function checkPositionals(spec: CommandSpec, found: readonly string[]): void {
  const extra = found[spec.positionals.length];
  if (extra !== undefined)
    throw usageError(`kvmfr ${spec.name} takes ${spec.args || 'no arguments'}, not also ${extra}`);
  const missing = spec.positionals.find((want, i) => want.required && found[i] === undefined);
  if (missing !== undefined) throw usageError(`kvmfr ${spec.name} needs ${missing.name}`);
}

/** A flag's whole number within bounds. @throws ERR_KVMFR_USAGE */
export function numberFlag(
  command: ParsedCommand,
  flag: string,
  range: { readonly min: number; readonly max: number },
): number | undefined {
  const text = command.text(flag);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < range.min || value > range.max)
    throw usageError(
      `--${flag} takes a whole number from ${range.min} to ${range.max}, not ${text}`,
    );
  return value;
}

/** A flag's choice out of a list. @throws ERR_KVMFR_USAGE, ERR_KVMFR_UNSUPPORTED */
export function choiceFlag<Choice extends string>(
  command: ParsedCommand,
  flag: string,
  choices: { readonly now: readonly Choice[]; readonly later?: readonly string[] },
): Choice | undefined {
  const text = command.text(flag);
  if (text === undefined) return undefined;
  const found = choices.now.find((choice) => choice === text);
  if (found !== undefined) return found;
  if (choices.later?.includes(text))
    throw new KvmfrError(
      'ERR_KVMFR_UNSUPPORTED',
      `--${flag} ${text} is not supported by this version of kvmfr; it knows ${choices.now.join(', ')}`,
    );
  throw usageError(`--${flag} takes ${choices.now.join(', ')}, not ${text}`);
}

/** A flag's `WIDTHxHEIGHT`, of a synthetic guest. @throws ERR_KVMFR_USAGE */
export function sizeFlag(
  command: ParsedCommand,
  flag: string,
): { readonly widthPx: number; readonly heightPx: number } | undefined {
  const text = command.text(flag);
  if (text === undefined) return undefined;
  const match = /^(\d{1,5})x(\d{1,5})$/.exec(text);
  const widthPx = Number(match?.[1]);
  const heightPx = Number(match?.[2]);
  if (match === null || widthPx < 320 || heightPx < 200 || widthPx > 8192 || heightPx > 8192)
    throw usageError(
      `--${flag} takes WIDTHxHEIGHT from 320x200 to 8192x8192, for example 1920x1080, not ${text}`,
    );
  return { widthPx, heightPx };
}

/** A flag's `HOST:PORT`; an IPv6 host stands in brackets. @throws ERR_KVMFR_USAGE */
export function addressFlag(
  command: ParsedCommand,
  flag: string,
): { readonly host: string; readonly port: number } | undefined {
  const text = command.text(flag);
  if (text === undefined) return undefined;
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65535)
    throw usageError(`--${flag} takes HOST:PORT, for example 127.0.0.1:8400, not ${text}`);
  return { host, port };
}
