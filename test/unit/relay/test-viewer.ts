import { once } from 'node:events';
import sharp from 'sharp';
import { WebSocket } from 'ws';
import {
  type Bye,
  type ClipboardData,
  type ClipboardState,
  type CoverMessage,
  type CursorMessage,
  type CursorShapeMessage,
  decodeBye,
  decodeClipboardData,
  decodeClipboardState,
  decodeCover,
  decodeCursor,
  decodeCursorShape,
  decodeHello,
  decodeImage,
  decodeInputState,
  decodeMoves,
  decodePicture,
  decodePong,
  decodeSound,
  decodeSoundState,
  decodeState,
  decodeStats,
  decodeTimes,
  decodeVideo,
  decodeVideoStream,
  encodeAck,
  encodeViewerHello,
  type Hello,
  type InputState,
  type PictureMessage,
  type PongMessage,
  type RelayStats,
  readEnvelope,
  type SoundMessage,
  type SoundState,
  type State,
  type TimesMessage,
  type VideoMessage,
  type VideoStream,
  type ViewerHello,
  WIRE_SUBPROTOCOL,
  WIRE_TYPES,
} from '../../../protocol/wire/index.ts';
import { drawTiles, readTiles } from '../encode/pictures.ts';

/** An update that has come in full. */
export interface Update {
  readonly epoch: number;
  readonly serial: number;
  readonly tiles: readonly number[];
  readonly images: number;
  readonly bytes: number;
  /** Codings of its tiles messages, in their order. */
  readonly codings: readonly number[];
  /** How many moves came before its tiles. */
  readonly moves: number;
}

/** An update that is still coming. */
interface OpenUpdate {
  readonly tiles: number[];
  readonly codings: number[];
  images: number;
  moves: number;
  bytes: number;
}

function newUpdate(): OpenUpdate {
  return { tiles: [], codings: [], images: 0, moves: 0, bytes: 0 };
}

/** How a test viewer behaves. */
export interface TestViewerOptions {
  readonly hello?: Partial<ViewerHello> | false;
  /** Acknowledges each update when it is complete; true when left out. */
  readonly acks?: boolean;
  /** Told of each update with tiles when it is drawn. */
  readonly drawn?: (update: Update, rgb: Uint8Array) => void;
  readonly headers?: { readonly [name: string]: string };
  readonly protocols?: readonly string[];
}

/** A viewer that reads the wire as docs/wire.md says and draws the slow and obvious way. */
export class TestViewer {
  readonly socket: WebSocket;
  readonly updates: Update[] = [];
  readonly states: State[] = [];
  readonly pictures: PictureMessage[] = [];
  readonly cursors: CursorMessage[] = [];
  readonly shapes: CursorShapeMessage[] = [];
  readonly stats: RelayStats[] = [];
  readonly pongs: PongMessage[] = [];
  readonly times: TimesMessage[] = [];
  readonly streams: VideoStream[] = [];
  readonly covers: CoverMessage[] = [];
  readonly videos: VideoMessage[] = [];
  readonly inputs: InputState[] = [];
  readonly clipboards: ClipboardState[] = [];
  readonly contents: ClipboardData[] = [];
  readonly soundStates: SoundState[] = [];
  /** Pieces of sound, their data copied. */
  readonly sounds: SoundMessage[] = [];
  /** Types of messages in the order in which they came. */
  readonly order: number[] = [];
  hello: Hello | undefined;
  bye: Bye | undefined;
  closeCode: number | undefined;
  rgb: Uint8Array = new Uint8Array(0);
  acks: boolean;
  readonly #drawn: TestViewerOptions['drawn'];
  #open: OpenUpdate = newUpdate();
  #work: Promise<void> = Promise.resolve();
  #error: unknown;
  readonly #changed = new Set<() => void>();

