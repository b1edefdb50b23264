import { KvmfrError, type KvmfrErrorCode } from '../protocol/error.ts';
import type { StateName } from '../protocol/wire/control.ts';

/** What a client knows of its guest, in words a person can act on. */
export interface ClientState {
  readonly name: StateName;
  /** One sentence: what is, where. */
  readonly message: string;
  /** One sentence: what to do about it. */
  readonly hint?: string;
  readonly code?: KvmfrErrorCode;
  /** Size of region that would be enough, when the name is `too-small`. */
  readonly needMib?: number;
}

/** Whether two states say the same to a person. */
export function sameState(a: ClientState, b: ClientState): boolean {
  return a.name === b.name && a.message === b.message && a.code === b.code;
}

/** The state that an error while opening a region means. */
export function stateOfOpenError(error: KvmfrError): ClientState {
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  switch (error.code) {
    case 'ERR_KVMFR_ABSENT':
      return {
        name: 'waiting',
        code: error.code,
        message: error.message,
        hint: 'Start the virtual machine with an IVSHMEM device; this page goes on by itself.',
        ...hint,
      };
    case 'ERR_KVMFR_DENIED':
      return { name: 'denied', code: error.code, message: error.message, ...hint };
    default:
      return { name: 'failed', code: error.code, message: error.message, ...hint };
  }
}

/** The state for any error that stops frames but not the client. */
export function stateOfError(error: unknown): ClientState {
  if (KvmfrError.is(error))
    return {
      name: 'failed',
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    };
  return { name: 'failed', message: error instanceof Error ? error.message : String(error) };
}
