import { createSharedMemory, type Mapping } from '../../native/index.ts';
import {
  beginWrite,
  endWrite,
  type SharedPlanes,
  type VideoChunk,
  type VideoOutcome,
} from '../../viewer/encode/video/index.ts';
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

/** How like two planes are. Units: decibels; 40 and more are hard to tell apart. */
export function psnr(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) throw new Error(`planes of ${a.length} and ${b.length} bytes`);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] ?? 0) - (b[i] ?? 0)) ** 2;
  return sum === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10((255 ** 2 * a.length) / sum);
}
