import { KvmfrError } from '../../../protocol/error.ts';

/** Something that went wrong, as it is told to the page. */
export interface Fault {
  readonly code: string;
  readonly message: string;
}

/** Puts an error into words; what is none of ours was a picture that could not be drawn. */
export function describeFault(error: unknown): Fault {
  if (KvmfrError.is(error)) return { code: error.code, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'ERR_KVMFR_IMAGE', message };
}
