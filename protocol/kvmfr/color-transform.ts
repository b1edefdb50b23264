import { hex, KvmfrError } from '../error.ts';
import { type Layout, layout } from '../memory/layout.ts';
import type { Region } from '../memory/region.ts';
import { BT2020_TO_BT709 } from './hdr.ts';
import { lightToPq, lightToSrgb, PQ_NITS, pqToLight, srgbToLight } from './transfer.ts';

/** Fields of KVMFRColorTransform. */
export const COLOR_TRANSFORM_FIELDS = {
  flags: ['u32', 0],
  matrix: ['u32', 4, 12],
  scalar: ['u32', 52],
  lut: ['struct', 56, 65536, 4],
} as const;

/** KVMFRColorTransform: 65592 bytes; matrix, scalar and lut are 32-bit floats. */
export const ColorTransform: Layout<typeof COLOR_TRANSFORM_FIELDS> = layout(
  COLOR_TRANSFORM_FIELDS,
  65592,
);

/** Parts of a colour transform that are valid; with none of them it changes nothing. */
export const COLOR_TRANSFORM_FLAGS = { matrix: 1, lut: 2 } as const;
/** Entries of the table of a colour transform, each of four numbers. */
export const COLOR_LUT_ENTRIES = 4096;

const MATRIX_NUMBERS = 12;
const LUT_NUMBERS = COLOR_LUT_ENTRIES * 4;

/**
 * What a guest does to the colours of its display (night light, calibration), copied from the region.
 * The frames have it already; the pointer does not, because a display draws it on its own.
 */
export interface RawColorTransform {
  /** XYZ to XYZ: three rows of three factors and an addend, each times {@link scalar}. */
  readonly matrix: readonly number[] | undefined;
  /** 1 when there is no matrix. */
  readonly scalar: number;
  /** 4096 entries of R, G, B and 1, for what the display is sent, after encoding. */
  readonly lut: Float32Array<ArrayBuffer> | undefined;
}

/** How a display is sent colours. */
export interface DisplaySignal {
  /** `pq`: an HDR display, in the primaries of BT.2020. */
  readonly transfer: 'srgb' | 'pq';
  /** Nits of SDR white; of no matter in sRGB. */
  readonly sdrWhiteNits: number;
}

/**
 * Reads and copies a colour transform, each field once. All numbers of it are finite.
 *
 * @param room bytes of the message from `at` on
 * @returns undefined for one that changes nothing
 * @throws ERR_KVMFR_BOUNDS when it does not lie in its message and the region, ERR_KVMFR_CORRUPT for
 *   numbers that are none
 */
export function readColorTransform(
  region: Region,
  at: number,
  room: number,
): RawColorTransform | undefined {
  const need = ColorTransform.$sizeBytes;
  const have = Math.min(room, region.byteLength - at);
  if (have < need)
    throw new KvmfrError(
      'ERR_KVMFR_BOUNDS',
      `the colour transform at ${hex(at)} needs ${need} bytes, but has room for ${have}`,
    );
  const flags = ColorTransform.flags(region, at);
  const { matrix, lut } = COLOR_TRANSFORM_FLAGS;
  if ((flags & (matrix | lut)) === 0) return undefined;
  const hasMatrix = (flags & matrix) !== 0;
  const { offsetBytes: matrixAt } = ColorTransform.matrix;
  const { offsetBytes: scalarAt } = ColorTransform.scalar;
  return {
    matrix: hasMatrix
      ? Array.from({ length: MATRIX_NUMBERS }, (_, i) => finite(region, at + matrixAt + i * 4))
      : undefined,
    scalar: hasMatrix ? finite(region, at + scalarAt) : 1,
    lut: (flags & lut) === 0 ? undefined : readLut(region, at + ColorTransform.lut.offsetBytes),
  };
}

function readLut(region: Region, at: number): Float32Array<ArrayBuffer> {
  const table = new Float32Array(LUT_NUMBERS).fill(1);
  for (let i = 0; i < LUT_NUMBERS; i++) if (i % 4 !== 3) table[i] = finite(region, at + i * 4);
  return table;
}

function finite(region: Region, at: number): number {
  const value = region.view.getFloat32(at, true);
  if (!Number.isFinite(value))
    throw new KvmfrError(
      'ERR_KVMFR_CORRUPT',
      `the colour transform at ${hex(at)} must have finite numbers, but has ${value}`,
    );
  return value;
}

