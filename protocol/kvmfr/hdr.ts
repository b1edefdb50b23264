import type { PixelFormat } from '../pixel.ts';
import { FRAME_FLAGS } from './frame.ts';
import { lightToSrgb, PQ_NITS, pqToLight } from './transfer.ts';

/**
 * How the numbers of an HDR frame say light.
 *
 * - `pq`: RGBA10 with HDR and HDR_PQ. Each ten-bit code is a luminance of 0 to 10 000 nits by the PQ
 *   curve, in the primaries of BT.2020. Publishers: the development driver, NvFBC.
 * - `linear`: RGBA10 with HDR and without HDR_PQ. Each code is linear light with SDR white at 1023, in
 *   the primaries of BT.709. B7 makes it of a desktop in scRGB by one factor for all three
 *   components, 80 / (nits of SDR white), and the texture clips it to 0..1: a factor changes no
 *   primaries, so they are still those of scRGB, and only with this reading is SDR white 1.0.
 * - `scrgb`: RGBA16F. Each half float is linear light, 1.0 = 80 nits, in the primaries of BT.709;
 *   negative components are colours outside of them.
 */
export type HdrTransfer = 'pq' | 'linear' | 'scrgb';

/**
 * What KVMFR 34 says about the light in a frame, as far as a tone map needs it. Its display
 * primaries name the display that the guest believes in, not the coding of the pixels.
 *
 * Units: nits (cd/m²); 0 is unknown.
 * Source: KVMFRFrame of KVMFR 34, hdrMaxDisplayLuminance and hdrMaxContentLightLevel.
 */
export interface HdrLight {
  readonly maxDisplayLuminance: number;
  readonly maxContentLightLevel: number;
}

/** What decides how a frame is shown on an SDR screen: fields of its header, not yet believed. */
export interface ToneMapSource {
  readonly format: PixelFormat;
  /** The frame's flags; HDR, HDR_PQ and HDR_METADATA matter. */
  readonly flags: number;
  /** Nits of SDR white; 0 or nothing where the version has no such field. */
  readonly sdrWhiteLevel?: number | undefined;
  /** Believed only with the flag HDR_METADATA. */
  readonly metadata?: HdrLight | undefined;
}

/**
 * How the light of an HDR frame becomes 8-bit sRGB: plain numbers, checked and within bounds.
 *
 * With every component as a multiple of SDR white, in linear light:
 *
 * 1. Decode. `pq`: gain * EOTF(code / 1023), then BT.2020 to BT.709 by {@link BT2020_TO_BT709}.
 *    `linear`: gain * code / 1023. `scrgb`: gain * value; NaN is 0, infinity the largest half.
 * 2. Clip negative components, which are colours outside of BT.709, to 0.
 * 3. The intensity is m = max(R, G, B). Up to m = 1 the colour stays as it is, so that desktops,
 *    text and whatever else is no brighter than SDR white come out as on an SDR screen.
 *    Above, what SDR cannot show as more light it shows as less colour, at constant hue:
 *
 *        Y    = 0.2126 R + 0.7152 G + 0.0722 B
 *        full = max(peak, m / Y)
 *        t    = min(1, (m - 1) / (full - 1))
 *        d    = t² (3 - 2 t)
 *        C'   = C (1 - d) / m + d           for each component C
 *
 *    d is the share of white. It rolls off from 0 at SDR white to 1 at the frame's peak by a cubic
 *    Hermite spline with flat ends, so that no edge shows where highlights begin. m / Y is the
 *    intensity at which this hue is as luminous as white: a blue highlight that never gets there
 *    never becomes white either. A grey above SDR white is white: SDR has no code above it.
 * 4. Encode: 12.92 C for C <= 0.0031308, else 1.055 C^(1/2.4) - 0.055; times 255, rounded.
 *
 * Source: PQ and its constants: SMPTE ST 2084, ITU-R BT.2100 table 4. SDR white of 203 nits where
 * the frame names none: ITU-R BT.2408. Primaries: ITU-R BT.709, BT.2020, BT.2087. A spline between
 * reference white and peak follows the roll-off of ITU-R BT.2390 (EETF), which would darken SDR
 * white and is not used itself. Largest component as intensity: MaxCLL of CTA-861.3. sRGB and its
 * curve: IEC 61966-2-1; scRGB and its 80 nits: IEC 61966-2-2.
 */
export interface ToneMap {
  readonly transfer: HdrTransfer;
  /** Nits of what becomes 255. */
  readonly sdrWhiteNits: number;
  /** Nits of the brightest component that the frame is expected to have. */
  readonly peakNits: number;
  /** What a decoded 1.0 is. Units: multiples of SDR white. */
  readonly gain: number;
  /** Units: multiples of SDR white; at least 1. */
  readonly peak: number;
}

/** A pixel of the picture. */
export interface SdrPixel {
  readonly red: number;
  readonly green: number;
  readonly blue: number;
}

/**
 * Linear BT.2020 components to BT.709 ones, row by row: red, green, blue. Each row sums to 1, so
 * grey stays grey.
 *
 * Source: from the primaries of ITU-R BT.2020 and BT.709, both with white at D65; the inverse of
 * the matrix of ITU-R BT.2087.
 */
export const BT2020_TO_BT709 = [
  [1.660491, -0.587641, -0.07285],
  [-0.124551, 1.1329, -0.008349],
  [-0.018151, -0.100579, 1.11873],
] as const;

/** Flag of a KVMFR 34 frame: the hdr fields are valid. */
const HDR_METADATA = 0x20;

