import type { FrameBufferMode, KernelFormat } from '../../native/index.ts';
import { KvmfrError, MAX_DIMENSION_PX } from '../../protocol/index.ts';

/** What of a frame buffer's memory is seen, and how its pixels are made. */
export interface VisibleScreen {
  readonly format: KernelFormat;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly pitchBytes: number;
  /** Where the first visible pixel is. */
  readonly offsetBytes: number;
  /** Bytes up to the end of the last visible pixel. */
  readonly usedBytes: number;
}

const PACKED_PIXELS = 0;
const COLOR_VISUALS: readonly number[] = [2, 4];

/**
 * Checks the mode of a frame buffer and finds what is visible in its memory.
 *
 * @throws ERR_KVMFR_FORMAT for pixels that are not taken, ERR_KVMFR_BOUNDS for a mode that contradicts
 *   itself
 */
export function visibleScreen(mode: FrameBufferMode, path: string): VisibleScreen {
  const { widthPx, heightPx, offsetX, offsetY, pitchBytes, memoryBytes } = mode;
  const format = formatOf(mode, path);
  const pixelBytes = mode.bitsPerPixel / 8;
  const isSide = (value: number): boolean => value >= 1 && value <= MAX_DIMENSION_PX;
  if (!isSide(widthPx) || !isSide(heightPx))
    throw new KvmfrError(
      'ERR_KVMFR_BOUNDS',
      `each side of the frame buffer ${path} must be 1 to ${MAX_DIMENSION_PX} pixels, but it has ${widthPx} x ${heightPx}`,
      { path },
    );
  if ((offsetX + widthPx) * pixelBytes > pitchBytes)
    throw new KvmfrError(
      'ERR_KVMFR_BOUNDS',
      `${widthPx} pixels from column ${offsetX} of the frame buffer ${path} must fit in a row, but its rows have ${pitchBytes} bytes`,
      { path },
    );
  const offsetBytes = offsetY * pitchBytes + offsetX * pixelBytes;
  const usedBytes = offsetBytes + (heightPx - 1) * pitchBytes + widthPx * pixelBytes;
  if (usedBytes > memoryBytes)
    throw new KvmfrError(
      'ERR_KVMFR_BOUNDS',
      `the screen of the frame buffer ${path} ends at byte ${usedBytes}, but its memory has ${memoryBytes}`,
      { path },
    );
  return { format, widthPx, heightPx, pitchBytes, offsetBytes, usedBytes };
}

function formatOf(mode: FrameBufferMode, path: string): KernelFormat {
  const { bitsPerPixel, red, green, blue, type, visual } = mode;
  const bytes = [red, green, blue].every(({ length }) => length === 8) && green.offset === 8;
  const isColor = type === PACKED_PIXELS && COLOR_VISUALS.includes(visual) && !mode.isGrey;
  if (bytes && isColor && red.offset === 16 && blue.offset === 0) {
    if (bitsPerPixel === 32) return 'BGRA';
    if (bitsPerPixel === 24) return 'BGR_32';
  }
  if (bytes && isColor && red.offset === 0 && blue.offset === 16) {
    if (bitsPerPixel === 32) return 'RGBA';
    if (bitsPerPixel === 24) return 'RGB_24';
  }
  const bits = [red, green, blue].map(({ offset, length }) => `${length} at ${offset}`);
  throw new KvmfrError(
    'ERR_KVMFR_FORMAT',
    `the frame buffer ${path} must have 24 or 32 bits a pixel, 8 each of red, green and blue, but has ${bitsPerPixel} (red ${bits[0]}, green ${bits[1]}, blue ${bits[2]}, type ${type}, visual ${visual})`,
    { path, hint: 'give the console 32 bits: video=1280x800-32 on the command line of the kernel' },
  );
}
