import type { ToneMap } from '../../protocol/kvmfr/hdr.ts';
import type { PixelFormat } from '../../protocol/pixel.ts';
import type { Rect } from '../../protocol/rect.ts';

/** What a picture needs to know of a frame; a `Frame` of the client is one. */
export interface PictureFrame {
  readonly pixels: Uint8Array;
  readonly format: PixelFormat;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly dataHeightPx: number;
  readonly screenWidthPx: number;
  readonly screenHeightPx: number;
  readonly pitchBytes: number;
  readonly rotation: number;
  /** How HDR pixels become SDR ones; undefined for frames that are SDR. */
  readonly toneMap?: ToneMap | undefined;
  readonly damage: readonly Rect[];
  readonly complete: number;
  /** Whether what has been read until now was of this frame. */
  readonly intact: boolean;
  whenRows(rows: number): Promise<boolean>;
}

/**
 * What became of a frame: `changed` (the picture has a new serial), `same` (it has no new pixel), or
 * `given-up` (its rows never arrived, or the guest took it back while it was read; the next frame is
 * compared in full).
 */
export type PictureOutcome = 'changed' | 'same' | 'given-up';

/** Whether rows are still to arrive: only then is there anything to wait for. */
export function lacks(frame: PictureFrame, rows: number): boolean {
  return frame.complete < rows;
}
