import { KvmfrError, MAX_CURSOR_PX } from '../../protocol/index.ts';
import type { CursorInput } from '../cursor.ts';
import { GENERIC_EVENT, type XConnection } from './connection.ts';
import {
  CORE,
  decodeCursor,
  decodePointer,
  pair,
  request,
  type XCursor,
  type XExtension,
} from './wire.ts';

const FIXES = { selectCursorInput: 3, getCursorImage: 4 } as const;
const XI = { selectEvents: 46, queryVersion: 47 } as const;
const DISPLAY_CURSOR = 1;
const CURSOR_NOTIFY = 1;
const ALL_MASTER_DEVICES = 1;
const RAW_MOTION = 17;
// Larger ones than the wire takes may come, and are left out.
const MAX_IMAGE_BYTES = 2 ** 26;
const MAX_HOTSPOT = 127;

/**
 * The pointer of an X screen: where it is, and its shape where the server has XFIXES. That it moves is
 * told where the server has XInput 2.
 */
export class XPointer {
  readonly #connection: XConnection;
  readonly #root: number;
  readonly #fixes: XExtension | undefined;
  readonly #input: XExtension | undefined;
  #isOtherShape = true;
  #hotspotX = 0;
  #hotspotY = 0;
  #x = Number.NaN;
  #y = Number.NaN;
  #isHere = false;
  /** Called when the pointer moves, or changes its shape. */
  onChange: () => void = () => {};

  constructor(
    connection: XConnection,
    root: number,
    extensions: { readonly fixes: XExtension | undefined; readonly input: XExtension | undefined },
  ) {
    this.#connection = connection;
    this.#root = root;
    this.#fixes = extensions.fixes;
    this.#input = extensions.input;
  }

  /** Asks to be told of what the pointer does. */
  async follow(): Promise<void> {
    const connection = this.#connection;
    const fixes = this.#fixes;
    if (fixes !== undefined)
      connection.send(request(fixes.opcode, FIXES.selectCursorInput, this.#root, DISPLAY_CURSOR));
    const input = this.#input;
    if (input === undefined) return;
    await connection.ask(request(input.opcode, XI.queryVersion, pair(2, 0)));
    const device = pair(ALL_MASTER_DEVICES, 1);
    const mask = 1 << RAW_MOTION;
    connection.send(request(input.opcode, XI.selectEvents, this.#root, pair(1, 0), device, mask));
  }

  /** Whether the server says that the pointer moves. */
  get isTold(): boolean {
    return this.#input !== undefined;
  }

  /** Everything is new to whoever publishes it. */
  forget(): void {
    this.#isOtherShape = true;
    this.#x = Number.NaN;
  }

  /** Takes an event of the connection. */
  hear(event: Uint8Array): void {
    const code = (event[0] ?? 0) & 0x7f;
    const isShape = this.#fixes !== undefined && code === this.#fixes.firstEvent + CURSOR_NOTIFY;
    const isMotion = code === GENERIC_EVENT && event[1] === this.#input?.opcode;
    if (isShape) this.#isOtherShape = true;
    if (isShape || isMotion) this.onChange();
  }

  /**
   * Asks for the pointer; undefined when it is as it was.
   *
   * @throws ERR_KVMFR_LOST, ERR_KVMFR_SYSCALL, ERR_KVMFR_CORRUPT
   */
  async read(): Promise<CursorInput | undefined> {
    const shape = this.#isOtherShape ? await this.#readShape() : undefined;
    const question = request(CORE.queryPointer, 0, this.#root);
    const { x, y, isHere } = decodePointer(await this.#connection.ask(question));
    if (shape === undefined && x === this.#x && y === this.#y && isHere === this.#isHere)
      return undefined;
    this.#x = x;
    this.#y = y;
    this.#isHere = isHere;
    const position = { x: x - this.#hotspotX, y: y - this.#hotspotY };
    return { position, visible: isHere, shape };
  }

  async #readShape(): Promise<CursorInput['shape']> {
    const fixes = this.#fixes;
    this.#isOtherShape = false;
    if (fixes === undefined) return undefined;
    const cursor = await this.#askShape(fixes);
    if (cursor === undefined) return undefined;
    const { widthPx, heightPx, hotspotX, hotspotY, bgra } = cursor;
    if (widthPx === 0 || heightPx === 0 || widthPx > MAX_CURSOR_PX || heightPx > MAX_CURSOR_PX)
      return undefined;
    this.#hotspotX = hotspotX;
    this.#hotspotY = hotspotY;
    return {
      kind: 'color',
      widthPx,
      heightPx,
      // The wire has a byte for each; where the shape is does not depend on them.
      hotspotX: Math.min(MAX_HOTSPOT, hotspotX),
      hotspotY: Math.min(MAX_HOTSPOT, hotspotY),
      pitchBytes: widthPx * 4,
      bytes: bgra,
    };
  }

  // A server without any cursor refuses to show it.
  async #askShape(fixes: XExtension): Promise<XCursor | undefined> {
    try {
      const question = request(fixes.opcode, FIXES.getCursorImage);
      return decodeCursor(await this.#connection.ask(question, MAX_IMAGE_BYTES));
    } catch (error) {
      if (KvmfrError.is(error) && error.code === 'ERR_KVMFR_SYSCALL') return undefined;
      throw error;
    }
  }
}
