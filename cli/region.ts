import { checkRegionName, defaultRegionPath } from '../client/index.ts';
import { KvmfrError } from '../protocol/error.ts';
import { type ParsedCommand, usageError } from './spec.ts';

/** The REGION of a command, or the one that is meant when none is named. @throws ERR_KVMFR_USAGE */
export function regionOf(command: ParsedCommand): string {
  const name = command.positionals[0] ?? defaultRegionPath();
  try {
    checkRegionName(name);
    return name;
  } catch (error) {
    if (KvmfrError.is(error) && error.code === 'ERR_KVMFR_ARGUMENT')
      throw usageError(`REGION ${error.message}`);
    throw error;
  }
}
