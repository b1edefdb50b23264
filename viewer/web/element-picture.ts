import type { ElementAttributes } from './element-attributes.ts';
import type { ElementView } from './element-view.ts';
import type { ViewPicture } from './events.ts';
import type { PointerStage } from './input/pointer.ts';
import { layoutPicture } from './render/layout.ts';
import { placeSize } from './render/place.ts';

/** What the picture of a view works with. */
export interface ElementPictureOptions {
  /** Says how the picture is to lie. */
  readonly host: Pick<ElementAttributes, 'scale' | 'rotation'>;
  readonly view: ElementView;
}

/** The picture that a view shows, and where it lies. */
export class ElementPicture {
  readonly #options: ElementPictureOptions;
  #shown: ViewPicture | undefined;

  constructor(options: ElementPictureOptions) {
    this.#options = options;
  }

  /** The picture on the canvas; undefined before there was one. */
  get shown(): ViewPicture | undefined {
    return this.#shown;
  }

  /** Another picture is on the canvas, or none any more. */
  take(picture: ViewPicture | undefined): void {
    this.#shown = picture;
    this.layout();
  }

  /** Puts the picture where its place, size and turn say. */
  layout(): void {
    const picture = this.#shown;
    if (picture === undefined) return;
    const { host, view } = this.#options;
    const layout = layoutPicture({
      mode: host.scale,
      turns: picture.rotation + host.rotation / 90,
      widthPx: picture.widthPx,
      heightPx: picture.heightPx,
      ...placeSize(view.viewport),
    });
    view.place(layout, picture);
    view.cursor.rescale({
      x: layout.width / picture.screenWidthPx,
      y: layout.height / picture.screenHeightPx,
    });
  }

  /** Where the pointer can be; undefined while there is no picture. */
  get stage(): PointerStage | undefined {
    const picture = this.#shown;
    if (picture === undefined) return undefined;
    const { host, view } = this.#options;
    const { screenWidthPx, screenHeightPx } = picture;
    const turns = picture.rotation + host.rotation / 90;
    const { devicePixelRatio } = window;
    return { box: view.box, turns, screenWidthPx, screenHeightPx, devicePixelRatio };
  }
}
