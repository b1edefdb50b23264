import { hex, KvmfrError, outOfRange } from '../error.ts';
import { MAX_DAMAGE_RECTS, MAX_DIMENSION_PX, MAX_PICTURE_PX, MAX_PITCH_BYTES } from '../limits.ts';
import type { Region } from '../memory/region.ts';
import { type PixelFormat, pixelFormatName, rowBytes, unitBytes } from '../pixel.ts';
import { clipRect, type Rect } from '../rect.ts';

/** A frame header as it was read, each field once; nothing is checked yet. */
export interface RawFrameHeader {
  formatVer: number;
  frameSerial: number;
  type: number;
  screenWidth: number;
  screenHeight: number;
  dataWidth: number;
  dataHeight: number;
  frameWidth: number;
  frameHeight: number;
  rotation: number;
  stride: number;
  pitch: number;
  offset: number;
  flags: number;
  damageRectsCount: number;
  /** Nits of SDR white; 0 where the version has none. */
  sdrWhiteLevel: number;
  /** Mastering metadata; undefined unless the frame's flags say that it is valid. */
  hdr: HdrMetadata | undefined;
  /** Schedule of the client that owns the pacing; 0 for frames that are pushed. */
  scheduleGeneration: number;
  scheduleEpoch: number;
  scheduleDeadlineSerial: number;
}

/** What the guest says of the display its HDR picture was made for (CTA-861.3, SMPTE ST 2086). */
export interface HdrMetadata {
  /** Chromaticity of red, green, blue as x, y. Units: 0.00002. */
  readonly displayPrimaries: readonly number[];
  /** Chromaticity of white as x, y. Units: 0.00002. */
  readonly whitePoint: readonly number[];
  /** Units: cd/m2. */
  readonly maxDisplayLuminance: number;
  /** Units: 0.0001 cd/m2. */
  readonly minDisplayLuminance: number;
  /** Units: cd/m2. */
  readonly maxContentLightLevel: number;
  /** Units: cd/m2. */
  readonly maxFrameAverageLightLevel: number;
}

/** How long the publisher took for a frame, by its own measure. Units: nanoseconds. */
export interface FrameTiming {
  readonly captureNs: number;
  readonly postProcessNs: number;
  readonly copyNs: number;
  readonly readyNs: number;
  /** How long the finished frame waited for its moment. */
  readonly holdNs: number;
  /** How much time was left until the deadline when it was published. */
  readonly readyLeadNs: number;
  /** Whether the frame was published for a deadline of the schedule. */
  readonly phaseValid: boolean;
}

/** What differs between KVMFR versions in a frame: sizes and a reader, one per version. */
export interface FrameLayout {
  readonly kvmfrVersion: number;
  readonly frameBytes: number;
  readonly damageRectsAt: number;
  /** Highest wire value of a pixel format in this version. */
  readonly maxType: number;
  /** Reads every field once. The caller has checked that `frameBytes` lie inside the region. */
  read(region: Region, at: number, into: RawFrameHeader): void;
  /** Writes every field but the damage rects. */
  write(region: Region, at: number, header: RawFrameHeader): void;
  /**
   * Reads the publisher's own times of a frame; undefined while they are not there yet, and in
   * versions that have none.
   */
  readTiming?(region: Region, at: number, frameSerial: number): FrameTiming | undefined;
}

/** Flag bits of a frame, the same in all versions (HDR since 20, its metadata since 34). */
export const FRAME_FLAGS = {
  blockScreensaver: 0x01,
  requestActivation: 0x02,
  truncated: 0x04,
  hdr: 0x08,
  hdrPq: 0x10,
  hdrMetadata: 0x20,
} as const;

/** A frame header that was checked: every number may be used as it is. */
export interface FrameGeometry {
  /** Where the header starts, from the start of the region. */
  readonly at: number;
  readonly format: PixelFormat;
  readonly formatVersion: number;
  readonly serial: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** Rows that are really transported; the rest of the picture is undefined. */
  readonly dataHeightPx: number;
  readonly screenWidthPx: number;
  readonly screenHeightPx: number;
  readonly rotation: 0 | 1 | 2 | 3;
  readonly pitchBytes: number;
  /** Where the write pointer is, from the start of the region. The pixels follow it. */
  readonly writePointerAt: number;
  readonly dataAt: number;
  readonly dataBytes: number;
  readonly truncated: boolean;
  readonly flags: number;
  /** Nits of SDR white; 0 where the publisher does not say. */
  readonly sdrWhiteLevel: number;
  readonly hdr: HdrMetadata | undefined;
}

/** A fresh header to read into. */
export function newFrameHeader(): RawFrameHeader {
  return {
    formatVer: 0,
    frameSerial: 0,
    type: 0,
    screenWidth: 0,
    screenHeight: 0,
    dataWidth: 0,
    dataHeight: 0,
    frameWidth: 0,
    frameHeight: 0,
    rotation: 0,
    stride: 0,
    pitch: 0,
    offset: 0,
    flags: 0,
    damageRectsCount: 0,
    sdrWhiteLevel: 0,
    hdr: undefined,
    scheduleGeneration: 0,
    scheduleEpoch: 0,
    scheduleDeadlineSerial: 0,
  };
}

/** Says that a version has none of the fields that came with 34. */
export function withoutExtras(header: RawFrameHeader): void {
  header.sdrWhiteLevel = 0;
  header.hdr = undefined;
  header.scheduleGeneration = 0;
  header.scheduleEpoch = 0;
  header.scheduleDeadlineSerial = 0;
}

function side(what: string, value: number, at: number): number {
  if (value < 1 || value > MAX_DIMENSION_PX)
    throw outOfRange(what, value, {
      min: 1,
      max: MAX_DIMENSION_PX,
      where: `frame header ${hex(at)}`,
    });
  return value;
}