/** Whether two colour transforms do the same. */
export function sameColorTransform(
  a: RawColorTransform | undefined,
  b: RawColorTransform | undefined,
): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.scalar !== b.scalar) return false;
  return sameNumbers(a.matrix, b.matrix) && sameNumbers(a.lut, b.lut);
}

function sameNumbers(a: ArrayLike<number> | undefined, b: ArrayLike<number> | undefined): boolean {
  if (a?.length !== b?.length) return false;
  for (let i = 0; i < (a?.length ?? 0); i++) if (a?.[i] !== b?.[i]) return false;
  return true;
}

/** Linear BT.709 to XYZ, both with white at D65 and Y = 1. Source: IEC 61966-2-1. */
const BT709_TO_XYZ = [
  [0.4123907993, 0.3575843394, 0.1804807884],
  [0.2126390059, 0.7151686788, 0.0721923154],
  [0.0193308187, 0.1191947798, 0.9505321522],
] as const;
/** The inverse. */
const XYZ_TO_BT709 = [
  [3.2409699419, -1.5373831776, -0.4986107603],
  [-0.9692436363, 1.8759675015, 0.0415550574],
  [0.0556300797, -0.2039769589, 1.0569715142],
] as const;
/** XYZ to linear BT.2020. Source: ITU-R BT.2020. */
const XYZ_TO_BT2020 = [
  [1.716651188, -0.3556707838, -0.2533662814],
  [-0.6666843518, 1.6164812366, 0.0157685458],
  [0.0176398574, -0.0427706133, 0.9421031212],
] as const;

type Matrix3 = readonly (readonly [number, number, number])[];

/**
 * Gives pixels the colours that a display shows once it has done to them what the guest asks, in
 * place. Pixels that are wholly transparent stay as they are.
 *
 * sRGB becomes linear light; that becomes XYZ, in which 1 is SDR white (10 000 nits for an HDR
 * display); the matrix times the scalar is applied; the result becomes the primaries and the curve
 * of what the display is sent, clipped to 0..1; each component of that is replaced through the
 * table, with linear interpolation between its entries. What an HDR display is sent becomes sRGB
 * again, SDR white being 255.
 *
 * Shape: rgba is R, G, B, A, with straight alpha.
 * Source: IDDCX_GAMMARAMP_3X4_COLORSPACE_TRANSFORM of the Windows Driver Kit.
 */
export function applyColorTransform(
  rgba: Uint8Array,
  transform: RawColorTransform,
  signal: DisplaySignal,
): void {
  const colors = new ColorPath(transform, signal);
  // Neighbours are alike in a pointer.
  let seen = -1;
  for (let at = 0; at < rgba.length; at += 4) {
    if (rgba[at + 3] === 0) continue;
    const [red = 0, green = 0, blue = 0] = [rgba[at], rgba[at + 1], rgba[at + 2]];
    const key = (red << 16) | (green << 8) | blue;
    if (key !== seen) colors.convert(red, green, blue);
    seen = key;
    rgba[at] = colors.red;
    rgba[at + 1] = colors.green;
    rgba[at + 2] = colors.blue;
  }
}

/** The curves as tables, because a power for each pixel would keep everything else waiting. */
interface Curves {
  /** Light of each sRGB byte. */
  readonly srgbLight: Float64Array;
  /** sRGB by the square root of light: dark colours need most of the entries. */
  readonly srgb: Float64Array;
  /** PQ by the sixteenth root of light. */
  readonly pq: Float64Array;
  /** Light by PQ. */
  readonly pqLight: Float64Array;
}

const CURVE_STEPS = 4096;
let made: Curves | undefined;

function curves(): Curves {
  const curve = (value: (at: number) => number, steps = CURVE_STEPS): Float64Array =>
    Float64Array.from({ length: steps + 1 }, (_, i) => value(i / steps));
  made ??= {
    srgbLight: curve(srgbToLight, 255),
    srgb: curve((root) => lightToSrgb(root ** 2)),
    pq: curve((root) => lightToPq(root ** 16)),
    pqLight: curve(pqToLight),
  };
  return made;
}

/** Between the two entries of a curve that are next; `at` is 0 to 1. */
function between(curve: Float64Array, at: number): number {
  const place = at * CURVE_STEPS;
  const low = Math.floor(place);
  const from = curve[low] ?? 0;
  return from + ((curve[low + 1] ?? from) - from) * (place - low);
}

