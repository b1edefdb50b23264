import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { deflateRaw, deflateRawSync } from 'node:zlib';
import { tilesAreaPx } from '../../client/tiles/grid.ts';
import type { PictureView } from '../../client/tiles/view.ts';
import { packTiles } from '../../native/index.ts';
import { encodeTiles, TILE_CODINGS, type TilesMessage } from '../../protocol/wire/index.ts';
import type { EncodedUpdate, Encoder, EncoderOptions, EncoderStats } from './encoder.ts';
import { BufferPool, Lanes } from './pool.ts';
import { type CodedParts, SharedUpdates } from './sharing.ts';

const BYTES_PER_PIXEL = 3;
/**
 * Most bytes of pixels in one message. Large enough for the socket's best speed, small enough that
 * all cores have something to do and that the cursor can slip in between.
 */
export const PART_RAW_BYTES: number = 256 * 1024;
/** Below this, handing the work to another thread costs more than doing it: four tiles. */
const DIRECT_RAW_BYTES = 48 * 1024;
/** Spare buffers that are kept: as many as the parts of a full 4K picture. */
const SPARE_BUFFERS = 96;
/** Higher levels cost several times as much and save a few percent of a screen. */
const DEFLATE_LEVEL = 1;

const deflateInPool = promisify<Uint8Array, { level: number; chunkSize: number }, Uint8Array>(
  deflateRaw,
);

/** Codes changed tiles exact to the bit: deflate over packed R, G, B. */
export class LosslessEncoder implements Encoder {
  readonly encoding: 'lossless' = 'lossless' as const;
  readonly #updates: SharedUpdates;
  readonly #pool = new BufferPool({ bytes: PART_RAW_BYTES, most: SPARE_BUFFERS });
  readonly #lanes = new Lanes(Math.max(2, availableParallelism()));
  #rawBytes = 0;
  #codedBytes = 0;
  #seconds = 0;

  constructor(options: EncoderOptions = {}) {
    this.#updates = new SharedUpdates({
      ...options,
      coder: (job) => this.#code(job.picture, job.tiles, job.count),
      isLarge: (picture, count) => count * tileBytes(picture) > PART_RAW_BYTES,
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
    this.#pool.drain();
  }

  async close(): Promise<void> {
    await this.#updates.close();
    this.#pool.drain();
  }

  #code(picture: PictureView, tiles: Uint32Array, count: number): CodedParts {
    const tilesPerPart = Math.max(1, Math.floor(PART_RAW_BYTES / tileBytes(picture)));
    const parts: Promise<Uint8Array>[] = [];
    for (let at = 0; at < count || at === 0; at += tilesPerPart) {
      const end = Math.min(count, at + tilesPerPart);
      parts.push(this.#codePart(picture, tiles.slice(at, end), end >= count));
    }
    return { parts, large: parts.length > 1, exact: true };
  }

  /** Copies the pixels before it returns; what comes later works on the copy. */
  #codePart(picture: PictureView, tiles: Uint32Array, last: boolean): Promise<Uint8Array> {
    const rawBytes = tilesAreaPx(picture.grid, tiles, tiles.length) * BYTES_PER_PIXEL;
    const buffer = this.#pool.take();
    packTiles({
      out: buffer,
      picture: picture.pixels,
      picturePitchBytes: picture.pitchBytes,
      widthPx: picture.grid.widthPx,
      heightPx: picture.grid.heightPx,
      tilePx: picture.grid.tilePx,
      tileIndices: tiles,
      bytesPerPixel: BYTES_PER_PIXEL,
    });
    const raw = buffer.subarray(0, rawBytes);
    const head = { epoch: picture.epoch, serial: picture.serial, last, rawBytes, tiles };
    const part = this.#deflate(raw, head).finally(() => this.#pool.give(buffer));
    // A viewer that left no longer waits for its parts: that is no unhandled failure.
    part.catch(() => {});
    return part;
  }

  async #deflate(
    raw: Uint8Array,
    head: Omit<TilesMessage, 'coding' | 'pixels'>,
  ): Promise<Uint8Array> {
    const options = { level: DEFLATE_LEVEL, chunkSize: Math.max(1024, raw.byteLength) };
    let seconds = 0;
    const timed = async (): Promise<Uint8Array> => {
      const startMs = performance.now();
      const deflated =
        raw.byteLength <= DIRECT_RAW_BYTES
          ? deflateRawSync(raw, options)
          : await deflateInPool(raw, options);
      seconds = (performance.now() - startMs) / 1000;
      return deflated;
    };
    const deflated =
      raw.byteLength <= DIRECT_RAW_BYTES ? await timed() : await this.#lanes.run(timed);
    const shrunk = deflated.byteLength < raw.byteLength;
    const message = encodeTiles({
      ...head,
      coding: shrunk ? TILE_CODINGS.deflateRaw : TILE_CODINGS.raw,
      pixels: shrunk ? deflated : raw,
    });
    this.#rawBytes += raw.byteLength;
    this.#codedBytes += message.byteLength;
    this.#seconds += seconds;
    return message;
  }
}

function tileBytes(picture: PictureView): number {
  return picture.grid.tilePx * picture.grid.tilePx * BYTES_PER_PIXEL;
}
