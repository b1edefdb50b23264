import { availableParallelism } from 'node:os';
import { mergeTiles, tilesInRects } from '../../client/tiles/grid.ts';
import type { PictureView } from '../../client/tiles/view.ts';
import { KvmfrError } from '../../protocol/error.ts';
import type { Rect } from '../../protocol/rect.ts';
import { encodeImage, IMAGE_KINDS, type ImageMessage } from '../../protocol/wire/index.ts';
import type { EncodedUpdate, Encoder, EncoderOptions, EncoderStats } from './encoder.ts';
import { copyRect, encodeJpeg, type JpegOptions } from './image.ts';
import { Lanes } from './pool.ts';
import { type CodedParts, SharedUpdates } from './sharing.ts';

/** Pixels in one JPEG: a full 1080p picture makes four, so that all cores have something to do. */
export const PART_PX: number = 1 << 19;
/** JPEG at this quality without full colour resolution: a quarter of the bytes of quality 90. */
const DEFAULT_QUALITY = 80;
const RGB_BYTES = 3;

/** How the JPEG encoder codes. */
export interface JpegEncoderOptions extends EncoderOptions {
  /** 1 to 100; 80 when left out. */
  readonly quality?: number;
  /** Colour resolution; a quarter of the brightness' when left out. */
  readonly chromaSubsampling?: '4:2:0' | '4:4:4';
}

/**
 * Codes what changed as JPEG images: cheap for whoever decodes it, and small, but not exact.
 *
 * @throws ERR_KVMFR_ARGUMENT when the quality is not 1 to 100
 */
export class JpegEncoder implements Encoder {
  readonly encoding: 'jpeg' = 'jpeg' as const;
  readonly #updates: SharedUpdates;
  readonly #jpeg: JpegOptions;
  readonly #lanes = new Lanes(Math.max(2, availableParallelism()));
  #rawBytes = 0;
  #codedBytes = 0;
  #seconds = 0;

  constructor(options: JpegEncoderOptions = {}) {
    const quality = options.quality ?? DEFAULT_QUALITY;
    if (!Number.isInteger(quality) || quality < 1 || quality > 100)
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `quality of a JPEG must be 1 to 100, but is ${quality}`,
      );
    this.#jpeg = { quality, chromaSubsampling: options.chromaSubsampling ?? '4:2:0' };
    this.#updates = new SharedUpdates({
      ...options,
      coder: (job) => this.#code(job.picture, job.tiles, job.count),
      isLarge: (picture, count) => count * picture.grid.tilePx ** 2 > PART_PX,
    });
  }

  get stats(): EncoderStats {
    return {
      ...this.#updates.counts,
      rawBytes: this.#rawBytes,
      codedBytes: this.#codedBytes,
      seconds: this.#seconds,
    };
  }

  encode(picture: PictureView, from: number): EncodedUpdate | undefined {
    return this.#updates.take(picture, from);
  }

  encodeTiles(picture: PictureView, tiles: Uint32Array, count: number): EncodedUpdate | undefined {
    return this.#updates.takeTiles(picture, tiles, count);
  }

  rest(): void {
    this.#updates.rest();
  }

  async close(): Promise<void> {
    await this.#updates.close();
  }

  #code(picture: PictureView, tiles: Uint32Array, count: number): CodedParts {
    const { epoch, serial } = picture;
    const rects = mergeTiles(picture.grid, tiles, count).flatMap((rect) =>
      splitRect(rect, picture.grid.tilePx),
    );
    const parts = rects.map((rect, index) =>
      this.#codePart(picture, { epoch, serial, rect, last: index === rects.length - 1 }),
    );
    // What lies between tiles that changed is drawn over with them, and is exact no more.
    const drawn = tilesInRects(picture.grid, rects);
    return { parts, tiles: drawn, large: parts.length > 1, exact: false };
  }

  /** Copies the pixels before it returns; what comes later works on the copy. */
  #codePart(
    picture: PictureView,
    head: Pick<ImageMessage, 'epoch' | 'serial' | 'rect' | 'last'>,
  ): Promise<Uint8Array> {
    const image = copyRect(picture, head.rect);
    const part = this.#lanes.run(async () => {
      const startMs = performance.now();
      const data = await encodeJpeg(image, this.#jpeg);
      const message = encodeImage({ ...head, kind: IMAGE_KINDS.jpeg, data });
      this.#rawBytes += head.rect.width * head.rect.height * RGB_BYTES;
      this.#codedBytes += message.byteLength;
      this.#seconds += (performance.now() - startMs) / 1000;
      return message;
    });
    // A viewer that left no longer waits for its parts: that is no unhandled failure.
    part.catch(() => {});
    return part;
  }
}

/** Cuts a rect into pieces of at most about {@link PART_PX} along tile borders. */
function splitRect(rect: Rect, tilePx: number): Rect[] {
  const tileRows = Math.floor(PART_PX / (rect.width * tilePx));
  const stepPx = Math.max(1, tileRows) * tilePx;
  const pieces: Rect[] = [];
  for (let y = 0; y < rect.height; y += stepPx)
    pieces.push({ ...rect, y: rect.y + y, height: Math.min(stepPx, rect.height - y) });
  return pieces;
}
