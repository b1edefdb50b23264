import { parseCpuList, pinProcess } from '../native/index.ts';
import { KvmfrError } from '../protocol/error.ts';
import { type FlagSpecs, type ParsedCommand, usageError } from './spec.ts';

/** The flag `--cpu`, for commands that read or write a region all the time. */
export const CPU_FLAG: FlagSpecs = {
  cpu: { value: 'LIST', help: 'run on these processors only, for example 0-3 (kvmfr info: which)' },
};

/** Keeps this process, and what it starts, on the processors that were named. @throws ERR_KVMFR_USAGE */
export function keepToCpus(command: ParsedCommand): void {
  const text = command.text('cpu');
  if (text === undefined) return;
  try {
    pinProcess(parseCpuList(text));
  } catch (error) {
    if (KvmfrError.is(error) && error.code === 'ERR_KVMFR_ARGUMENT')
      throw usageError(`--cpu: ${error.message}`);
    throw error;
  }
}