function pixelFormat(type: number, layout: FrameLayout, at: number): PixelFormat {
  const format = type <= layout.maxType ? pixelFormatName(type) : undefined;
  if (format === undefined)
    throw new KvmfrError(
      'ERR_KVMFR_FORMAT',
      `the pixel format in frame header ${hex(at)} must be 1 to ${layout.maxType} in KVMFR ${layout.kvmfrVersion}, but is ${type}`,
    );
  return format;
}

/**
 * Checks a private copy of a frame header against its message and the region.
 *
 * Source: KVMFRFrame; sizes of the picture (frameWidth, frameHeight), of the transported rows
 * (dataWidth, dataHeight; 19 has none and cuts frameHeight) and of the screen.
 *
 * @throws ERR_KVMFR_BOUNDS, ERR_KVMFR_FORMAT or ERR_KVMFR_CORRUPT, naming the field
 */
export function checkFrame(
  header: RawFrameHeader,
  layout: FrameLayout,
  place: { readonly at: number; readonly messageBytes: number; readonly regionBytes: number },
): FrameGeometry {
  const { at } = place;
  const where = `frame header ${hex(at)}`;
  const format = pixelFormat(header.type, layout, at);
  const widthPx = side('frameWidth', header.frameWidth, at);
  const heightPx = side('frameHeight', header.frameHeight, at);
  const dataWidth = side('dataWidth', header.dataWidth, at);
  const dataHeightPx = side('dataHeight', header.dataHeight, at);
  if (dataHeightPx > heightPx)
    throw outOfRange('dataHeight', dataHeightPx, { min: 1, max: heightPx, where });
  if (widthPx * heightPx > MAX_PICTURE_PX)
    throw new KvmfrError(
      'ERR_KVMFR_BOUNDS',
      `the picture in ${where} may have ${MAX_PICTURE_PX} pixels, but has ${widthPx} x ${heightPx}`,
    );
  const pitchBytes = header.pitch;
  const needPitch = Math.max(rowBytes(format, widthPx), unitBytes(format) * dataWidth);
  if (pitchBytes < needPitch || pitchBytes > MAX_PITCH_BYTES)
    throw outOfRange('pitch', pitchBytes, { min: needPitch, max: MAX_PITCH_BYTES, where });
  const dataBytes = dataHeightPx * pitchBytes;
  const room = Math.min(place.messageBytes, place.regionBytes - at);
  if (header.offset < layout.frameBytes || header.offset % 4 !== 0)
    throw outOfRange('offset', header.offset, { min: layout.frameBytes, max: room - 4, where });
  const truncated = (header.flags & FRAME_FLAGS.truncated) !== 0;
  // Publishers of B6 and B7 let a truncated frame run up to a page past its slot: there the end of
  // the region is the bound.
  const limit = truncated ? place.regionBytes - at : room;
  if (header.offset + 4 + dataBytes > limit)
    throw new KvmfrError(
      'ERR_KVMFR_BOUNDS',
      `frame data at ${hex(at + header.offset + 4)} needs ${dataBytes} bytes, but its place ends at ${hex(at + limit)}`,
    );
  return {
    at,
    format,
    formatVersion: header.formatVer,
    serial: header.frameSerial,
    widthPx,
    heightPx,
    dataHeightPx,
    screenWidthPx: screenSide(header.screenWidth, widthPx),
    screenHeightPx: screenSide(header.screenHeight, heightPx),
    rotation: quarterTurns(header.rotation),
    pitchBytes,
    writePointerAt: at + header.offset,
    dataAt: at + header.offset + 4,
    dataBytes,
    // Packed frames of B7 lose their last rows to a rounding slip at some widths: not for want of room.
    truncated: truncated || (dataHeightPx < heightPx && format !== 'BGR_32'),
    flags: header.flags,
    sdrWhiteLevel: header.sdrWhiteLevel,
    hdr: header.hdr,
  };
}

// Only cursor positions live in this space, so a nonsense value costs nothing but the cursor.
function screenSide(value: number, fallback: number): number {
  return value >= 1 && value <= MAX_DIMENSION_PX ? value : fallback;
}

function quarterTurns(value: number): 0 | 1 | 2 | 3 {
  return value === 1 || value === 2 || value === 3 ? value : 0;
}

/**
 * Reads the damage rects of a frame, clipped to the picture.
 *
 * @returns an empty list when the publisher says that everything changed, or says nonsense
 */
export function readDamage(
  region: Region,
  layout: FrameLayout,
  place: {
    readonly at: number;
    readonly count: number;
    readonly widthPx: number;
    readonly heightPx: number;
  },
): readonly Rect[] {
  if (place.count === 0 || place.count > MAX_DAMAGE_RECTS) return [];
  const rects: Rect[] = [];
  let at = place.at + layout.damageRectsAt;
  for (let i = 0; i < place.count; i++, at += 16) {
    const rect = clipRect(
      {
        x: region.view.getUint32(at, true),
        y: region.view.getUint32(at + 4, true),
        width: region.view.getUint32(at + 8, true),
        height: region.view.getUint32(at + 12, true),
      },
      place.widthPx,
      place.heightPx,
    );
    if (rect !== undefined) rects.push(rect);
  }
  // Rects were promised, and every one lies outside: not to be believed.
  return rects;
}

/**
 * The size of region that would hold a whole frame, by the rule the publisher's documentation gives.
 *
 * Units: MiB, a power of two.
 */
export function regionMibFor(heightPx: number, pitchBytes: number): number {
  const mib = (heightPx * pitchBytes * 2) / 2 ** 20 + 10;
  return 2 ** Math.ceil(Math.log2(mib));
}
