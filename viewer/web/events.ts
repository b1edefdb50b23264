import { ERROR_CODES, type KvmfrErrorCode } from '../../protocol/error.ts';
import type { LatencySample } from './core/latency.ts';
import type { ViewStats } from './core/stats.ts';
import type { ViewStatus } from './core/status.ts';

/** The picture that a view shows. */
export interface ViewPicture {
  readonly epoch: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly screenWidthPx: number;
  readonly screenHeightPx: number;
  /** How the guest's own screen is turned. Units: quarter turns clockwise. */
  readonly rotation: number;
}

/** An update whose pixels are on the canvas. */
export interface PresentedUpdate {
  readonly epoch: number;
  readonly serial: number;
}

/**
 * Events of a view. None of them bubbles. `error` is an ErrorEvent whose `error` is a KvmfrError.
 */
export interface KvmfrViewEventMap extends Omit<HTMLElementEventMap, 'error'> {
  /** The state, or what is told about it, changed. */
  statechange: CustomEvent<ViewStatus>;
  /** Another picture: another size, turn or epoch. Fires when it is on the canvas. */
  picture: CustomEvent<ViewPicture>;
  /** An update is on the canvas. */
  presented: CustomEvent<PresentedUpdate>;
  /** Once a second while there is a connection. */
  stats: CustomEvent<ViewStats>;
  /** Who may act on the guest, or what goes to it, has changed: the view's `input` and `captured`. */
  inputchange: CustomEvent<null>;
  /** How it stands with the clipboards has changed: the view's `clipboard`. */
  clipboardchange: CustomEvent<null>;
  /** The guest's sound, its loudness here, or the microphone has changed: the view's `sound` and `volume`. */
  soundchange: CustomEvent<null>;
  /** What an update has been through; fires while the view's `tracing` is set. */
  latency: CustomEvent<LatencySample>;
  /** The relay, or this browser, did what it should not. The view recovers by itself if it can. */
  error: ErrorEvent;
}

/** A code that came in a message, if it is one of ours. */
export function errorCode(code: string): KvmfrErrorCode {
  return isErrorCode(code) ? code : 'ERR_KVMFR_WIRE';
}

function isErrorCode(code: string): code is KvmfrErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}