  constructor(url: string, options: TestViewerOptions = {}) {
    this.acks = options.acks ?? true;
    this.#drawn = options.drawn;
    this.socket = new WebSocket(url, [...(options.protocols ?? [WIRE_SUBPROTOCOL])], {
      headers: { ...options.headers },
    });
    this.socket.on('open', () => {
      if (options.hello === false) return;
      this.send(
        encodeViewerHello({
          wire: 1,
          encodings: ['lossless'],
          codecs: [],
          visible: true,
          ...options.hello,
        }),
      );
    });
    this.socket.on('error', () => {});
    this.socket.on('message', (data) => {
      if (!(data instanceof Uint8Array)) throw new Error('not a buffer');
      this.#work = this.#work
        .then(() => this.#read(data))
        .catch((error) => {
          this.#error ??= error;
        })
        .finally(() => this.#notify());
    });
    this.socket.on('close', (code) => {
      // Behind all that came before it.
      this.#work = this.#work.then(() => {
        this.closeCode = code;
        this.#notify();
      });
    });
  }

  get picture(): PictureMessage | undefined {
    return this.pictures.at(-1);
  }

  get cursor(): CursorMessage | undefined {
    return this.cursors.at(-1);
  }

  get state(): State | undefined {
    return this.states.at(-1);
  }

  get serial(): number {
    return this.updates.at(-1)?.serial ?? 0;
  }

  send(message: Uint8Array): void {
    this.socket.send(message);
  }

  /** Acknowledges the update at an index. */
  ack(index: number): void {
    const update = this.updates[index];
    if (update === undefined) throw new Error(`there is no update ${index}`);
    this.send(encodeAck({ ...update, networkUs: 5, boundUs: 1, decodeUs: 10, presentUs: 20 }));
  }