const DEFAULT_SDR_WHITE_NITS = 203;
/** Windows offers 80 to 480; half and twice of that are still pictures one can see. */
const SDR_WHITE_RANGE_NITS = [40, 960] as const;
/** What films and games are most often made for. */
const DEFAULT_PEAK_NITS = 1000;
const SCRGB_NITS = 80;
const MAX_CODE = 1023;
const MAX_HALF = 65_504;

/**
 * The tone map of a frame; undefined where none is needed, because the frame is SDR. RGBA16F is
 * HDR whatever the flags say. A guest's numbers are believed within bounds: SDR white from 40 to
 * 960 nits, the peak from SDR white to 10 000 nits.
 */
export function toneMapOf(source: ToneMapSource): ToneMap | undefined {
  const transfer = hdrTransfer(source);
  if (transfer === undefined) return undefined;
  const sdrWhiteNits = sdrWhiteOf(source.sdrWhiteLevel);
  // What was above SDR white the publisher has clipped.
  const peakNits = transfer === 'linear' ? sdrWhiteNits : peakOf(source, sdrWhiteNits);
  const unitNits = { pq: PQ_NITS, linear: sdrWhiteNits, scrgb: SCRGB_NITS }[transfer];
  return {
    transfer,
    sdrWhiteNits,
    peakNits,
    gain: unitNits / sdrWhiteNits,
    peak: peakNits / sdrWhiteNits,
  };
}

/**
 * Whether two tone maps give every pixel the same colour. When they do not, the whole frame has to
 * be converted again: no damage rect tells of it.
 */
export function sameToneMap(one: ToneMap | undefined, other: ToneMap | undefined): boolean {
  return (
    one?.transfer === other?.transfer && one?.gain === other?.gain && one?.peak === other?.peak
  );
}

/**
 * What a tone map makes of one pixel, in double precision: what the fast kernels are tested
 * against. Takes codes of 0 to 1023 for `pq` and `linear`, any numbers for `scrgb`.
 *
 * Shape: components of 0 to 255, whole numbers.
 */
export function toneMapPixel(map: ToneMap, red: number, green: number, blue: number): SdrPixel {
  const [r, g, b] = decoded(map, red, green, blue);
  const intensity = Math.max(r, g, b);
  if (intensity <= 1) return { red: encode(r), green: encode(g), blue: encode(b) };
  const white = whiteShare(map.peak, intensity, 0.2126 * r + 0.7152 * g + 0.0722 * b);
  const scale = (1 - white) / intensity;
  return {
    red: encode(r * scale + white),
    green: encode(g * scale + white),
    blue: encode(b * scale + white),
  };
}

/** How a frame says light; undefined when it is SDR. */
export function hdrTransfer({
  format,
  flags,
}: Pick<ToneMapSource, 'format' | 'flags'>): HdrTransfer | undefined {
  if (format === 'RGBA16F') return 'scrgb';
  if (format !== 'RGBA10' || (flags & FRAME_FLAGS.hdr) === 0) return undefined;
  return (flags & FRAME_FLAGS.hdrPq) === 0 ? 'linear' : 'pq';
}

/** Nits of SDR white by what a guest says, within bounds; 203 when it says nothing. */
export function sdrWhiteOf(nits: number | undefined): number {
  const [min, max] = SDR_WHITE_RANGE_NITS;
  return isLight(nits) ? Math.min(Math.max(nits, min), max) : DEFAULT_SDR_WHITE_NITS;
}

function peakOf({ flags, metadata }: ToneMapSource, sdrWhiteNits: number): number {
  const believed = (flags & HDR_METADATA) === 0 ? undefined : metadata;
  const content = believed?.maxContentLightLevel;
  const display = believed?.maxDisplayLuminance;
  const nits = isLight(content) ? content : isLight(display) ? display : DEFAULT_PEAK_NITS;
  return Math.min(Math.max(nits, sdrWhiteNits), PQ_NITS);
}

/** Written so that NaN is none. */
function isLight(nits: number | undefined): nits is number {
  return nits !== undefined && nits > 0;
}

/** Linear BT.709 light in multiples of SDR white, not negative. */
function decoded(
  { transfer, gain }: ToneMap,
  red: number,
  green: number,
  blue: number,
): readonly [number, number, number] {
  switch (transfer) {
    case 'linear':
      return [(gain * red) / MAX_CODE, (gain * green) / MAX_CODE, (gain * blue) / MAX_CODE];
    case 'scrgb':
      return [gain * half(red), gain * half(green), gain * half(blue)];
    case 'pq': {
      const r = gain * pqToLight(red / MAX_CODE);
      const g = gain * pqToLight(green / MAX_CODE);
      const b = gain * pqToLight(blue / MAX_CODE);
      const [toRed, toGreen, toBlue] = BT2020_TO_BT709;
      return [
        Math.max(0, toRed[0] * r + toRed[1] * g + toRed[2] * b),
        Math.max(0, toGreen[0] * r + toGreen[1] * g + toGreen[2] * b),
        Math.max(0, toBlue[0] * r + toBlue[1] * g + toBlue[2] * b),
      ];
    }
  }
}

function half(value: number): number {
  return value > 0 ? Math.min(value, MAX_HALF) : 0;
}

function whiteShare(peak: number, intensity: number, luminance: number): number {
  const full = Math.max(peak, intensity / luminance);
  // A peak of 1 divides by 0, and infinity is cut to 1 as it should be.
  const t = Math.min(1, (intensity - 1) / (full - 1));
  return t * t * (3 - 2 * t);
}

function encode(light: number): number {
  return Math.round(255 * Math.min(lightToSrgb(light), 1));
}
