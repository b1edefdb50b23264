import { beginWrite, endWrite } from '../../client/tiles/shared-planes.ts';
import { createSharedMemory, type Mapping } from '../../native/index.ts';
import type { SharedPlanes, VideoChunk, VideoOutcome } from '../../viewer/encode/video/index.ts';
import { type CodedFrame, decodeFrames } from './video-decoder.ts';

/** A picture as I420 in shared memory, as the relay keeps one. */
export interface TestPicture extends Disposable {
  readonly planes: SharedPlanes;
  readonly memory: Mapping;
  /** The word that is odd while the picture is written. */
  readonly epoch: Int32Array;
  /** Draws all three planes, in one write. */
  draw(shade: Shade): void;
  /** What the planes hold, rows without padding. */
  pixels(): { readonly y: Uint8Array; readonly u: Uint8Array; readonly v: Uint8Array };
}

/** Brightness and colours of a pixel; colours are asked for at the even ones. */
export type Shade = (x: number, y: number) => readonly [y: number, u: number, v: number];

const HEAD_BYTES = 64;

/** @param pad bytes after each row, so that rows do not lie one behind the other */
export function testPicture(widthPx: number, heightPx: number, pad = 0): TestPicture {
  const halfWidth = (widthPx + 1) >> 1;
  const halfHeight = (heightPx + 1) >> 1;
  const pitch = { y: widthPx + pad, c: halfWidth + pad };
  const lumaBytes = pitch.y * heightPx;
  const chromaBytes = pitch.c * halfHeight;
  const memory = createSharedMemory(HEAD_BYTES + lumaBytes + 2 * chromaBytes);
  const planes: SharedPlanes = {
    memory,
    epochOffsetBytes: 8,
    widthPx,
    heightPx,
    y: { offsetBytes: HEAD_BYTES, pitchBytes: pitch.y },
    u: { offsetBytes: HEAD_BYTES + lumaBytes, pitchBytes: pitch.c },
    v: { offsetBytes: HEAD_BYTES + lumaBytes + chromaBytes, pitchBytes: pitch.c },
  };
  const bytes = new Uint8Array(memory.buffer);
  const epoch = new Int32Array(memory.buffer, planes.epochOffsetBytes, 1);
  const rows = (plane: SharedPlanes['y'], width: number, height: number): Uint8Array => {
    const out = new Uint8Array(width * height);
    for (let y = 0; y < height; y++) {
      const at = plane.offsetBytes + y * plane.pitchBytes;
      out.set(bytes.subarray(at, at + width), y * width);
    }
    return out;
  };
  return {
    planes,
    memory,
    epoch,
    draw(shade) {
      beginWrite(epoch);
      for (let y = 0; y < heightPx; y++) {
        for (let x = 0; x < widthPx; x++) {
          const [luma, u, v] = shade(x, y);
          bytes[planes.y.offsetBytes + y * pitch.y + x] = luma;
          if ((x & 1) !== 0 || (y & 1) !== 0) continue;
          const at = (y >> 1) * pitch.c + (x >> 1);
          bytes[planes.u.offsetBytes + at] = u;
          bytes[planes.v.offsetBytes + at] = v;
        }
      }
      endWrite(epoch);
    },
    pixels: () => ({
      y: rows(planes.y, widthPx, heightPx),
      u: rows(planes.u, halfWidth, halfHeight),
      v: rows(planes.v, halfWidth, halfHeight),
    }),
    [Symbol.dispose]: () => memory.close(),
  };
}

/** Smooth and sharp at once: slopes in all planes, and a grid of lines that moves with `step`. */
export function plaid(step: number): Shade {
  return (x, y) => [
    (x + step) % 32 < 2 || y % 24 < 2 ? 200 : 40 + (((x * 3 + y) >> 3) % 120),
    90 + ((x >> 3) % 60),
    100 + ((y >> 3) % 50),
  ];
}

/**
 * Another noise in each step, which is much to code, below row 64: where all of a picture is another
 * one, openh264 takes it for another scene and makes a key frame.
 */
export function snow(step: number): Shade {
  let state = step * 2_654_435_761 + 1;
  return (_, y) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return [y < 64 ? 96 : 96 + (state >>> 26), 128, 128];
  };
}

/** The chunk that a request became. */
export function chunkOf(outcome: VideoOutcome): VideoChunk {
  if (outcome.kind === 'chunk') return outcome;
  const why = outcome.kind === 'failed' ? `: ${outcome.error.message}` : '';
  throw new Error(`expected a chunk, but the request was ${outcome.kind}${why}`);
}

/** Decodes chunks in their order. */
export async function decodeChunks(chunks: readonly VideoChunk[]): Promise<readonly CodedFrame[]> {
  const first = chunks[0];
  if (first === undefined) throw new Error('nothing to decode');
  return await decodeFrames(
    first.format.codecString,
    chunks.map(({ bytes, keyFrame }) => ({ data: bytes, type: keyFrame ? 'key' : 'delta' })),
  );
}

/** How like the planes of a decoded picture are to those that were coded. Units: decibels. */
export function likeness(
  frame: CodedFrame | undefined,
  picture: TestPicture,
): { readonly y: number; readonly u: number; readonly v: number } {
  if (frame === undefined) throw new Error('nothing was decoded');
  const { widthPx, heightPx } = picture.planes;
  const { y, u, v } = picture.pixels();
  const half = (px: number): number => (px + 1) >> 1;
  const chroma = { width: half(widthPx), height: half(heightPx), pitch: frame.widthPx / 2 };
  return {
    y: psnr(frame.y, y, { width: widthPx, height: heightPx, pitch: frame.widthPx }),
    u: psnr(frame.u, u, chroma),
    v: psnr(frame.v, v, chroma),
  };
}

/** Of the top left of a plane, and one that is as large as that: 40 and more is hard to see. */
function psnr(
  plane: Uint8Array,
  original: Uint8Array,
  size: { readonly width: number; readonly height: number; readonly pitch: number },
): number {
  const { width, height, pitch } = size;
  let sum = 0;
  for (let row = 0; row < height; row++)
    for (let x = 0; x < width; x++)
      sum += ((plane[row * pitch + x] ?? 0) - (original[row * width + x] ?? 0)) ** 2;
  return sum === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10((255 ** 2 * width * height) / sum);
}