  /**
   * Waits until something holds; fails with the first thing that was wrong on the wire, or when nothing
   * comes any more.
   */
  async until(holds: (viewer: this) => boolean): Promise<void> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      if (holds(this)) return;
      if (this.closeCode !== undefined)
        throw new Error(`the viewer was closed: ${this.closeCode} ${this.bye?.message ?? ''}`);
      await new Promise<void>((resolve) => this.#changed.add(resolve));
    }
  }

  /** Waits until it shows exactly these pixels. */
  async untilShows(rgb: Uint8Array): Promise<void> {
    await this.until(() => Buffer.compare(this.rgb, rgb) === 0);
  }

  /** Waits until its socket is closed. */
  async untilClosed(): Promise<void> {
    await this.until(() => this.closeCode !== undefined);
  }

  /** Sends a ping and waits for its answer: all that was sent before has come by then. */
  async settle(ping: Uint8Array): Promise<void> {
    const { length } = this.pongs;
    this.send(ping);
    await this.until(() => this.pongs.length > length);
  }

  async close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    const closed = once(this.socket, 'close');
    this.socket.close();
    await closed;
  }

  #notify(): void {
    for (const wake of this.#changed) wake();
    this.#changed.clear();
  }

  async #read(message: Uint8Array): Promise<void> {
    const envelope = readEnvelope(message);
    this.order.push(envelope.type);
    switch (envelope.type) {
      case WIRE_TYPES.hello:
        this.hello = decodeHello(envelope);
        break;
      case WIRE_TYPES.state:
        this.states.push(decodeState(envelope));
        break;
      case WIRE_TYPES.picture:
        this.#begin(decodePicture(envelope));
        break;
      case WIRE_TYPES.tiles:
        this.#draw(message);
        break;
      case WIRE_TYPES.moves:
        this.#move(message);
        break;
      case WIRE_TYPES.image:
        await this.#drawImage(message);
        break;
      case WIRE_TYPES.cursor:
        this.cursors.push(decodeCursor(envelope));
        break;
      case WIRE_TYPES.cursorShape:
        this.shapes.push(decodeCursorShape(envelope));
        break;
      case WIRE_TYPES.stats:
        this.stats.push(decodeStats(envelope));
        break;
      case WIRE_TYPES.pong:
        this.pongs.push(decodePong(envelope));
        break;
      case WIRE_TYPES.times:
        this.#takeTimes(decodeTimes(envelope));
        break;
      case WIRE_TYPES.videoStream:
        this.streams.push(decodeVideoStream(envelope));
        break;
      case WIRE_TYPES.cover:
        this.covers.push(decodeCover(envelope, this.#tileCount));
        break;
      case WIRE_TYPES.video:
        this.#takeVideo(decodeVideo(envelope));
        break;
      case WIRE_TYPES.bye:
        this.bye = decodeBye(envelope);
        break;
      case WIRE_TYPES.inputState:
        this.inputs.push(decodeInputState(envelope));
        break;
      case WIRE_TYPES.clipboardState:
        this.clipboards.push(decodeClipboardState(envelope));
        break;
      case WIRE_TYPES.clipboardData:
        this.contents.push(decodeClipboardData(envelope));
        break;
      case WIRE_TYPES.soundState:
        this.soundStates.push(decodeSoundState(envelope));
        break;
      case WIRE_TYPES.sound: {
        const sound = decodeSound(envelope);
        this.sounds.push({ ...sound, data: Uint8Array.from(sound.data) });
        break;
      }
      default:
        throw new Error(`a relay cannot send type ${envelope.type}`);
    }
  }

  get #tileCount(): number {
    const { widthPx, heightPx } = this.#needPicture();
    const tilePx = this.hello?.tilePx ?? 0;
    return Math.ceil(widthPx / tilePx) * Math.ceil(heightPx / tilePx);
  }

  #takeTimes(times: TimesMessage): void {
    if (times.epoch !== this.picture?.epoch) throw new Error('times of another epoch');
    this.times.push(times);
  }

  /** Keeps what came; pictures are not decoded here. */
  #takeVideo(video: VideoMessage): void {
    if (this.streams.at(-1)?.stream !== video.stream)
      throw new Error(`stream ${video.stream} was not announced`);
    if (video.epoch !== this.picture?.epoch) throw new Error('video of another epoch');
    if (!video.last) throw new Error('a video message must be the last of its update');
    this.videos.push({ ...video, data: video.data.slice() });
    const { epoch, serial, data } = video;
    this.updates.push({ epoch, serial, ...newUpdate(), bytes: data.byteLength });
    if (this.acks) this.ack(this.updates.length - 1);
  }

  #begin(picture: PictureMessage): void {
    this.pictures.push(picture);
    this.rgb = new Uint8Array(picture.widthPx * picture.heightPx * 3);
    this.#open = newUpdate();
  }

  #needPicture(): PictureMessage {
    if (this.picture === undefined) throw new Error('an update came before a picture');
    return this.picture;
  }

  #draw(message: Uint8Array): void {
    const picture = this.#needPicture();
    const grid = { ...picture, tilePx: this.hello?.tilePx ?? 0 };
    const tiles = readTiles(message, grid);
    if (tiles.epoch !== picture.epoch) throw new Error('an update of another epoch came');
    this.#open.codings.push(tiles.coding);
    this.#open.tiles.push(...drawTiles(tiles, grid, this.rgb));
    this.#part(message, tiles);
  }

  #move(message: Uint8Array): void {
    const picture = this.#needPicture();
    const { epoch, moves } = decodeMoves(readEnvelope(message), picture);
    if (epoch !== picture.epoch) throw new Error('moves of another epoch came');
    if (this.#open.bytes > 0) throw new Error('moves must come before all else of their update');
    for (const { to, fromX, fromY } of moves) {
      const before = this.rgb.slice();
      for (let y = 0; y < to.height; y++) {
        const from = ((fromY + y) * picture.widthPx + fromX) * 3;
        const row = before.subarray(from, from + to.width * 3);
        this.rgb.set(row, ((to.y + y) * picture.widthPx + to.x) * 3);
      }
    }
    this.#open.moves += moves.length;
    this.#open.bytes += message.byteLength;
  }

  async #drawImage(message: Uint8Array): Promise<void> {
    const picture = this.#needPicture();
    const image = decodeImage(readEnvelope(message), picture);
    const { rect } = image;
    const pixels = await sharp(image.data).raw().toBuffer();
    for (let y = 0; y < rect.height; y++)
      this.rgb.set(
        pixels.subarray(y * rect.width * 3, (y + 1) * rect.width * 3),
        ((rect.y + y) * picture.widthPx + rect.x) * 3,
      );
    this.#open.images++;
    this.#part(message, image);
  }

  #part(
    message: Uint8Array,
    part: { readonly epoch: number; readonly serial: number; readonly last: boolean },
  ): void {
    this.#open.bytes += message.byteLength;
    if (!part.last) return;
    const { epoch, serial } = part;
    const update = { epoch, serial, ...this.#open };
    this.updates.push(update);
    this.#open = newUpdate();
    this.#drawn?.(update, this.rgb);
    if (this.acks) this.ack(this.updates.length - 1);
  }
}
