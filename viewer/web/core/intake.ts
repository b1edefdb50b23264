import type { Rect } from '../../../protocol/rect.ts';
import {
  decodeCover,
  decodeImage,
  decodeMoves,
  decodePicture,
  decodeTiles,
  decodeTimes,
  decodeVideo,
  decodeVideoStream,
  type Envelope,
  type PictureMessage,
  type TimesMessage,
  type VideoMessage,
  type VideoStream,
  wireError,
} from '../../../protocol/wire/index.ts';
import type { Clock } from './clock.ts';
import { TileSet, tileCount } from './decode/cover.ts';
import { decodeBitmap, type MakeBitmap } from './decode/image.ts';
import type { Grid } from './decode/plan.ts';
import { BufferPool } from './decode/pool.ts';
import { decodeTilePixels } from './decode/tiles.ts';
import { UpdateAssembler, type UpdateName } from './decode/updates.ts';
import { type NewDecoder, StreamDecoder } from './decode/video.ts';
import type { ReadyUpdate } from './render/presenter.ts';
import type { Part } from './render/surface.ts';

/** What an intake works with. */
export interface IntakeOptions {
  readonly clock: Clock;
  readonly makeBitmap: MakeBitmap;
  readonly newDecoder: NewDecoder;
  /** Takes each update when all of it is decoded, in order. */
  readonly ready: (update: ReadyUpdate) => void;
  /** An update of a picture that is no more has come to its end: there is nothing to present. */
  readonly void: (update: UpdateName) => void;
  readonly needKey: (stream: number) => void;
  readonly gaveUp: (stream: VideoStream) => void;
  /** Called when something could not be decoded. */
  readonly failed: (error: unknown) => void;
}

