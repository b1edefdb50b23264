// What a colour transform makes of a colour, step by step in double precision, from the definitions
// of the colour spaces. Shares nothing with the code it is the measure of.

type Vector = readonly [number, number, number];
type Matrix = readonly [Vector, Vector, Vector];

/** What a guest does to the colours of its display. */
export interface ReferenceTransform {
  /** Three rows of four. */
  readonly matrix?: readonly number[] | undefined;
  readonly scalar?: number | undefined;
  /** 4096 entries of R, G, B, 1. */
  readonly lut?: ArrayLike<number> | undefined;
}

const D65 = [0.3127, 0.329] as const;
const BT709 = [
  [0.64, 0.33],
  [0.3, 0.6],
  [0.15, 0.06],
] as const;
const BT2020 = [
  [0.708, 0.292],
  [0.17, 0.797],
  [0.131, 0.046],
] as const;

function times([a, b, c]: Matrix, v: Vector): Vector {
  const dot = (row: Vector): number => row[0] * v[0] + row[1] * v[1] + row[2] * v[2];
  return [dot(a), dot(b), dot(c)];
}

function inverse([[a, b, c], [d, e, f], [g, h, i]]: Matrix): Matrix {
  const det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [(e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det],
    [(f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det],
    [(d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det],
  ];
}

/** XYZ of a chromaticity at Y = 1. */
function xyz([x, y]: readonly [number, number]): Vector {
  return [x / y, 1, (1 - x - y) / y];
}

/** RGB to XYZ of primaries with white at D65: columns are the primaries, scaled to add up to white. */
function toXyz(primaries: typeof BT709 | typeof BT2020): Matrix {
  const [r, g, b] = [xyz(primaries[0]), xyz(primaries[1]), xyz(primaries[2])];
  const columns: Matrix = [
    [r[0], g[0], b[0]],
    [r[1], g[1], b[1]],
    [r[2], g[2], b[2]],
  ];
  const s = times(inverse(columns), xyz(D65));
  const scaled = (row: Vector): Vector => [row[0] * s[0], row[1] * s[1], row[2] * s[2]];
  return [scaled(columns[0]), scaled(columns[1]), scaled(columns[2])];
}

const FROM_709 = toXyz(BT709);
const TO_709 = inverse(FROM_709);
const FROM_2020 = toXyz(BT2020);
const TO_2020 = inverse(FROM_2020);

const clamp = (value: number): number => Math.min(1, Math.max(0, value));
const map = (v: Vector, f: (value: number, i: number) => number): Vector => [
  f(v[0], 0),
  f(v[1], 1),
  f(v[2], 2),
];

const fromSrgb = (v: number): number => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const toSrgb = (l: number): number => (l <= 0.0031308 ? l * 12.92 : 1.055 * l ** (1 / 2.4) - 0.055);

// SMPTE ST 2084, with its constants in their decimal form.
const fromPq = (v: number): number => {
  const p = v ** (1 / 78.84375);
  return (Math.max(0, p - 0.8359375) / (18.8515625 - 18.6875 * p)) ** (1 / 0.1593017578125);
};
const toPq = (l: number): number => {
  const p = l ** 0.1593017578125;
  return ((0.8359375 + 18.8515625 * p) / (1 + 18.6875 * p)) ** 78.84375;
};

function adjust({ matrix, scalar = 1 }: ReferenceTransform, v: Vector): Vector {
  if (matrix === undefined) return v;
  const m = (row: number, column: number): number => matrix[row * 4 + column] ?? Number.NaN;
  const row = (i: number): number =>
    (m(i, 0) * v[0] + m(i, 1) * v[1] + m(i, 2) * v[2] + m(i, 3)) * scalar;
  return [row(0), row(1), row(2)];
}

function lookUp({ lut }: ReferenceTransform, encoded: Vector): Vector {
  if (lut === undefined) return encoded;
  return map(encoded, (value, component) => {
    const place = clamp(value) * 4095;
    const entry = (i: number): number => lut[i * 4 + component] ?? Number.NaN;
    const share = place - Math.floor(place);
    return clamp(entry(Math.floor(place)) * (1 - share) + entry(Math.ceil(place)) * share);
  });
}

/** An sRGB colour on an SDR display. Units: 0 to 255, not rounded. */
export function onSdr(transform: ReferenceTransform, rgb: Vector): Vector {
  const light = times(
    TO_709,
    adjust(
      transform,
      times(
        FROM_709,
        map(rgb, (v) => fromSrgb(v / 255)),
      ),
    ),
  );
  return map(
    lookUp(
      transform,
      map(light, (l) => toSrgb(clamp(l))),
    ),
    (v) => v * 255,
  );
}

/** An sRGB colour on an HDR display, shown as SDR again. Units: 0 to 255, not rounded. */
export function onHdr(transform: ReferenceTransform, rgb: Vector, whiteNits: number): Vector {
  const white = whiteNits / 10_000;
  const desktop = map(rgb, (v) => fromSrgb(v / 255) * white);
  const display = times(TO_2020, adjust(transform, times(FROM_709, desktop)));
  const sent = lookUp(
    transform,
    map(display, (l) => toPq(clamp(l))),
  );
  const seen = times(TO_709, times(FROM_2020, map(sent, fromPq)));
  return map(seen, (l) => toSrgb(clamp(l / white)) * 255);
}

/** A table made of a curve for each component. */
export function lutOf(
  ...curves: readonly [(v: number) => number, (v: number) => number, (v: number) => number]
): Float32Array<ArrayBuffer> {
  const lut = new Float32Array(4096 * 4).fill(1);
  for (let i = 0; i < 4096; i++)
    curves.forEach((curve, component) => {
      lut[i * 4 + component] = curve(i / 4095);
    });
  return lut;
}

/** The XYZ matrix that does to linear BT.709 what a matrix of three rows says. */
export function throughRgb(rows: Matrix): readonly number[] {
  const column = (xyzUnit: Vector): Vector => times(FROM_709, times(rows, times(TO_709, xyzUnit)));
  const [x, y, z] = [column([1, 0, 0]), column([0, 1, 0]), column([0, 0, 1])];
  return [x[0], y[0], z[0], 0, x[1], y[1], z[1], 0, x[2], y[2], z[2], 0];
}

/** Warm light: less green, much less blue. */
export const NIGHT_LIGHT: readonly number[] = throughRgb([
  [1, 0, 0],
  [0, 0.8, 0],
  [0, 0, 0.45],
]);
