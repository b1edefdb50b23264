import { KvmfrError, type KvmfrErrorCode } from '../../protocol/error.ts';
import type { Departure } from './viewer-info.ts';

/** What a socket is closed with. Source: RFC 6455, section 7.4.1. */
export const CLOSE_CODES: { readonly [why in Departure]: number } = {
  left: 1000,
  wire: 1002,
  denied: 1008,
  timeout: 1008,
  error: 1011,
  closed: 1001,
};

/** An error that is the viewer's own, and that it is told of. */
export interface ViewerFault {
  readonly why: 'wire' | 'denied';
  readonly code: KvmfrErrorCode;
  readonly message: string;
}

/** What a viewer did wrong, if the error is about that; others are none of its business. */
export function viewerFault(error: unknown): ViewerFault | undefined {
  if (!KvmfrError.is(error)) return undefined;
  const { code, message } = error;
  if (code === 'ERR_KVMFR_WIRE') return { why: 'wire', code, message };
  if (code === 'ERR_KVMFR_DENIED') return { why: 'denied', code, message };
  return undefined;
}