/** Makes updates of the messages that have pixels, or say where they belong. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #pool: BufferPool = new BufferPool();
  readonly #assembler: UpdateAssembler;
  readonly #decoder: StreamDecoder;
  #tilePx: number | undefined;
  #picture: PictureMessage | undefined;
  #grid: Grid | undefined;
  /** What the next video message shows, unless another cover comes before it. */
  #cover: TileSet | undefined;
  /** What the stream shows of the picture; worked out once, so that it is the same object. */
  #region: Rect | undefined;
  #times: TimesMessage | undefined;

  constructor(options: IntakeOptions) {
    const { clock, ready, failed, newDecoder, needKey, gaveUp } = options;
    this.#options = options;
    this.#assembler = new UpdateAssembler({ clock, ready, failed });
    this.#decoder = new StreamDecoder({ clock, newDecoder, needKey, gaveUp });
  }

  /** The stream that is decoded now. */
  get stream(): VideoStream | undefined {
    return this.#decoder.stream;
  }

  /** A connection begins. Units: the side of a tile in pixels. */
  begin(tilePx: number): void {
    this.#tilePx = tilePx;
  }

  /** The connection has ended: what is under way is forgotten. */
  clear(): void {
    this.#assembler.clear();
    this.#decoder.stop();
    this.#tilePx = undefined;
    this.#picture = undefined;
    this.#grid = undefined;
    this.#cover = undefined;
    this.#times = undefined;
  }

  /** Takes a picture message. @throws ERR_KVMFR_WIRE */
  picture(envelope: Envelope): void {
    const picture = decodePicture(envelope);
    const tilePx = this.#tilePx;
    if (tilePx === undefined) throw wireError('a picture message must come after the hello');
    const grid = { widthPx: picture.widthPx, heightPx: picture.heightPx, tilePx };
    this.#picture = picture;
    this.#grid = grid;
    this.#cover = undefined;
    this.#times = undefined;
    // The canvas changes with the first update, so that the former picture stays until then.
    this.#assembler.dropOpen();
    this.#assembler.add(Promise.resolve({ kind: 'size', picture, grid }));
  }

  /** Takes a tiles message. @throws ERR_KVMFR_WIRE */
  tiles(envelope: Envelope): void {
    const { grid } = this.#needPicture('tiles');
    const message = decodeTiles(envelope, grid);
    this.#add(message, async () => {
      const decoded = await decodeTilePixels(message, grid, this.#pool);
      return { kind: 'pixels', blocks: decoded.blocks, release: decoded.release };
    });
  }

  /** Takes a moves message. @throws ERR_KVMFR_WIRE */
  moves(envelope: Envelope): void {
    const { grid } = this.#needPicture('moves');
    const { epoch, moves } = decodeMoves(envelope, grid);
    if (epoch === this.#picture?.epoch)
      this.#assembler.add(Promise.resolve({ kind: 'moves', moves }));
  }

  /** Takes an image message. @throws ERR_KVMFR_WIRE */
  image(envelope: Envelope): void {
    const { grid } = this.#needPicture('image');
    const message = decodeImage(envelope, grid);
    this.#add(message, async () => ({
      kind: 'bitmap',
      rect: message.rect,
      bitmap: await decodeBitmap(message, this.#options.makeBitmap),
    }));
  }

  /** Takes the announcement of a stream. @throws ERR_KVMFR_WIRE */
  videoStream(envelope: Envelope): void {
    this.#decoder.start(decodeVideoStream(envelope));
    this.#region = undefined;
  }

  /** Takes a cover message. @throws ERR_KVMFR_WIRE */
  cover(envelope: Envelope): void {
    const { grid, picture } = this.#needPicture('cover');
    // Of another picture it has another size, and means nothing.
    if (envelope.body.byteLength >= 4 && envelope.body.getUint32(0, true) !== picture.epoch) return;
    this.#cover = new TileSet(grid, decodeCover(envelope, tileCount(grid)).bits);
  }

  /** Takes a video message. @throws ERR_KVMFR_WIRE */
  video(envelope: Envelope): void {
    const { grid, picture } = this.#needPicture('video');
    const message = decodeVideo(envelope);
    this.#cover ??= new TileSet(grid);
    const cover = this.#cover;
    this.#add(message, async () => {
      const region = this.#regionIn(picture);
      const frame = await this.#decode(message, { picture, grid, region });
      return frame === undefined ? { kind: 'nothing' } : { kind: 'video', frame, cover, region };
    });
  }

  /** Takes what the frame of an update has been through. @throws ERR_KVMFR_WIRE */
  times(envelope: Envelope): void {
    this.#times = decodeTimes(envelope);
  }

  /** What the stream shows of a picture: the same object for each of its frames. */
  #regionIn({ widthPx, heightPx }: PictureMessage): Rect {
    this.#region ??= this.#decoder.stream?.region ?? {
      ...{ x: 0, y: 0, width: widthPx, height: heightPx },
    };
    return this.#region;
  }

  #decode(
    message: VideoMessage,
    shown: { readonly picture: PictureMessage; readonly grid: Grid; readonly region: Rect },
  ): Promise<VideoFrame | undefined> {
    const { picture, grid, region } = shown;
    const { stream } = this.#decoder;
    if (stream?.stream === message.stream) {
      const { codedWidthPx: width, codedHeightPx: height } = stream;
      if (stream.epoch !== picture.epoch)
        throw wireError(
          `a stream of epoch ${stream.epoch} cannot show a picture of epoch ${picture.epoch}`,
        );
      if (!isWholeTiles(region, grid))
        throw wireError(
          `a stream must show whole tiles of a picture of ${picture.widthPx} x ${picture.heightPx}, but shows ${region.width} x ${region.height} at ${region.x}, ${region.y}`,
        );
      if (width !== roundUpToEven(region.width) || height !== roundUpToEven(region.height))
        throw wireError(
          `a picture of ${region.width} x ${region.height} cannot be coded as ${width} x ${height}`,
        );
    }
    return this.#decoder.decode(message);
  }

  #needPicture(what: string): { readonly picture: PictureMessage; readonly grid: Grid } {
    const picture = this.#picture;
    const grid = this.#grid;
    if (picture === undefined || grid === undefined)
      throw wireError(`a message of ${what} must come after a picture message`);
    return { picture, grid };
  }

  #add(message: UpdateName & { readonly last: boolean }, part: () => Promise<Part>): void {
    const { epoch, serial } = message;
    if (epoch === this.#picture?.epoch) {
      this.#assembler.add(part());
      if (message.last) this.#assembler.finish({ epoch, serial, times: this.#takeTimes(message) });
    } else if (message.last) {
      this.#options.void({ epoch, serial });
    }
  }

  #takeTimes({ epoch, serial }: UpdateName): TimesMessage | undefined {
    const times = this.#times;
    this.#times = undefined;
    return times?.epoch === epoch && times.serial === serial ? times : undefined;
  }
}

function roundUpToEven(px: number): number {
  return px + (px & 1);
}

/** Whether a rect begins and ends where tiles of the picture do. */
function isWholeTiles({ x, y, width, height }: Rect, { widthPx, heightPx, tilePx }: Grid): boolean {
  const isEnd = (at: number, end: number): boolean => at === end || (at < end && at % tilePx === 0);
  const begins = x % tilePx === 0 && y % tilePx === 0;
  return begins && isEnd(x + width, widthPx) && isEnd(y + height, heightPx);
}
