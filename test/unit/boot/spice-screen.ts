import { SpiceSession } from '../../../client/spice/index.ts';
import type { Rect } from '../../../protocol/rect.ts';
import { bitmap, drawCopy, surfaceCreate } from '../spice/display-bytes.ts';
import { type FakeChannel, type FakeOptions, FakeServer, fields } from '../spice/fake-server.ts';
import type { Screen } from '../tiles/guest.ts';

const COPY = 304;
const CREATE = 314;
const DESTROY = 315;
const MARK = 102;
const CURSOR_SET = 103;

/** Tries again at once, and again. */
export const QUICK = { backoff: { firstMs: 1, longestMs: 5 } } as const;
/** DISPLAY, INPUTS and CURSOR. */
export const CHANNELS: NonNullable<FakeOptions['channels']> = [
  [2, 0],
  [3, 0],
  [4, 0],
];

/** A SPICE server that draws a test's screens, and a session with it. */
export class SpiceScreen implements AsyncDisposable {
  readonly server: FakeServer;
  readonly session: SpiceSession;
  #display: FakeChannel;
  #shown: readonly [number, number] | undefined;

  private constructor(server: FakeServer, session: SpiceSession, display: FakeChannel) {
    this.server = server;
    this.session = session;
    this.#display = display;
  }

  static async open(options: FakeOptions = {}): Promise<SpiceScreen> {
    const server = await FakeServer.listen({ channels: CHANNELS, ...options });
    const session = new SpiceSession(server.address, QUICK);
    return new SpiceScreen(server, session, await server.channel(2));
  }

  /** The display's channel of the newest connection, of this server or of another one. */
  async turnTo(server: FakeServer = this.server): Promise<void> {
    this.#display = await server.channel(2);
    this.#shown = undefined;
  }

  /** Draws all of a screen, or a part of it; on a surface of its size, which is made if need be. */
  show(screen: Screen, part?: Rect): void {
    const { widthPx, heightPx } = screen;
    if (this.#shown?.[0] !== widthPx || this.#shown[1] !== heightPx) {
      this.hide();
      this.#display.send(CREATE, surfaceCreate(widthPx, heightPx));
      this.#shown = [widthPx, heightPx];
    }
    const { x, y, width, height } = part ?? { x: 0, y: 0, width: widthPx, height: heightPx };
    const pixels = Buffer.alloc(width * height * 4);
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        const at = ((y + row) * widthPx + x + column) * 3;
        const [r = 0, g = 0, b = 0] = screen.rgb.subarray(at, at + 3);
        // The fourth byte means nothing, and is another one each time.
        pixels.set([b, g, r, row * 7 + column], (row * width + column) * 4);
      }
    const box = [y, x, y + height, x + width] as const;
    this.#display.send(COPY, drawCopy(box, bitmap({ width, height }, pixels)));
    this.#display.send(MARK);
  }

  /** The server has no screen any more. */
  hide(): void {
    if (this.#shown !== undefined) this.#display.send(DESTROY, fields([4, 0]));
    this.#shown = undefined;
  }

  /** Sends bytes on the channel of the display, whatever they are. */
  lie(bytes: Uint8Array): void {
    this.#display.sendRaw(bytes);
  }

  /** Ends the channel of the display, when all has been sent. */
  leave(): void {
    this.#display.socket.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.close();
    await this.server[Symbol.asyncDispose]();
  }
}

/** SET of CURSOR: one pixel of a colour, B G R A, whose hot spot is at 1, 1 of 2 x 2. */
export function setCursor(
  channel: FakeChannel,
  at: { readonly x: number; readonly y: number },
  bgra: readonly [number, number, number, number],
): void {
  const head = fields([2, at.x], [2, at.y], [1, 1], [2, 0]);
  const shape = fields([8, 9], [1, 0], [2, 2], [2, 2], [2, 1], [2, 1]);
  channel.send(
    CURSOR_SET,
    Buffer.concat([head, shape, Buffer.from([bgra, bgra, bgra, bgra].flat())]),
  );
}
