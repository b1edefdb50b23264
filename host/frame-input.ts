import {
  FRAME_FLAGS,
  type FrameTiming,
  type HdrMetadata,
  KvmfrError,
  MAX_DIMENSION_PX,
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
  /** Left out: goes up by one whenever size, format, pitch, rotation or colours change. */
  readonly formatVersion?: number | undefined;
  /** Nits of SDR white, from KVMFR 34 on; 0, or left out: not told, and readers take 203. */
  readonly sdrWhiteLevel?: number | undefined;
  /** For what display the picture was made, from KVMFR 34 on. Sets FRAME_FLAGS.hdrMetadata. */
  readonly hdr?: HdrMetadata | undefined;
  /** What the frame was made for, from KVMFR 34 on; 0 where left out: pushed. */
  readonly scheduleGeneration?: number | undefined;
  readonly scheduleEpoch?: number | undefined;
  readonly scheduleDeadlineSerial?: number | undefined;
  /** What only the caller knows of the frame's times, from KVMFR 34 on. Units: nanoseconds. */
  readonly timing?: Partial<FrameTiming> | undefined;
}

// What each version knows of FRAME_FLAGS.
const KNOWN_FLAGS: { readonly [version: number]: number } = { 19: 0x07, 20: 0x1f, 34: 0x3f };
const MAX_WHITE_NITS = 10_000;

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
  checkColours(frame);
  const needBytes = (heightPx - 1) * pitchBytes + rowBytes(format, widthPx);
  if (frame.pixels.byteLength < needBytes)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `${heightPx} rows of ${pitchBytes} bytes need ${needBytes} bytes of pixels, but there are ${frame.pixels.byteLength}`,
    );
  const rows = Math.min(heightPx, Math.floor((slotBytes - wire.frameAlignBytes) / pitchBytes));
  if (rows < 1)
    throw new KvmfrError(
      'ERR_KVMFR_SIZE',
      `a frame slot must hold one row of ${pitchBytes} bytes, but has room for ${slotBytes - wire.frameAlignBytes}`,
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
  into.offset = wire.frameAlignBytes - 4;
  into.flags = frameFlags(frame, wire, rows < heightPx);
  into.sdrWhiteLevel = frame.sdrWhiteLevel ?? 0;
  into.hdr = frame.hdr;
  into.scheduleGeneration = frame.scheduleGeneration ?? 0;
  into.scheduleEpoch = frame.scheduleEpoch ?? 0;
  into.scheduleDeadlineSerial = frame.scheduleDeadlineSerial ?? 0;
}

function frameFlags(frame: FrameInput, wire: Wire, truncated: boolean): number {
  let flags = frame.flags ?? 0;
  if (truncated) flags |= FRAME_FLAGS.truncated;
  // Half floats are scRGB: never anything else.
  if (frame.format === 'RGBA16F') flags |= FRAME_FLAGS.hdr;
  if (frame.hdr !== undefined) flags |= FRAME_FLAGS.hdrMetadata;
  else flags &= ~FRAME_FLAGS.hdrMetadata;
  return (flags & (KNOWN_FLAGS[wire.frame.kvmfrVersion] ?? 0)) >>> 0;
}

function checkColours({ sdrWhiteLevel = 0, hdr }: FrameInput): void {
  if (!Number.isInteger(sdrWhiteLevel) || sdrWhiteLevel < 0 || sdrWhiteLevel > MAX_WHITE_NITS)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `sdrWhiteLevel of a frame must be 0 to ${MAX_WHITE_NITS}, but is ${sdrWhiteLevel}`,
    );
  if (hdr !== undefined && (hdr.displayPrimaries.length !== 6 || hdr.whitePoint.length !== 2))
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `hdr of a frame must have 6 numbers of primaries and 2 of white, but has ${hdr.displayPrimaries.length} and ${hdr.whitePoint.length}`,
    );
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
    a.pitch !== b.pitch ||
    coloursDiffer(a, b)
  );
}

const COLOUR_FLAGS = FRAME_FLAGS.hdr | FRAME_FLAGS.hdrPq;

// The same bytes are then other colours: all of the picture is new.
function coloursDiffer(a: RawFrameHeader, b: RawFrameHeader): boolean {
  return (
    ((a.flags ^ b.flags) & COLOUR_FLAGS) !== 0 ||
    a.sdrWhiteLevel !== b.sdrWhiteLevel ||
    (a.hdr !== b.hdr && hdrDiffers(a.hdr, b.hdr))
  );
}

function hdrDiffers(a: HdrMetadata | undefined, b: HdrMetadata | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  return (
    a.displayPrimaries.some((value, i) => value !== b.displayPrimaries[i]) ||
    a.whitePoint.some((value, i) => value !== b.whitePoint[i]) ||
    a.maxDisplayLuminance !== b.maxDisplayLuminance ||
    a.minDisplayLuminance !== b.minDisplayLuminance ||
    a.maxContentLightLevel !== b.maxContentLightLevel ||
    a.maxFrameAverageLightLevel !== b.maxFrameAverageLightLevel
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
