import { KvmfrError } from '../error.ts';
import type { Region } from '../memory/region.ts';
import { type RawColorTransform, readColorTransform } from './color-transform.ts';
import {
  CURSOR_FLAGS,
  type CursorLayout,
  type CursorPosition,
  type RawCursorShape,
  readCursorPosition,
  readSentShape,
} from './cursor.ts';
import { CursorV34 } from './v34.ts';

/** What a pointer message says. What is undefined it says nothing about, and stays as it was. */
export interface PointerMessage {
  readonly position: CursorPosition | undefined;
  readonly visible: boolean | undefined;
  readonly shape: RawCursorShape | undefined;
  /** What is done to the colours now; `transform` is undefined where nothing is. */
  readonly colors: { readonly transform: RawColorTransform | undefined } | undefined;
  /** Nits of SDR white for the pointer over an HDR picture; never 0. */
  readonly sdrWhiteLevel: number | undefined;
}

/**
 * Reads and copies what the flags of a pointer message say is valid, each field once. The rest of
 * the payload is what an earlier message left there.
 *
 * @throws ERR_KVMFR_BOUNDS, ERR_KVMFR_CORRUPT
 */
export function readPointerMessage(
  region: Region,
  place: { readonly at: number; readonly bytes: number; readonly flags: number },
  layout: CursorLayout,
): PointerMessage {
  const { at, bytes, flags } = place;
  const { cursorBytes, visibleNeedsFlag, hasColors } = layout;
  if (bytes < cursorBytes)
    throw new KvmfrError(
      'ERR_KVMFR_BOUNDS',
      `a cursor message needs ${cursorBytes} bytes, but names ${bytes}`,
    );
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const sent = has(CURSOR_FLAGS.shape) ? readSentShape(region, at, bytes, cursorBytes) : undefined;
  const behind = cursorBytes + (sent?.sentBytes ?? 0);
  // In 19 and 20 the flag counts in every message: absent means hidden. 34 says when it counts.
  const saysVisible = !visibleNeedsFlag || has(CURSOR_FLAGS.visibleValid);
  return {
    position: has(CURSOR_FLAGS.position) ? readCursorPosition(region, at) : undefined,
    visible: saysVisible ? has(CURSOR_FLAGS.visible) : undefined,
    shape: sent?.shape,
    colors:
      hasColors && has(CURSOR_FLAGS.colorTransform)
        ? { transform: readColorTransform(region, at + behind, bytes - behind) }
        : undefined,
    // Messages about colours alone come from payloads in which nobody wrote it.
    sdrWhiteLevel: (hasColors && saysVisible && CursorV34.sdrWhiteLevel(region, at)) || undefined,
  };
}
