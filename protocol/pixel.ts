/**
 * The pixel formats of KVMFR by their wire value (FrameType).
 *
 * Source: protocol constants FRAME_TYPE_* of KVMFR 19 and 20 (BGR_32 and RGB_24 since 20).
 */
export const PIXEL_FORMATS = {
  BGRA: 1,
  RGBA: 2,
  RGBA10: 3,
  RGBA16F: 4,
  BGR_32: 5,
  RGB_24: 6,
} as const;

/** The name of a pixel format. */
export type PixelFormat = keyof typeof PIXEL_FORMATS;

const NAMES: readonly (PixelFormat | undefined)[] = Object.freeze([
  undefined,
  'BGRA',
  'RGBA',
  'RGBA10',
  'RGBA16F',
  'BGR_32',
  'RGB_24',
]);

/** The name of a wire value; undefined when no KVMFR version has it. */
export function pixelFormatName(value: number): PixelFormat | undefined {
  return NAMES[value];
}

/** Bytes of one transported unit: a pixel, or a 32-bit word of packed triples for BGR_32. */
export function unitBytes(format: PixelFormat): number {
  return format === 'RGBA16F' ? 8 : format === 'RGB_24' ? 3 : 4;
}

/** Bytes that one row of the picture really uses, without the padding of its pitch. */
export function rowBytes(format: PixelFormat, widthPx: number): number {
  switch (format) {
    case 'RGBA16F':
      return widthPx * 8;
    case 'BGR_32':
    case 'RGB_24':
      return widthPx * 3;
    default:
      return widthPx * 4;
  }
}
