import { copyRows, createSegment, type ScreenMemory } from '../../native/index.ts';
import { KvmfrError, type Rect } from '../../protocol/index.ts';
import type { XConnection } from './connection.ts';
import { ALL_PLANES, CORE, pair, request, type XExtension, Z_PIXMAP } from './wire.ts';

const SHM = { attach: 1, detach: 2, getImage: 4 } as const;
const PIXEL_BYTES = 4;
const REPLY_BYTES = 32;
/** A box of at least this share of the screen's width is read with all that is beside it. */
const WIDE_SHARE = 0.75;

/**
 * Our copy of an X screen of one size, into which boxes are read: by the server itself where it shares
 * memory with us, else out of its replies.
 *
 * Shape: `pixels` has rows of widthPx pixels B, G, R and a byte that means nothing. A server writes
 * boxes without gaps between their rows: wide ones come into the picture at once, in whole rows;
 * narrow ones are written beside it, and copied.
 */
export class XSurface {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly pixels: Uint8Array;
  readonly #connection: XConnection;
  readonly #root: number;
  readonly #shared: Shared | undefined;

  private constructor(
    connection: XConnection,
    root: number,
    size: { readonly widthPx: number; readonly heightPx: number },
    shared: Shared | undefined,
  ) {
    this.#connection = connection;
    this.#root = root;
    this.widthPx = size.widthPx;
    this.heightPx = size.heightPx;
    this.#shared = shared;
    const bytes = size.widthPx * size.heightPx * PIXEL_BYTES;
    this.pixels = shared?.bytes.subarray(0, bytes) ?? new Uint8Array(bytes);
  }

  /**
   * Makes a surface of the screen's size.
   *
   * @throws ERR_KVMFR_LOST
   */
  static async open(
    connection: XConnection,
    root: number,
    size: { readonly widthPx: number; readonly heightPx: number },
    shm: XExtension | undefined,
  ): Promise<XSurface> {
    const shared = shm === undefined ? undefined : await share(connection, shm, size);
    return new XSurface(connection, root, size, shared);
  }

  /** Whether the server writes into memory that it shares with us. */
  get isShared(): boolean {
    return this.#shared !== undefined;
  }

  /**
   * Reads boxes that do not overlap and lie within the screen.
   *
   * @throws ERR_KVMFR_LOST, ERR_KVMFR_SYSCALL when the screen has become smaller
   */
  async read(boxes: readonly Rect[]): Promise<void> {
    const shared = this.#shared;
    if (shared === undefined) await Promise.all(boxes.map((box) => this.#readReply(box)));
    else await this.#readShared(shared, boxes);
  }

  close(): void {
    const shared = this.#shared;
    if (shared === undefined) return;
    this.#connection.send(request(shared.opcode, SHM.detach, shared.id));
    shared.memory.close();
  }

  async #readShared({ opcode, id, bytes }: Shared, boxes: readonly Rect[]): Promise<void> {
    const { widthPx } = this;
    const pitchBytes = widthPx * PIXEL_BYTES;
    const narrow: { readonly box: Rect; readonly at: number }[] = [];
    let asideAt = this.pixels.byteLength;
    const replies = boxes.map((box) => {
      const isWide = box.width >= widthPx * WIDE_SHARE;
      const from = isWide ? { ...box, x: 0, width: widthPx } : box;
      const at = isWide ? box.y * pitchBytes : asideAt;
      if (!isWide) {
        narrow.push({ box, at });
        asideAt += box.width * box.height * PIXEL_BYTES;
      }
      return this.#connection.ask(
        request(
          opcode,
          SHM.getImage,
          this.#root,
          pair(from.x, from.y),
          pair(from.width, from.height),
          ALL_PLANES,
          Z_PIXMAP,
          id,
          at,
        ),
      );
    });
    await Promise.all(replies);
    for (const { box, at } of narrow) this.#place(box, bytes, at);
  }

  async #readReply(box: Rect): Promise<void> {
    const bytes = box.width * box.height * PIXEL_BYTES;
    const reply = await this.#connection.ask(
      request(
        CORE.getImage,
        Z_PIXMAP,
        this.#root,
        pair(box.x, box.y),
        pair(box.width, box.height),
        ALL_PLANES,
      ),
      bytes,
    );
    if (reply.byteLength < REPLY_BYTES + bytes)
      throw new KvmfrError(
        'ERR_KVMFR_CORRUPT',
        `a picture of ${box.width} x ${box.height} must have ${bytes} bytes, but the X server sent ${reply.byteLength - REPLY_BYTES}`,
      );
    this.#place(box, reply, REPLY_BYTES);
  }

  #place(box: Rect, from: Uint8Array, at: number): void {
    copyRows({
      dst: this.pixels,
      dstOffset: (box.y * this.widthPx + box.x) * PIXEL_BYTES,
      dstPitchBytes: this.widthPx * PIXEL_BYTES,
      src: from,
      srcOffset: at,
      srcPitchBytes: box.width * PIXEL_BYTES,
      rowBytes: box.width * PIXEL_BYTES,
      rows: box.height,
    });
  }
}

/** A segment that the server has attached. */
interface Shared {
  readonly opcode: number;
  readonly id: number;
  readonly memory: ScreenMemory;
  readonly bytes: Uint8Array;
}

/** Shares memory with the server; undefined where that cannot be: it is in another container, say. */
async function share(
  connection: XConnection,
  { opcode }: XExtension,
  size: { readonly widthPx: number; readonly heightPx: number },
): Promise<Shared | undefined> {
  if (!connection.isLocal) return undefined;
  // The picture, and as much again for boxes beside it.
  const memory = segmentOf(2 * size.widthPx * size.heightPx * PIXEL_BYTES);
  if (memory === undefined) return undefined;
  const id = connection.newId();
  try {
    const attach = request(opcode, SHM.attach, id, memory.segment, 0);
    const fault = await connection.check(attach);
    if (fault === undefined) return { opcode, id, memory, bytes: new Uint8Array(memory.buffer) };
  } catch (error) {
    memory.close();
    throw error;
  }
  memory.close();
  return undefined;
}

function segmentOf(byteLength: number): ScreenMemory | undefined {
  try {
    return createSegment(byteLength);
  } catch (error) {
    if (KvmfrError.is(error) && error.code === 'ERR_KVMFR_SYSCALL') return undefined;
    throw error;
  }
}
