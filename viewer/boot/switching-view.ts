import type { PictureStep } from '../../client/tiles/steps.ts';
import type { PictureGeometry, PictureRead, PictureView } from '../../client/tiles/view.ts';

/**
 * One of several pictures at a time, behind one face.
 *
 * Epochs are counted here, on and on: whoever sees another one knows that serials of before say
 * nothing any more, whether the picture is another or has begun anew.
 */
export class SwitchingView implements PictureView {
  #shown: PictureView;
  #epoch = 0;
  /** What the epoch stands for. */
  #counted: { readonly view: PictureView; readonly epoch: number } | undefined;

  constructor(shown: PictureView) {
    this.#shown = shown;
  }

  /** Shows another picture. */
  show(view: PictureView): void {
    this.#shown = view;
  }

  get epoch(): number {
    const view = this.#shown;
    const { epoch } = view;
    if (epoch === 0) return 0;
    const counted = this.#counted;
    if (counted?.view !== view || counted.epoch !== epoch) {
      this.#counted = { view, epoch };
      this.#epoch = Math.max(this.#epoch + 1, epoch);
    }
    return this.#epoch;
  }

  get serial(): number {
    return this.#shown.serial;
  }

  get geometry(): PictureGeometry | undefined {
    return this.#shown.geometry;
  }

  get grid(): PictureView['grid'] {
    return this.#shown.grid;
  }

  get pixels(): Uint8Array {
    return this.#shown.pixels;
  }

  get pitchBytes(): number {
    return this.#shown.pitchBytes;
  }

  get updating(): boolean {
    return this.#shown.updating;
  }

  get tileSerials(): Uint32Array {
    return this.#shown.tileSerials;
  }

  changedSince(serial: number, out: Uint32Array): number {
    return this.#shown.changedSince(serial, out);
  }

  readStep(serial: number, into: PictureStep): boolean {
    return this.#shown.readStep(serial, into);
  }

  beginRead(): PictureRead {
    return this.#shown.beginRead();
  }
}
