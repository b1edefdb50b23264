import { KvmfrError, MAX_DIMENSION_PX, type Rect } from '../../protocol/index.ts';
import { ComparedPicture } from '../screen/picture.ts';
import { gatherBoxes } from './boxes.ts';
import type { XConnection } from './connection.ts';
import { XSurface } from './surface.ts';
import {
  CORE,
  decodeGeometry,
  decodeRegion,
  request,
  type XExtension,
  type XScreenFacts,
} from './wire.ts';

/** What a screen takes of a server's extensions. */
export interface ScreenExtensions {
  readonly shm: XExtension | undefined;
  readonly damage: XExtension | undefined;
  readonly fixes: XExtension | undefined;
}

/** What a capture gave. */
export interface XPicture {
  /** Rows of B, G, R and a byte that means nothing. Borrowed until the next capture. */
  readonly pixels: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
  /** What is new since the capture before; undefined: everything. */
  readonly damage: readonly Rect[] | undefined;
}

interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

const DAMAGE = { queryVersion: 0, create: 1, subtract: 3 } as const;
const FIXES = { createRegion: 5, fetchRegion: 19 } as const;
/** One event when a screen that was clean changes: no more until it is clean again. */
const NON_EMPTY = 3;
const NONE = 0;
const CW_EVENT_MASK = 0x800;
const STRUCTURE_NOTIFY = 0x2_0000;
const CONFIGURE_NOTIFY = 22;
const MOST_BOXES = 32;
// Two million boxes: no server has more, and its reply cannot be left out.
const MAX_REGION_BYTES = 2 ** 24;

/**
 * The screen of an X server: whether something has changed on it, and its pixels. Only boxes that have
 * changed are read; a server that does not say what changes has all of it read, and compared.
 */
export class XScreen {
  readonly root: number;
  /** Something may have changed since the last capture. */
  isChanged = true;
  /** Called when something changes on a screen that had not. */
  onChange: () => void = () => {};
  readonly #connection: XConnection;
  readonly #extensions: ScreenExtensions;
  #size: Size;
  #surface: XSurface | undefined;
  /** Nothing was read into the surface yet. */
  #isFresh = true;
  /** Only where the server does not say what changes. */
  #compared: ComparedPicture | undefined;
  readonly #told: { readonly damage: number; readonly region: number } | undefined;
  #isClosed = false;

  private constructor(
    connection: XConnection,
    parts: {
      readonly root: number;
      readonly extensions: ScreenExtensions;
      readonly size: Size;
      readonly isTold: boolean;
    },
  ) {
    this.#connection = connection;
    this.root = parts.root;
    this.#extensions = parts.extensions;
    this.#size = parts.size;
    this.#told = parts.isTold
      ? { damage: connection.newId(), region: connection.newId() }
      : undefined;
  }

  /**
   * Looks at the screen that the display's name says.
   *
   * @throws ERR_KVMFR_ABSENT (no such screen), ERR_KVMFR_FORMAT, ERR_KVMFR_BOUNDS, ERR_KVMFR_LOST
   */
  static async open(connection: XConnection, extensions: ScreenExtensions): Promise<XScreen> {
    const { setup, name } = connection;
    const facts = setup.screens[name.screen];
    if (facts === undefined)
      throw new KvmfrError(
        'ERR_KVMFR_ABSENT',
        `the X server ${name.text} must have a screen ${name.screen}, but has ${setup.screens.length}`,
      );
    checkPixels(connection, facts);
    const { root } = facts;
    const { damage, fixes } = extensions;
    connection.send(request(CORE.changeWindowAttributes, 0, root, CW_EVENT_MASK, STRUCTURE_NOTIFY));
    const reply = await connection.ask(request(CORE.getGeometry, 0, root));
    const size = checkedSize(connection, decodeGeometry(reply));
    const isTold = damage !== undefined && fixes !== undefined;
    const screen = new XScreen(connection, { root, extensions, size, isTold });
    if (isTold) await screen.#follow(damage, fixes);
    await screen.#anew(size);
    return screen;
  }

  get widthPx(): number {
    return this.#size.widthPx;
  }

  get heightPx(): number {
    return this.#size.heightPx;
  }

  /** Whether the server writes into memory that it shares with us. */
  get isShared(): boolean {
    return this.#surface?.isShared === true;
  }

  /** Whether the server says what changes. */
  get isTold(): boolean {
    return this.#told !== undefined;
  }

