import { checkRegionName, defaultRegionPath } from '../client/index.ts';
import { KvmfrError } from '../protocol/error.ts';
import type { AssumedWire } from '../protocol/lgmp/detect.ts';
import { choiceFlag, type FlagSpecs, type ParsedCommand, usageError } from './spec.ts';

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

/** The flag `--assume`, for commands that read a region. */
export const ASSUME_FLAG: FlagSpecs = {
  assume: {
    value: 'dev12',
    help: "read an unknown newer wire as if it were dev12, at one's own risk",
  },
};

/** The wire that an unknown newer one is read as. @throws ERR_KVMFR_USAGE */
export function assumedWire(command: ParsedCommand): AssumedWire | undefined {
  return choiceFlag(command, 'assume', { now: ['dev12'] });
}
