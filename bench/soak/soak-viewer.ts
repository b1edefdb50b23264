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
  #last = { type: 0, epoch: 0, serial: 0, atMs: 0 };
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

  /** What is other than in a picture that it should show, and what it was sent last; for a person. */
  facts(rgb: Uint8Array): { readonly [name: string]: number } {
    const { type, epoch, serial, atMs } = this.#last;
    const { widthPx = 0, heightPx = 0, epoch: shown = 0 } = this.#picture ?? {};
    const other = tilesThatDiffer(this.#rgb, rgb, { widthPx, heightPx, tilePx: this.#tilePx });
    return {
      tilesOther: other.length,
      firstOther: other[0] ?? -1,
      lastOther: other.at(-1) ?? -1,
      widthPx,
      heightPx,
      epoch: shown,
      stamp: this.stamp,
      updates: this.updates,
      lastType: type,
      lastEpoch: epoch,
      lastSerial: serial,
      lastMsAgo: Math.round(performance.now() - atMs),
      socketState: this.#socket?.readyState ?? -1,
    };
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

  #acknowledge({ type, flags, body }: Envelope): void {
    if ((flags & UPDATE_LAST) === 0) return;
    const update = { epoch: body.getUint32(0, true), serial: body.getUint32(4, true) };
    this.#last = { ...update, type, atMs: performance.now() };
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

/** Indices of the tiles that are not the same in two pictures; all when they are of another size. */
function tilesThatDiffer(
  shown: Uint8Array,
  wanted: Uint8Array,
  grid: { readonly widthPx: number; readonly heightPx: number; readonly tilePx: number },
): readonly number[] {
  const { widthPx, heightPx, tilePx } = grid;
  if (tilePx === 0) return [];
  const tiles = Math.ceil(widthPx / tilePx) * Math.ceil(heightPx / tilePx);
  const other: number[] = [];
  for (let index = 0; index < tiles; index++) {
    const { x, y, width, height } = tileRect(index, grid);
    let same = shown.length === wanted.length;
    for (let row = y; same && row < y + height; row++) {
      const from = (row * widthPx + x) * 3;
      const to = from + width * 3;
      same = Buffer.compare(shown.subarray(from, to), wanted.subarray(from, to)) === 0;
    }
    if (!same) other.push(index);
  }
  return other;
}
