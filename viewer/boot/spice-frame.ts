import type { GuestFrame } from '../../client/reader/source.ts';
import type { SpiceFrame } from '../../client/spice/index.ts';
import type { Rect } from '../../protocol/rect.ts';

/**
 * A frame of a SPICE server's screen, as one of a guest. All of it is there always.
 *
 * Ownership: as of the frame below: the next message of the server changes the pixels.
 */
export class SpiceGuestFrame implements GuestFrame {
  readonly format = 'BGRA';
  readonly rotation = 0;
  readonly intact = true;
  readonly pixels: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly pitchBytes: number;
  readonly damage: readonly Rect[];

  constructor(frame: SpiceFrame) {
    this.pixels = frame.pixels;
    this.widthPx = frame.widthPx;
    this.heightPx = frame.heightPx;
    this.pitchBytes = frame.pitchBytes;
    this.damage = frame.damage;
  }

  get dataHeightPx(): number {
    return this.heightPx;
  }

  get screenWidthPx(): number {
    return this.widthPx;
  }

  get screenHeightPx(): number {
    return this.heightPx;
  }

  get complete(): number {
    return this.heightPx;
  }

  whenRows(): Promise<boolean> {
    return Promise.resolve(true);
  }

  release(): void {}
}
