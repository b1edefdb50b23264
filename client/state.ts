import { hex, KvmfrError, type KvmfrErrorCode } from '../protocol/error.ts';
import { lgmpVersionName } from '../protocol/lgmp/detect.ts';
import type { SourceName, StateName } from '../protocol/wire/control.ts';
import type { Sighting } from './detect.ts';
import type { SessionInfo } from './session.ts';

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
  /** What the state is of; the region when left out. */
  readonly source?: SourceName;
}

/** Whether two states say the same to a person. */
export function sameState(a: ClientState, b: ClientState): boolean {
  const isSame = a.name === b.name && a.message === b.message && a.hint === b.hint;
  return isSame && a.code === b.code && a.source === b.source;
}

/** The state that an error while opening a region means. */
export function stateOfOpenError(error: KvmfrError): ClientState {
  const state = stateOfError(error);
  if (error.code === 'ERR_KVMFR_ABSENT') return { ...state, name: 'waiting' };
  return error.code === 'ERR_KVMFR_DENIED' ? { ...state, name: 'denied' } : state;
}

/** The state that an error while attaching to a publisher means. */
export function stateOfAttachError(error: unknown): ClientState {
  const state = stateOfError(error);
  const isVersion =
    state.code === 'ERR_KVMFR_LGMP_VERSION' || state.code === 'ERR_KVMFR_KVMFR_VERSION';
  return isVersion ? { ...state, name: 'incompatible' } : state;
}

/** The state for any error that stops frames but not the client. */
export function stateOfError(error: unknown): ClientState {
  if (KvmfrError.is(error))
    return {
      name: 'failed',
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: asSentence(error.hint) }),
    };
  return { name: 'failed', message: error instanceof Error ? error.message : String(error) };
}

function asSentence(text: string): string {
  const end = /[.!?]$/.test(text) ? '' : '.';
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${end}`;
}

/** A publisher is alive. */
export function showing(info: SessionInfo): ClientState {
  return { name: 'showing', message: `showing a guest with Looking Glass ${info.release}` };
}

/** A publisher was alive, and is not now. */
export function stale(why: string): ClientState {
  return {
    name: 'stale',
    code: 'ERR_KVMFR_NO_HOST',
    message: `the guest does not answer: ${why}`,
    hint: 'The last picture stays; it goes on by itself when the guest does.',
  };
}

/** No publisher was alive yet. */
export function noHost(path: string, sighting: Sighting): ClientState {
  const dead =
    sighting.kind === 'silent'
      ? `; ${sighting.candidates
          .map((found) => `${lgmpVersionName(found.version)} at ${hex(found.magicAt)}`)
          .join(' and ')} ran here and is gone`
      : '';
  return {
    name: 'waiting',
    code: 'ERR_KVMFR_NO_HOST',
    message: `no Looking Glass host runs in ${path}${dead}`,
    hint: 'Start the guest and the Looking Glass host in it. If it runs and the file stays empty, the device lacks share=on.',
  };
}
