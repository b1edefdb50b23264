import {
  FRAME_FLAGS,
  KvmfrError,
  MAX_DIMENSION_PX,
  PAGE_BYTES,
  PIXEL_FORMATS,
  type RawFrameHeader,
  type Rect,
  rowBytes,
  unitBytes,
} from '../protocol/index.ts';
import {
  checkPitch,
  defaultPitchBytes,
  PUBLISHED_FORMATS,
  type PublishedFormat,
  packedWords,
} from './pack.ts';
import type { Wire } from './wire.ts';

/** A picture to publish. All of it is given each time; `damage` says what of it is new. */
export interface FrameInput {
  /** Rows of `pitchBytes`, top first; already in `format`. Borrowed during the call. */
  readonly pixels: Uint8Array;
  readonly format: PublishedFormat;
  readonly widthPx: number;
  readonly heightPx: number;
  /** Left out: rows without padding, except what the format asks for. */
  readonly pitchBytes?: number | undefined;
  /** The guest's display mode, in which pointer positions are; the picture's size when left out. */
  readonly screenWidthPx?: number | undefined;
  readonly screenHeightPx?: number | undefined;
  /** Quarter turns. */
  readonly rotation?: 0 | 1 | 2 | 3 | undefined;
  /**
   * What changed since the picture given in the call before, also when that call returned false.
   * Left out: everything. An empty list: nothing, and then nothing is sent.
   */
  readonly damage?: readonly Rect[] | undefined;
  /** FRAME_FLAGS besides `truncated`, which is set when needed. */
  readonly flags?: number | undefined;
  /** Left out: goes up by one whenever size, format, pitch or rotation change. */
  readonly formatVersion?: number | undefined;
}

/**
 * Checks a picture and describes it in a header: everything but formatVer, frameSerial and damage.
 *
 * A picture larger than its slot is cut: `dataHeight` rows fit.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_FORMAT (not in this wire), ERR_KVMFR_SIZE (not one row fits)
 */
export function describeFrame(
  frame: FrameInput,
  wire: Wire,
  slotBytes: number,
  into: RawFrameHeader,
): void {
  const { format, widthPx, heightPx } = frame;
  const known = PUBLISHED_FORMATS[format];
  if (known === undefined || known.since > wire.frame.kvmfrVersion)
    throw new KvmfrError(
      'ERR_KVMFR_FORMAT',
      `a frame of ${wire.name} must be ${formatNames(wire)}, but is ${String(format)}`,
    );
  checkSide('widthPx', widthPx);
  checkSide('heightPx', heightPx);
  const pitchBytes = frame.pitchBytes ?? defaultPitchBytes(format, widthPx);
  checkPitch(format, widthPx, pitchBytes);
  const needBytes = (heightPx - 1) * pitchBytes + rowBytes(format, widthPx);
  if (frame.pixels.byteLength < needBytes)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `${heightPx} rows of ${pitchBytes} bytes need ${needBytes} bytes of pixels, but there are ${frame.pixels.byteLength}`,
    );
  const rows = Math.min(heightPx, Math.floor((slotBytes - PAGE_BYTES) / pitchBytes));
  if (rows < 1)
    throw new KvmfrError(
      'ERR_KVMFR_SIZE',
      `a frame slot must hold one row of ${pitchBytes} bytes, but has room for ${slotBytes - PAGE_BYTES}`,
    );
  const units = Math.floor(pitchBytes / unitBytes(format));
  into.type = PIXEL_FORMATS[format];
  into.screenWidth = frame.screenWidthPx ?? widthPx;
  into.screenHeight = frame.screenHeightPx ?? heightPx;
  into.frameWidth = widthPx;
  into.frameHeight = heightPx;
  into.dataWidth = format === 'BGR_32' ? Math.min(packedWords(widthPx), units) : widthPx;
  into.dataHeight = rows;
  into.rotation = frame.rotation ?? 0;
  into.stride = units;
  into.pitch = pitchBytes;
  // Pixels begin on the slot's second page, the counter lies right before them.
  into.offset = PAGE_BYTES - 4;
  into.flags = ((frame.flags ?? 0) | (rows < heightPx ? FRAME_FLAGS.truncated : 0)) >>> 0;
}

/** Whether a viewer has to set itself up anew between two frames. */
export function formatDiffers(a: RawFrameHeader, b: RawFrameHeader): boolean {
  return (
    a.type !== b.type ||
    a.screenWidth !== b.screenWidth ||
    a.screenHeight !== b.screenHeight ||
    a.dataWidth !== b.dataWidth ||
    a.dataHeight !== b.dataHeight ||
    a.frameWidth !== b.frameWidth ||
    a.frameHeight !== b.frameHeight ||
    a.rotation !== b.rotation ||
    a.pitch !== b.pitch
  );
}

function checkSide(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1 || value > MAX_DIMENSION_PX)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `${name} of a frame must be 1 to ${MAX_DIMENSION_PX}, but is ${value}`,
    );
}

function formatNames(wire: Wire): string {
  return Object.entries(PUBLISHED_FORMATS)
    .filter(([, { since }]) => since <= wire.frame.kvmfrVersion)
    .map(([name]) => name)
    .join(', ');
}