  /** Takes an event of the connection. @throws ERR_KVMFR_BOUNDS */
  hear(event: Uint8Array): void {
    const code = (event[0] ?? 0) & 0x7f;
    if (this.#told !== undefined && code === this.#extensions.damage?.firstEvent) this.#change();
    if (code !== CONFIGURE_NOTIFY) return;
    const view = new DataView(event.buffer, event.byteOffset, event.byteLength);
    if (view.getUint32(8, true) !== this.root) return;
    const size = { widthPx: view.getUint16(20, true), heightPx: view.getUint16(22, true) };
    this.#size = checkedSize(this.#connection, size);
    this.#change();
  }

  /**
   * Reads what has changed; undefined when nothing has, or when the screen has become another one
   * meanwhile. One capture at a time.
   *
   * @throws ERR_KVMFR_LOST
   */
  async capture(): Promise<XPicture | undefined> {
    const size = this.#size;
    const before = this.#surface;
    const isSame = before?.widthPx === size.widthPx && before.heightPx === size.heightPx;
    try {
      const surface = isSame ? before : await this.#anew(size);
      const isFresh = this.#isFresh;
      // Whatever changes from here on is told again.
      this.isChanged = !this.isTold;
      const boxes = await this.#changes(size, isFresh);
      if (boxes.length === 0) return undefined;
      await surface.read(boxes);
      if (this.#isClosed || size !== this.#size || surface !== this.#surface) return undefined;
      this.#isFresh = false;
      return this.#pictureOf(surface, isFresh ? undefined : boxes);
    } catch (error) {
      if (!KvmfrError.is(error) || error.code !== 'ERR_KVMFR_SYSCALL') throw error;
      // A box of a screen that is smaller now: its new size is on its way, or is asked for.
      this.#dropSurface();
      const reply = await this.#connection.ask(request(CORE.getGeometry, 0, this.root));
      this.#size = checkedSize(this.#connection, decodeGeometry(reply));
      this.#change();
      return undefined;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#dropSurface();
  }

  #pictureOf(surface: XSurface, boxes: readonly Rect[] | undefined): XPicture | undefined {
    const { pixels, widthPx, heightPx } = surface;
    const compared = this.#compared;
    if (compared === undefined) return { pixels, widthPx, heightPx, damage: boxes };
    const pitchBytes = widthPx * 4;
    const damage = compared.update({ bytes: pixels, offsetBytes: 0, pitchBytes, format: 'BGRA' });
    if (boxes !== undefined && damage.length === 0) return undefined;
    const isNew = boxes === undefined;
    return { pixels: compared.pixels, widthPx, heightPx, damage: isNew ? undefined : damage };
  }

  async #changes(size: Size, all: boolean): Promise<readonly Rect[]> {
    const whole = { x: 0, y: 0, width: size.widthPx, height: size.heightPx };
    const { damage, fixes } = this.#extensions;
    const told = this.#told;
    if (told === undefined || damage === undefined || fixes === undefined) return [whole];
    const connection = this.#connection;
    connection.send(request(damage.opcode, DAMAGE.subtract, told.damage, NONE, told.region));
    if (all) return [whole];
    const question = request(fixes.opcode, FIXES.fetchRegion, told.region);
    const reply = await connection.ask(question, MAX_REGION_BYTES);
    return gatherBoxes(decodeRegion(reply), size, MOST_BOXES);
  }

  async #anew(size: Size): Promise<XSurface> {
    this.#dropSurface();
    const surface = await XSurface.open(this.#connection, this.root, size, this.#extensions.shm);
    if (this.#isClosed) surface.close();
    else this.#surface = surface;
    this.#isFresh = true;
    if (!this.isTold) this.#compared = new ComparedPicture(size.widthPx, size.heightPx);
    return surface;
  }

  #dropSurface(): void {
    this.#surface?.close();
    this.#surface = undefined;
  }

  async #follow(damage: XExtension, fixes: XExtension): Promise<void> {
    const connection = this.#connection;
    const told = this.#told;
    if (told === undefined) return;
    await connection.ask(request(damage.opcode, DAMAGE.queryVersion, 1, 1));
    connection.send(request(damage.opcode, DAMAGE.create, told.damage, this.root, NON_EMPTY));
    connection.send(request(fixes.opcode, FIXES.createRegion, told.region));
  }

  #change(): void {
    this.isChanged = true;
    this.onChange();
  }
}

function checkedSize(connection: XConnection, size: Size): Size {
  const isSide = (value: number): boolean => value >= 1 && value <= MAX_DIMENSION_PX;
  if (isSide(size.widthPx) && isSide(size.heightPx)) return size;
  throw new KvmfrError(
    'ERR_KVMFR_BOUNDS',
    `each side of the screen ${connection.name.text} must be 1 to ${MAX_DIMENSION_PX} pixels, but it has ${size.widthPx} x ${size.heightPx}`,
  );
}

function checkPixels({ name, setup }: XConnection, facts: XScreenFacts): void {
  const { depth, redMask, greenMask, blueMask } = facts;
  const bits = setup.bitsPerPixel.get(depth) ?? 0;
  const isKnown = redMask === 0xff0000 && greenMask === 0xff00 && blueMask === 0xff;
  if (isKnown && bits === 32 && setup.isLeastByteFirst) return;
  const masks = [redMask, greenMask, blueMask].map((mask) => `0x${mask.toString(16)}`).join(', ');
  const order = setup.isLeastByteFirst ? '' : ', the highest byte first';
  throw new KvmfrError(
    'ERR_KVMFR_FORMAT',
    `the screen ${name.text} must have 24 bits of colour in pixels of 32, but has ${depth} in pixels of ${bits} (red, green and blue are ${masks}${order})`,
    {
      hint: 'give the X server a depth of 24: Xvfb -screen 0 1920x1080x24, or DefaultDepth 24 in xorg.conf',
    },
  );
}
