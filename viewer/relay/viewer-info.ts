import type { Encoding } from '../../protocol/wire/index.ts';

// Apart from the socket, so that the package's types do not need those of ws.

/** Why a viewer has gone. */
export type Departure = 'left' | 'wire' | 'denied' | 'timeout' | 'error' | 'closed';

/** What all viewers of a relay together have done. */
export interface ViewerTotals {
  bytesSent: number;
  updatesSent: number;
  updatesAcked: number;
  /** Times viewers told in their acknowledgements, added up. Units: microseconds. */
  decodeUs: number;
  presentUs: number;
  /** Times that a viewer did not keep up with its stream of video and had to wait for a key picture. */
  falls: number;
}

/** What is known of a viewer. */
export interface ViewerInfo {
  readonly id: number;
  readonly address: string;
  /** Whether what it sends may act on the guest. */
  readonly mayAct: boolean;
  /** How changes travel to it now. */
  readonly encoding: Encoding;
  readonly visible: boolean;
  /** Updates on the way, not acknowledged yet. */
  readonly inFlight: number;
  /** Serial of the picture that it has been sent last. */
  readonly serial: number;
  readonly bytesSent: number;
}

/** What the channel `kvmfr:relay:acknowledged` is told: a viewer has presented a picture. */
export interface Acknowledgement {
  /** Its id in `viewers`. */
  readonly viewer: number;
  readonly epoch: number;
  readonly serial: number;
}
