import { KvmfrError, type KvmfrErrorCode } from '../../protocol/error.ts';
import { addressText, type SpiceAddress } from './address.ts';

/**
 * Where a session stands: `waiting` tries again by itself, `taken` (by another viewer) and `denied`
 * (password or certificate) do not, `failed` tries again though little speaks for it.
 */
export type SpiceStateName =
  | 'connecting'
  | 'connected'
  | 'waiting'
  | 'taken'
  | 'denied'
  | 'failed'
  | 'closed';

/** What a session knows of its server, in words a person can act on. */
export interface SpiceState {
  readonly name: SpiceStateName;
  /** One sentence: what is, where. */
  readonly message: string;
  /** One sentence: what to do about it. */
  readonly hint?: string;
  readonly code?: KvmfrErrorCode;
  /** What led to it, when something did. */
  readonly error?: KvmfrError;
}

const NAMES: { readonly [code in KvmfrErrorCode]?: SpiceStateName } = {
  ERR_KVMFR_PASSWORD: 'denied',
  ERR_KVMFR_DENIED: 'denied',
  ERR_KVMFR_ARGUMENT: 'denied',
  ERR_KVMFR_BUSY: 'taken',
  ERR_KVMFR_MAGIC: 'failed',
  ERR_KVMFR_SPICE: 'failed',
  ERR_KVMFR_UNSUPPORTED: 'failed',
};

/** The state that the end of a connection means. */
export function stateOfSpiceError(error: KvmfrError): SpiceState {
  return {
    name: NAMES[error.code] ?? 'waiting',
    message: error.message,
    code: error.code,
    error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
}

/** Whether a session stays in a state until a person acts. */
export function isFinal(state: SpiceState): boolean {
  return state.name === 'denied' || state.name === 'taken' || state.name === 'closed';
}

/** The last state of every session. */
export function closedState(address: SpiceAddress): SpiceState {
  return {
    name: 'closed',
    code: 'ERR_KVMFR_CLOSED',
    message: `the session with the SPICE server at ${addressText(address)} was closed`,
    error: new KvmfrError('ERR_KVMFR_CLOSED', 'the SPICE session was closed'),
  };
}
