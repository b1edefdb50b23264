/** Writes pixels B, G, R, A from one place in another format at another place. */
export type PackRow = (
  from: Uint8Array,
  at: number,
  to: Uint8Array,
  out: number,
  pixels: number,
) => void;

/** Nits of SDR white in what is packed here as RGBA16F. */
export const SCRGB_WHITE_NITS = 203;
/** Nits of 1.0 in scRGB. */
const SCRGB_UNIT_NITS = 80;

// 8 bits to 10: the nearest step of the same scale.
const TEN_BITS: Uint16Array<ArrayBuffer> = Uint16Array.from({ length: 256 }, (_, value) =>
  Math.floor((value * 1023 + 127) / 255),
);

// 8 bits of sRGB to linear light as half floats, white at SCRGB_WHITE_NITS.
const LINEAR_HALVES: Uint16Array<ArrayBuffer> = Uint16Array.from({ length: 256 }, (_, value) =>
  toHalf((srgbToLinear(value / 255) * SCRGB_WHITE_NITS) / SCRGB_UNIT_NITS),
);

const ALPHA_HALVES: Uint16Array<ArrayBuffer> = Uint16Array.from({ length: 256 }, (_, value) =>
  toHalf(value / 255),
);

/** The curve of sRGB, IEC 61966-2-1: an encoded value of 0 to 1 as linear light of 0 to 1. */
export function srgbToLinear(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** The bits of the nearest IEEE half float, ties to even; beyond its range infinity. */
export function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  // Steps of the half floats around the value: 2^-24 below 2^-14, then ten bits below the highest.
  const exponent = magnitude < 2 ** -14 ? -14 : Math.floor(Math.log2(magnitude));
  const step = 2 ** (exponent - 10);
  const steps = roundHalfToEven(magnitude / step);
  // A round-up over the highest step carries into the exponent by itself.
  return magnitude < 2 ** -14 ? sign | steps : sign | ((exponent + 14) * 1024 + steps);
}

function roundHalfToEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  if (rest !== 0.5) return Math.round(value);
  return down % 2 === 0 ? down : down + 1;
}

/** Writes pixels B, G, R, A as RGBA10: R in the lowest ten bits, A in the highest two. */
export const packTenBitRow: PackRow = (from, at, to, out, pixels) => {
  for (let end = at + pixels * 4, i = at, o = out; i < end; i += 4, o += 4) {
    const b = TEN_BITS[from[i] ?? 0] ?? 0;
    const g = TEN_BITS[from[i + 1] ?? 0] ?? 0;
    const r = TEN_BITS[from[i + 2] ?? 0] ?? 0;
    const a = Math.floor(((from[i + 3] ?? 0) * 3 + 127) / 255);
    to[o] = r & 0xff;
    to[o + 1] = (r >>> 8) | ((g & 0x3f) << 2);
    to[o + 2] = (g >>> 6) | ((b & 0xf) << 4);
    to[o + 3] = (b >>> 4) | (a << 6);
  }
};

/**
 * Writes pixels B, G, R, A as RGBA16F: scRGB, linear light in which 1.0 is 80 nits, with the white of
 * the picture at 203 nits: `srgbToLinear(v / 255) * 203 / 80`, rounded to the nearest half float.
 */
export const packHalfRow: PackRow = (from, at, to, out, pixels) => {
  const put = (o: number, half: number): void => {
    to[o] = half & 0xff;
    to[o + 1] = half >>> 8;
  };
  for (let end = at + pixels * 4, i = at, o = out; i < end; i += 4, o += 8) {
    put(o, LINEAR_HALVES[from[i + 2] ?? 0] ?? 0);
    put(o + 2, LINEAR_HALVES[from[i + 1] ?? 0] ?? 0);
    put(o + 4, LINEAR_HALVES[from[i] ?? 0] ?? 0);
    put(o + 6, ALPHA_HALVES[from[i + 3] ?? 0] ?? 0);
  }
};
