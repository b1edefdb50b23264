import { XConnection } from '../../host/x11/connection.ts';
import { parseDisplay } from '../../host/x11/display.ts';
import { pair, request } from '../../host/x11/wire.ts';
import type { Rect } from '../../protocol/index.ts';

const ALL_PLANES = 0xffff_ffff;
const COPY_FROM_PARENT = 0;

/** A program that draws on an X server, and sees what the server has of it. */
export class XPainter {
  readonly #connection: XConnection;
  readonly root: number;
  readonly #gc: number;
  /** Events that came, 32 bytes each. */
  readonly events: Uint8Array[] = [];
  #wake: () => void = () => {};

  private constructor(connection: XConnection) {
    this.#connection = connection;
    this.root = connection.setup.screens[0]?.root ?? 0;
    this.#gc = connection.newId();
    // Drawn over all windows, as what belongs to the screen itself.
    const includeInferiors = 0x8000;
    connection.send(request(55, 0, this.#gc, this.root, includeInferiors, 1));
    connection.onEvent = (event) => {
      this.events.push(Uint8Array.from(event));
      this.#wake();
    };
  }

  static async open(display: string): Promise<XPainter> {
    return new XPainter(await XConnection.open(parseDisplay(display)));
  }

  close(): void {
    this.#connection.close();
  }

  /** Resolves when the server has done all that it was told; says what it refused. */
  async done(): Promise<void> {
    const fault = await this.#connection.check(request(127, 0));
    if (fault !== undefined) throw new Error(`the X server refused ${JSON.stringify(fault)}`);
  }

  fill(rect: Rect, color: number): void {
    const foreground = 0x4;
    this.#connection.send(request(56, 0, this.#gc, foreground, color));
    const { x, y, width, height } = rect;
    this.#connection.send(request(70, 0, this.root, this.#gc, pair(x, y), pair(width, height)));
  }

  /** Draws pixels: rows of B, G, R, x. */
  put(rect: Rect, pixels: Uint8Array): void {
    const { x, y, width, height } = rect;
    const place = [pair(width, height), pair(x, y), 24 << 8] as const;
    this.#connection.send(request(72, 2, this.root, this.#gc, ...place, pixels));
  }

  /** A window that is seen at once, and gets keys and buttons. */
  window(rect: Rect, color: number): number {
    const id = this.#connection.newId();
    const backPixelOverrideEvents = 0x2 | 0x200 | 0x800;
    const keysAndButtons = 0x1 | 0x2 | 0x4 | 0x8;
    this.#connection.send(
      request(
        ...([1, 0, id, this.root, pair(rect.x, rect.y), pair(rect.width, rect.height)] as const),
        ...[pair(0, 1), COPY_FROM_PARENT, backPixelOverrideEvents, color, 1, keysAndButtons],
      ),
    );
    this.#connection.send(request(8, 0, id));
    return id;
  }

  moveWindow(id: number, x: number, y: number): void {
    this.#connection.send(request(12, 0, id, pair(0x3, 0), x, y));
  }

  /** Keys go to this window from now on. */
  focus(id: number): void {
    this.#connection.send(request(42, 0, id, 0));
  }

  /** Gives a window a pointer: a filled box of a colour. */
  cursor(
    id: number,
    shape: {
      readonly widthPx: number;
      readonly heightPx: number;
      readonly hotspotX: number;
      readonly hotspotY: number;
      readonly color: readonly [red: number, green: number, blue: number];
    },
  ): void {
    const connection = this.#connection;
    const [pixmap, gc, cursor] = [connection.newId(), connection.newId(), connection.newId()];
    const { widthPx, heightPx, hotspotX, hotspotY, color } = shape;
    connection.send(request(53, 1, pixmap, this.root, pair(widthPx, heightPx)));
    connection.send(request(55, 0, gc, pixmap, 0x4, 1));
    connection.send(request(70, 0, pixmap, gc, 0, pair(widthPx, heightPx)));
    const [red, green, blue] = color.map((part) => part * 257);
    connection.send(
      request(
        ...([
          93,
          0,
          cursor,
          pixmap,
          pixmap,
          pair(red ?? 0, green ?? 0),
          pair(blue ?? 0, 0),
        ] as const),
        ...[0, pair(hotspotX, hotspotY)],
      ),
    );
    const cursorOfWindow = 0x4000;
    connection.send(request(2, 0, id, cursorOfWindow, cursor));
  }

  /** Puts the pointer somewhere, without a motion of any device. */
  warp(x: number, y: number): void {
    this.#connection.send(request(41, 0, 0, this.root, 0, 0, pair(x, y)));
  }

  async pointer(): Promise<readonly [x: number, y: number]> {
    const reply = viewOf(await this.#connection.ask(request(38, 0, this.root)));
    return [reply.getInt16(16, true), reply.getInt16(18, true)];
  }

  /** What the server has on its screen now. Shape: rows of B, G, R, 255. */
  async picture(): Promise<{
    readonly widthPx: number;
    readonly heightPx: number;
    readonly bgra: Buffer;
  }> {
    const size = viewOf(await this.#connection.ask(request(14, 0, this.root)));
    const [widthPx, heightPx] = [size.getUint16(16, true), size.getUint16(18, true)];
    const bytes = widthPx * heightPx * 4;
    const question = request(73, 2, this.root, 0, pair(widthPx, heightPx), ALL_PLANES);
    const reply = await this.#connection.ask(question, bytes);
    const bgra = opaque(Buffer.from(reply.subarray(32, 32 + bytes)));
    return { widthPx, heightPx, bgra };
  }

  /** Gives the screen another size, not larger than it began with. */
  async resize(widthPx: number, heightPx: number): Promise<void> {
    const connection = this.#connection;
    const randr = await connection.extension('RANDR');
    if (randr === undefined) throw new Error('the X server must have RANDR');
    await connection.ask(request(randr.opcode, 0, 1, 2));
    const found = await connection.ask(request(randr.opcode, 8, this.root), 65_536);
    const info = viewOf(found);
    // Outputs that are on would have to fit.
    for (let i = 0; i < info.getUint16(16, true); i++) {
      const crtc = info.getUint32(32 + i * 4, true);
      const times = [info.getUint32(8, true), info.getUint32(12, true)] as const;
      await connection.ask(request(randr.opcode, 21, crtc, ...times, 0, 0, 1));
    }
    connection.send(request(randr.opcode, 7, this.root, pair(widthPx, heightPx), 100, 100));
    await this.done();
  }

  /** The next event of a kind. */
  async event(code: number): Promise<Uint8Array> {
    for (;;) {
      const at = this.events.findIndex((event) => ((event[0] ?? 0) & 0x7f) === code);
      const found = at < 0 ? undefined : this.events.splice(0, at + 1)[at];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** The fourth byte of each pixel of an X screen means nothing. */
export function opaque(bgra: Buffer): Buffer {
  for (let i = 3; i < bgra.length; i += 4) bgra[i] = 255;
  return bgra;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
