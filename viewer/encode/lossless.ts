import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { deflateRaw, deflateRawSync } from 'node:zlib';
import { tilesAreaPx } from '../../client/tiles/grid.ts';
import type { PictureView } from '../../client/tiles/view.ts';
import { codeTiles, codeTilesInPool, packTiles } from '../../native/index.ts';
import { encodeTiles, TILE_CODINGS, type TileCodingName } from '../../protocol/wire/index.ts';
import type { EncodedUpdate, Encoder, EncoderOptions, EncoderStats } from './encoder.ts';
import { BufferPool, Lanes } from './pool.ts';
import { type CodedParts, SharedUpdates } from './sharing.ts';

const RGB_BYTES = 3;
const RGBA_BYTES = 4;
/**
 * Most bytes of pixels in one message. Large enough for the socket's best speed, small enough that
 * all cores have something to do and that the cursor can slip in between.
 */
export const PART_RAW_BYTES: number = 256 * 1024;
/** Below this, handing the work to another thread costs more than deflating: four tiles. */
const DIRECT_DEFLATE_BYTES = 48 * 1024;
/** Spare buffers that are kept: as many as the parts of a full 4K picture. */
const SPARE_BUFFERS = 96;
/** Higher levels cost several times as much and save a few percent of a screen. */
const DEFLATE_LEVEL = 1;

const deflateInPool = promisify<Uint8Array, { level: number; chunkSize: number }, Uint8Array>(
  deflateRaw,
);

/** One message to be made. */
interface Part {
  readonly picture: PictureView;
  readonly epoch: number;
  readonly serial: number;
  readonly tiles: Uint32Array;
  readonly rawBytes: number;
  /** Whether it is the last of its update. */
  readonly last: boolean;
  /** Whether there is no other. */
  readonly alone: boolean;
}

/** Copies the pixels of a part before it returns; what comes later works on the copy. */
type PartCoder = (part: Part) => Promise<Uint8Array>;

/**
 * Codes changed tiles exact to the bit: as ops for viewers that take them, for others as deflate
 * over packed R, G, B.
 */
