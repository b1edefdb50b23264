import { KvmfrError } from '../../protocol/error.ts';
import { MAX_DIMENSION_PX, MAX_PICTURE_PX } from '../../protocol/limits.ts';
import type { PictureGeometry } from './view.ts';

/** Refuses a frame that is larger than any picture that is kept. @throws ERR_KVMFR_BOUNDS */
export function checkSize(frame: PictureGeometry): void {
  const { widthPx, heightPx } = frame;
  const sides = Math.min(widthPx, heightPx) >= 1 && Math.max(widthPx, heightPx) <= MAX_DIMENSION_PX;
  if (!sides || widthPx * heightPx > MAX_PICTURE_PX)
    throw new KvmfrError(
      'ERR_KVMFR_BOUNDS',
      `a picture must be 1 to ${MAX_DIMENSION_PX} pixels wide and high and have at most ` +
        `${MAX_PICTURE_PX} in all, but is ${widthPx} x ${heightPx}`,
    );
}

/** The geometry of a frame's picture. */
export function geometryOf(frame: PictureGeometry): PictureGeometry {
  return {
    widthPx: frame.widthPx,
    heightPx: frame.heightPx,
    dataHeightPx: frame.dataHeightPx,
    screenWidthPx: frame.screenWidthPx,
    screenHeightPx: frame.screenHeightPx,
    rotation: frame.rotation,
    format: frame.format,
  };
}

/** Whether a frame belongs to a picture's geometry. */
export function sameGeometry(a: PictureGeometry | undefined, b: PictureGeometry): boolean {
  return (
    a !== undefined &&
    a.widthPx === b.widthPx &&
    a.heightPx === b.heightPx &&
    a.dataHeightPx === b.dataHeightPx &&
    a.screenWidthPx === b.screenWidthPx &&
    a.screenHeightPx === b.screenHeightPx &&
    a.rotation === b.rotation &&
    a.format === b.format
  );
}