function srgbOf(light: number): number {
  return between(curves().srgb, Math.sqrt(light));
}

function pqOf(light: number): number {
  return between(curves().pq, Math.sqrt(Math.sqrt(Math.sqrt(Math.sqrt(light)))));
}

/** The way of a colour from the guest's desktop to the eye. */
class ColorPath {
  red = 0;
  green = 0;
  blue = 0;
  readonly #lut: Float32Array | undefined;
  readonly #pq: boolean;
  /** Light of SDR white in what the display is sent. */
  readonly #white: number;
  /** Linear BT.709 to linear light of the display: three rows of four. */
  readonly #toDisplay: Float64Array;

  constructor(transform: RawColorTransform, signal: DisplaySignal) {
    this.#lut = transform.lut;
    this.#pq = signal.transfer === 'pq';
    this.#white = this.#pq ? signal.sdrWhiteNits / PQ_NITS : 1;
    this.#toDisplay = displayMatrix(
      transform,
      this.#pq ? XYZ_TO_BT2020 : XYZ_TO_BT709,
      this.#white,
    );
  }

  convert(red: number, green: number, blue: number): void {
    const { srgbLight, pqLight } = curves();
    const r = srgbLight[red] ?? 0;
    const g = srgbLight[green] ?? 0;
    const b = srgbLight[blue] ?? 0;
    if (!this.#pq) {
      this.red = byte(this.#look(srgbOf(this.#light(0, r, g, b)), 0));
      this.green = byte(this.#look(srgbOf(this.#light(1, r, g, b)), 1));
      this.blue = byte(this.#look(srgbOf(this.#light(2, r, g, b)), 2));
      return;
    }
    const white = this.#white;
    const x = between(pqLight, this.#look(pqOf(this.#light(0, r, g, b)), 0)) / white;
    const y = between(pqLight, this.#look(pqOf(this.#light(1, r, g, b)), 1)) / white;
    const z = between(pqLight, this.#look(pqOf(this.#light(2, r, g, b)), 2)) / white;
    const [toRed, toGreen, toBlue] = BT2020_TO_BT709;
    this.red = byte(srgbOf(clip(toRed[0] * x + toRed[1] * y + toRed[2] * z)));
    this.green = byte(srgbOf(clip(toGreen[0] * x + toGreen[1] * y + toGreen[2] * z)));
    this.blue = byte(srgbOf(clip(toBlue[0] * x + toBlue[1] * y + toBlue[2] * z)));
  }

  #light(row: 0 | 1 | 2, red: number, green: number, blue: number): number {
    const m = this.#toDisplay;
    const at = row * 4;
    return clip(
      (m[at] ?? 0) * red + (m[at + 1] ?? 0) * green + (m[at + 2] ?? 0) * blue + (m[at + 3] ?? 0),
    );
  }

  #look(value: number, component: 0 | 1 | 2): number {
    const lut = this.#lut;
    if (lut === undefined) return value;
    const place = clip(value) * (COLOR_LUT_ENTRIES - 1);
    const low = Math.floor(place);
    const high = Math.min(low + 1, COLOR_LUT_ENTRIES - 1);
    const from = lut[low * 4 + component] ?? 0;
    const to = lut[high * 4 + component] ?? 0;
    return clip(from + (to - from) * (place - low));
  }
}

/** Primaries, scale, matrix and primaries again as one: three rows of four. */
function displayMatrix(
  transform: RawColorTransform,
  toDisplay: Matrix3,
  white: number,
): Float64Array {
  const { matrix, scalar } = transform;
  const out = new Float64Array(MATRIX_NUMBERS);
  const adjust = (row: number, column: number): number =>
    matrix === undefined ? Number(row === column) : (matrix[row * 4 + column] ?? 0) * scalar;
  for (let row = 0; row < 3; row++)
    for (let i = 0; i < 3; i++) {
      const factor = toDisplay[row]?.[i] ?? 0;
      out[row * 4 + 3] = (out[row * 4 + 3] ?? 0) + factor * adjust(i, 3);
      for (let column = 0; column < 3; column++)
        for (let k = 0; k < 3; k++) {
          const xyz = (BT709_TO_XYZ[k]?.[column] ?? 0) * white;
          out[row * 4 + column] = (out[row * 4 + column] ?? 0) + factor * adjust(i, k) * xyz;
        }
    }
  return out;
}

function clip(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}

function byte(value: number): number {
  return Math.round(255 * Math.min(value, 1));
}