export class LosslessEncoder implements Encoder {
  readonly encoding: 'lossless' = 'lossless' as const;
  readonly #ops: SharedUpdates;
  readonly #deflated: SharedUpdates;
  readonly #pool = new BufferPool({ bytes: PART_RAW_BYTES, most: SPARE_BUFFERS });
  readonly #wordPool = new BufferPool({
    bytes: Math.ceil(PART_RAW_BYTES / RGB_BYTES) * RGBA_BYTES,
    most: SPARE_BUFFERS,
  });
  readonly #lanes = new Lanes(Math.max(2, availableParallelism()));
  #rawBytes = 0;
  #codedBytes = 0;
  #seconds = 0;

  constructor(options: EncoderOptions = {}) {
    this.#ops = sharedUpdates(options, (part) => this.#codeOps(part));
    this.#deflated = sharedUpdates(options, (part) => this.#deflate(part));
  }

  get stats(): EncoderStats {
    const ops = this.#ops.counts;
    const deflated = this.#deflated.counts;
    return {
      updates: ops.updates + deflated.updates,
      shared: ops.shared + deflated.shared,
      rawBytes: this.#rawBytes,
      codedBytes: this.#codedBytes,
      seconds: this.#seconds,
    };
  }

  encode(picture: PictureView, from: number, coding?: TileCodingName): EncodedUpdate | undefined {
    return this.#updates(coding).take(picture, from);
  }

  encodeTiles(
    picture: PictureView,
    tiles: Uint32Array,
    count: number,
    coding?: TileCodingName,
    newest?: boolean,
  ): EncodedUpdate | undefined {
    return this.#updates(coding).takeTiles(picture, tiles, count, newest);
  }

  rest(): void {
    this.#ops.rest();
    this.#deflated.rest();
    this.#drain();
  }

  async close(): Promise<void> {
    await Promise.all([this.#ops.close(), this.#deflated.close()]);
    this.#drain();
  }

  #drain(): void {
    this.#pool.drain();
    this.#wordPool.drain();
  }

  #updates(coding: TileCodingName | undefined): SharedUpdates {
    return coding === 'ops' ? this.#ops : this.#deflated;
  }

  async #codeOps(part: Part): Promise<Uint8Array> {
    const { picture, tiles, rawBytes } = part;
    const buffer = this.#wordPool.take();
    pack(part, buffer, RGBA_BYTES);
    const job = {
      packed: new Uint32Array(buffer.buffer, 0, rawBytes / RGB_BYTES),
      widthPx: picture.grid.widthPx,
      heightPx: picture.grid.heightPx,
      tilePx: picture.grid.tilePx,
      tileIndices: tiles,
    };
    const code = async (): Promise<Uint8Array> => {
      const out = this.#pool.take();
      // A single message is coded sooner than another thread has woken up.
      const startMs = performance.now();
      const bytes = part.alone
        ? codeTiles({ ...job, out })
        : await codeTilesInPool({ ...job, out });
      this.#seconds += (performance.now() - startMs) / 1000;
      const coding = bytes < rawBytes ? TILE_CODINGS.ops : TILE_CODINGS.raw;
      const message = this.#message(part, coding, out.subarray(0, bytes));
      this.#pool.give(out);
      return message;
    };
    return await (part.alone ? code() : this.#lanes.run(code)).finally(() => {
      this.#wordPool.give(buffer);
    });
  }

  async #deflate(part: Part): Promise<Uint8Array> {
    const buffer = this.#pool.take();
    pack(part, buffer, RGB_BYTES);
    const raw = buffer.subarray(0, part.rawBytes);
    const options = { level: DEFLATE_LEVEL, chunkSize: Math.max(1024, raw.byteLength) };
    const isSmall = raw.byteLength <= DIRECT_DEFLATE_BYTES;
    const code = async (): Promise<Uint8Array> => {
      const startMs = performance.now();
      const deflated = isSmall ? deflateRawSync(raw, options) : await deflateInPool(raw, options);
      this.#seconds += (performance.now() - startMs) / 1000;
      return deflated.byteLength < raw.byteLength
        ? this.#message(part, TILE_CODINGS.deflateRaw, deflated)
        : this.#message(part, TILE_CODINGS.raw, raw);
    };
    return await (isSmall ? code() : this.#lanes.run(code)).finally(() => {
      this.#pool.give(buffer);
    });
  }

  #message(part: Part, coding: number, pixels: Uint8Array): Uint8Array {
    const { epoch, serial, tiles, rawBytes, last } = part;
    const message = encodeTiles({ epoch, serial, coding, last, rawBytes, tiles, pixels });
    this.#rawBytes += rawBytes;
    this.#codedBytes += message.byteLength;
    return message;
  }
}

function sharedUpdates(options: EncoderOptions, code: PartCoder): SharedUpdates {
  return new SharedUpdates({
    ...options,
    coder: ({ picture, tiles, count }) => codeParts(picture, tiles.subarray(0, count), code),
    isLarge: (picture, count) => count * tileBytes(picture) > PART_RAW_BYTES,
  });
}

function codeParts(picture: PictureView, tiles: Uint32Array, code: PartCoder): CodedParts {
  const { epoch, serial, grid } = picture;
  const tilesPerPart = Math.max(1, Math.floor(PART_RAW_BYTES / tileBytes(picture)));
  const parts: Promise<Uint8Array>[] = [];
  for (let at = 0; at < tiles.length || at === 0; at += tilesPerPart) {
    const own = tiles.slice(at, at + tilesPerPart);
    const part = code({
      ...{ picture, epoch, serial, tiles: own },
      rawBytes: tilesAreaPx(grid, own, own.length) * RGB_BYTES,
      last: at + tilesPerPart >= tiles.length,
      alone: tiles.length <= tilesPerPart,
    });
    // A viewer that left no longer waits for its parts: that is no unhandled failure.
    part.catch(() => {});
    parts.push(part);
  }
  return { parts, tiles, large: parts.length > 1, exact: true };
}

function pack({ picture, tiles }: Part, out: Uint8Array, bytesPerPixel: 3 | 4): void {
  packTiles({
    out,
    picture: picture.pixels,
    picturePitchBytes: picture.pitchBytes,
    widthPx: picture.grid.widthPx,
    heightPx: picture.grid.heightPx,
    tilePx: picture.grid.tilePx,
    tileIndices: tiles,
    bytesPerPixel,
  });
}

function tileBytes(picture: PictureView): number {
  return picture.grid.tilePx * picture.grid.tilePx * RGB_BYTES;
}
