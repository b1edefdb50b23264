import { type RawFrameHeader, type Region, storeU32 } from '../protocol/index.ts';
import { copyBytes, copyRows } from './copy.ts';
import { DamageList } from './damage.ts';
import type { FrameInput } from './frame-input.ts';
import { pixelBytes } from './pack.ts';
import type { Payload } from './plan.ts';

/** The write pointer follows in steps of this many bytes, as in the real publishers. */
const WRITE_STEP_BYTES: number = 1 << 20;

/** A place for frames in the region, and what the picture in it lacks of the newest. */
export class FrameSlot {
  readonly place: Payload;
  /** What changed since this slot last held the newest picture: all of it at first. */
  readonly backlog: DamageList = new DamageList();
  /** Where its pixels are in the region. */
  readonly dataAt: number;
  readonly #region: Region;

  /** The pixels lie `dataOffsetBytes` behind the header. */
  constructor(region: Region, place: Payload, dataOffsetBytes: number) {
    this.#region = region;
    this.place = place;
    this.dataAt = place.at + dataOffsetBytes;
    this.backlog.addAll();
  }

  /** Says how many bytes of the pixels are there. */
  setWritePointer(bytes: number): void {
    storeU32(this.#region, this.dataAt - 4, bytes);
  }

  /** Copies what the slot lacks of a frame, and moves the write pointer behind it. */
  copy(frame: FrameInput, header: RawFrameHeader): void {
    const { backlog } = this;
    const { pitch, dataHeight } = header;
    const total = dataHeight * pitch;
    if (backlog.all) {
      const end = Math.min(total, frame.pixels.byteLength);
      for (let at = 0; at < end; at += WRITE_STEP_BYTES) {
        const bytes = Math.min(WRITE_STEP_BYTES, end - at);
        copyBytes(this.#region, this.dataAt + at, frame.pixels, at, bytes);
        this.setWritePointer(at + bytes);
      }
    } else this.#copyRects(frame, header);
    // The last row may be given without its padding.
    this.setWritePointer(total);
    backlog.clear();
  }

  // In bands from top to bottom, so that the write pointer can follow.
  #copyRects(frame: FrameInput, { pitch, dataHeight }: RawFrameHeader): void {
    const damage = this.backlog;
    const bandRows = Math.max(1, Math.floor(WRITE_STEP_BYTES / pitch));
    const step = pixelBytes(frame.format);
    for (let band = 0; band < dataHeight; band += bandRows) {
      const bandEnd = Math.min(band + bandRows, dataHeight);
      for (let i = 0; i < damage.count; i++) {
        const top = Math.max(band, damage.y(i));
        const rows = Math.min(bandEnd, damage.y(i) + damage.height(i)) - top;
        if (rows < 1) continue;
        const at = top * pitch + damage.x(i) * step;
        copyRows(this.#region, this.dataAt + at, frame.pixels, at, {
          pitchBytes: pitch,
          rowBytes: damage.width(i) * step,
          rows,
        });
      }
      this.setWritePointer(bandEnd * pitch);
    }
  }
}
