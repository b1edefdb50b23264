import {
  COLOR_SPACE,
  DEFAULT_LIBRARY,
  libraryConfig,
  loadLibrary,
} from '../../viewer/encode/video/library.ts';
import type { RgbPicture } from './page-wire.ts';

/** A coded picture. */
export interface Chunk {
  readonly key: boolean;
  readonly chunk: Uint8Array;
}

/**
 * Codes pictures one after the other as the relay would: BT.709, limited range, sides rounded up to
 * even. The pictures at `keys` are key pictures, and the first one is.
 */
export async function encodeVideo(
  codec: 'h264' | 'vp8',
  pictures: readonly RgbPicture[],
  keys: readonly number[] = [],
): Promise<Chunk[]> {
  const library = await loadLibrary(DEFAULT_LIBRARY, codec);
  const [first] = pictures;
  if (first === undefined) return [];
  const codedWidth = even(first.widthPx);
  const codedHeight = even(first.heightPx);
  const chunks: Chunk[] = [];
  let failure: unknown;
  let arrived: () => void = () => undefined;
  const encoder = new library.VideoEncoder({
    output: (coded) => {
      const chunk = new Uint8Array(coded.byteLength);
      coded.copyTo(chunk);
      chunks.push({ key: coded.type === 'key', chunk });
      arrived();
    },
    error: (error) => {
      failure = error;
      arrived();
    },
  });
  encoder.configure(
    libraryConfig(DEFAULT_LIBRARY, {
      codec,
      codedWidthPx: codedWidth,
      codedHeightPx: codedHeight,
      bitrateKbits: 20_000,
      framesPerSecond: 60,
    }),
  );
  for (const [index, picture] of pictures.entries()) {
    const came = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const frame = new library.VideoFrame(toI420(picture), {
      format: 'I420',
      codedWidth,
      codedHeight,
      timestamp: Math.round((index * 1_000_000) / 60),
      colorSpace: COLOR_SPACE,
    });
    encoder.encode(frame, { keyFrame: index === 0 || keys.includes(index) });
    frame.close();
    await came;
    if (failure !== undefined) throw failure;
  }
  encoder.close();
  return chunks;
}

function even(px: number): number {
  return px + (px & 1);
}

/** A picture as planes of BT.709, limited range; what lies beyond the edge repeats it. */
export function toI420(picture: RgbPicture): Uint8Array {
  const width = even(picture.widthPx);
  const height = even(picture.heightPx);
  const planes = new Uint8Array((width * height * 3) / 2);
  const at = (x: number, y: number): readonly [number, number, number] => {
    const column = Math.min(x, picture.widthPx - 1);
    const row = Math.min(y, picture.heightPx - 1);
    const from = (row * picture.widthPx + column) * 3;
    return [picture.rgb[from] ?? 0, picture.rgb[from + 1] ?? 0, picture.rgb[from + 2] ?? 0];
  };
  const luma = ([r, g, b]: readonly [number, number, number]) =>
    (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) planes[y * width + x] = Math.round(16 + 219 * luma(at(x, y)));
  const uAt = width * height;
  const vAt = uAt + uAt / 4;
  for (let y = 0; y < height / 2; y++)
    for (let x = 0; x < width / 2; x++) {
      const four = [
        at(2 * x, 2 * y),
        at(2 * x + 1, 2 * y),
        at(2 * x, 2 * y + 1),
        at(2 * x + 1, 2 * y + 1),
      ];
      const mean = (channel: 0 | 1 | 2) => four.reduce((sum, pixel) => sum + pixel[channel], 0) / 4;
      const [r, g, b] = [mean(0), mean(1), mean(2)];
      const l = luma([r, g, b]);
      planes[uAt + (y * width) / 2 + x] = Math.round(128 + (224 * (b / 255 - l)) / 1.8556);
      planes[vAt + (y * width) / 2 + x] = Math.round(128 + (224 * (r / 255 - l)) / 1.5748);
    }
  return planes;
}

/** A picture without hard edges, which a codec keeps well; another `phase` is another picture. */
export function softPicture(widthPx: number, heightPx: number, phase: number): RgbPicture {
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++) {
      const at = (y * widthPx + x) * 3;
      rgb[at] = 128 + 110 * Math.sin(x / 37 + phase);
      rgb[at + 1] = 128 + 110 * Math.sin(y / 29 - phase);
      rgb[at + 2] = 128 + 110 * Math.sin((x + y) / 51 + 2 * phase);
    }
  return { widthPx, heightPx, rgb };
}

/** Peak signal-to-noise ratio of a part of two pictures. Units: decibels. */
export function psnr(
  a: RgbPicture,
  b: RgbPicture,
  rect: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
): number {
  let sum = 0;
  for (let y = rect.y; y < rect.y + rect.height; y++)
    for (let x = rect.x; x < rect.x + rect.width; x++)
      for (let channel = 0; channel < 3; channel++) {
        const off =
          (a.rgb[(y * a.widthPx + x) * 3 + channel] ?? 0) -
          (b.rgb[(y * b.widthPx + x) * 3 + channel] ?? 0);
        sum += off * off;
      }
  const mean = sum / (rect.width * rect.height * 3);
  return mean === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10((255 * 255) / mean);
}
