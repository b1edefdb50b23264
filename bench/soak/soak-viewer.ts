import { inflateRawSync } from 'node:zlib';
import { WebSocket } from 'ws';
import {
  decodeHello,
  decodePicture,
  decodeTiles,
  type Envelope,
  encodeAck,
  encodeViewerHello,
  type PictureMessage,
  readEnvelope,
  TILE_CODINGS,
  tileRect,
  UPDATE_LAST,
  WIRE_SUBPROTOCOL,
  WIRE_TYPES,
  WIRE_VERSION,
} from '../../protocol/index.ts';
import { hashOf, stampOf } from './soak-screen.ts';

const AGAIN_MS = 100;

/** What all viewers of a process have counted. */
export interface ViewerCounts {
  updates: number;
  bytes: number;
  videos: number;
  connections: number;
  /** Messages that no relay may send. */
  wrong: number;
}

/** How a viewer is. */
export interface SoakViewerOptions {
  readonly url: string;
  /** Takes video while much moves; its picture is whole only at rest. */
  readonly video: boolean;
  /** Comes back when its connection ends. */
  readonly stays: boolean;
  readonly counts: ViewerCounts;
}

/** A viewer that draws each exact tile, so that its picture can be compared with the guest's. */
export class SoakViewer {
  readonly #options: SoakViewerOptions;
  readonly #watchers: Set<() => void> = new Set();
  #socket: WebSocket | undefined;
  #again: NodeJS.Timeout | undefined;
  #tilePx = 0;
  #picture: PictureMessage | undefined;
  #rgb: Uint8Array = new Uint8Array(0);
  #ended = false;
  updates = 0;

  constructor(options: SoakViewerOptions) {
    this.#options = options;
    this.#connect();
  }

  /** The number in the picture it shows. */
  get stamp(): number {
    return stampOf(this.#rgb);
  }

  /** Whether it has left, or was left. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Waits until something holds; false when it has left. */
  async until(holds: (viewer: this) => boolean): Promise<boolean> {
    while (!this.#ended && !holds(this))
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    return !this.#ended;
  }

  /** Waits until it shows exactly the picture with this hash. */
  async exact(hash: number): Promise<void> {
    await this.until(() => hashOf(this.#rgb) === hash);
  }

  /** Reads nothing more; the relay notices by itself. */
  stall(): void {
    this.#socket?.pause();
    this.#end();
  }

  /** Leaves, politely or by breaking the line. */
  leave(politely: boolean): void {
    this.#end();
    if (politely) this.#socket?.close();
    else this.#socket?.terminate();
  }

  /** Breaks the line of one that has stalled. */
  cut(): void {
    this.#socket?.terminate();
  }

  #end(): void {
    this.#ended = true;
    clearTimeout(this.#again);
    this.#notify();
  }

  #connect(): void {
    const socket = new WebSocket(this.#options.url, WIRE_SUBPROTOCOL, { perMessageDeflate: false });
    this.#socket = socket;
    socket.on('open', () => {
      this.#options.counts.connections++;
      const encodings = this.#options.video
        ? (['lossless', 'video'] as const)
        : ['lossless' as const];
      const hello = { wire: WIRE_VERSION, encodings, codecs: ['h264'], visible: true } as const;
      socket.send(encodeViewerHello(hello));
    });
    socket.on('error', () => {});
    socket.on('message', (data) => {
      if (data instanceof Uint8Array) this.#take(data);
    });
    socket.on('close', () => {
      if (this.#ended) return;
      if (this.#options.stays) this.#again = setTimeout(() => this.#connect(), AGAIN_MS);
      else this.#end();
    });
  }

  #take(data: Uint8Array): void {
    this.#options.counts.bytes += data.byteLength;
    try {
      this.#read(readEnvelope(data));
    } catch (error) {
      this.#options.counts.wrong++;
      process.stderr.write(`a viewer cannot read what came: ${String(error)}\n`);
    }
  }

  #read(envelope: Envelope): void {
    switch (envelope.type) {
      case WIRE_TYPES.hello:
        this.#tilePx = decodeHello(envelope).tilePx;
        break;
      case WIRE_TYPES.picture:
        this.#picture = decodePicture(envelope);
        this.#rgb = new Uint8Array(this.#picture.widthPx * this.#picture.heightPx * 3);
        break;
      case WIRE_TYPES.tiles:
        this.#draw(envelope);
        this.#acknowledge(envelope);
        break;
      case WIRE_TYPES.video:
        this.#options.counts.videos++;
        this.#acknowledge(envelope);
        break;
      default:
        break;
    }
  }

  #draw(envelope: Envelope): void {
    const picture = this.#picture;
    if (picture === undefined) throw new Error('tiles came before a picture');
    const grid = { widthPx: picture.widthPx, heightPx: picture.heightPx, tilePx: this.#tilePx };
    const { tiles, coding, pixels, rawBytes, epoch } = decodeTiles(envelope, grid);
    if (epoch !== picture.epoch) throw new Error(`tiles of epoch ${epoch} in ${picture.epoch}`);
    const raw =
      coding === TILE_CODINGS.raw ? pixels : inflateRawSync(pixels, { maxOutputLength: rawBytes });
    if (raw.byteLength !== rawBytes) throw new Error(`tiles of ${rawBytes} bytes have other`);
    let from = 0;
    for (const index of tiles) {
      const rect = tileRect(index, grid);
      const rowBytes = rect.width * 3;
      for (let y = rect.y; y < rect.y + rect.height; y++, from += rowBytes)
        this.#rgb.set(raw.subarray(from, from + rowBytes), (y * grid.widthPx + rect.x) * 3);
    }
  }

  #acknowledge({ flags, body }: Envelope): void {
    if ((flags & UPDATE_LAST) === 0) return;
    const update = { epoch: body.getUint32(0, true), serial: body.getUint32(4, true) };
    this.#socket?.send(
      encodeAck({ ...update, networkUs: 0, boundUs: 0, decodeUs: 0, presentUs: 0 }),
    );
    this.updates++;
    this.#options.counts.updates++;
    this.#notify();
  }

  #notify(): void {
    for (const wake of this.#watchers) wake();
    this.#watchers.clear();
  }
}
