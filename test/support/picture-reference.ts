// What a guest's frame is, byte by byte, and what a person must see of it, pixel by pixel: written
// from the description of the formats, the slow way. Shares nothing with the code it is the measure of.

/** The six formats. */
export type ReferenceFormat = 'BGRA' | 'RGBA' | 'RGBA10' | 'RGBA16F' | 'BGR_32' | 'RGB_24';

/** An area of a picture. */
export interface ReferenceRect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What is seen: R, G, B of 0 to 255 for each pixel, not rounded. */
export interface SeenPicture {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgb: Float64Array;
}

/** Bytes that a row of a format needs without padding. */
export function leastPitch(format: ReferenceFormat, widthPx: number): number {
  if (format === 'RGBA16F') return widthPx * 8;
  if (format === 'RGB_24') return Math.ceil(widthPx / 4) * 12;
  if (format === 'BGR_32') return Math.ceil((widthPx * 3) / 4) * 4;
  return widthPx * 4;
}

/** Bytes of the unit that `dataWidth` counts. */
export function unitOf(format: ReferenceFormat): number {
  return { BGRA: 4, RGBA: 4, RGBA10: 4, RGBA16F: 8, BGR_32: 4, RGB_24: 3 }[format];
}

/** A guest's screen in the numbers of a format: bytes, ten bits, or the bits of half floats. */
export class ReferenceScreen {
  readonly format: ReferenceFormat;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly #codes: Uint16Array;
  readonly #whiteNits: number;

  /** @param whiteNits SDR white, for half floats */
  constructor(format: ReferenceFormat, widthPx: number, heightPx: number, whiteNits: number = 203) {
    this.#whiteNits = whiteNits;
    this.format = format;
    this.widthPx = widthPx;
    this.heightPx = heightPx;
    this.#codes = new Uint16Array(widthPx * heightPx * 3);
  }

  /** Fills an area with noise, other noise for each seed. */
  paint(area: ReferenceRect, seed: number): void {
    let state = (seed * 2654435761 + 1) >>> 0;
    for (let y = area.y; y < area.y + area.height; y++)
      for (let x = area.x; x < area.x + area.width; x++)
        for (let channel = 0; channel < 3; channel++) {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          this.#codes[(y * this.widthPx + x) * 3 + channel] = this.#code(state >>> 12);
        }
  }

  #code(random: number): number {
    if (this.format === 'RGBA10') return random % 1024;
    // From 0 to 2.5 in scRGB, which is 200 nits and not above SDR white: 0x4100 is 2.5.
    if (this.format === 'RGBA16F') return random % 0x4101;
    return random % 256;
  }

  /** The rows as a frame carries them. Padding and alpha are noise that nobody may look at. */
  bytes(pitchBytes: number): Uint8Array {
    const bytes = new Uint8Array(
      pitchBytes * (this.heightPx - 1) + leastPitch(this.format, this.widthPx),
    );
    if (pitchBytes < 4096) for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 89 + 7) & 255;
    const view = new DataView(bytes.buffer);
    for (let y = 0; y < this.heightPx; y++)
      for (let x = 0; x < this.widthPx; x++) {
        const [r, g, b] = this.#at(x, y);
        const row = y * pitchBytes;
        switch (this.format) {
          case 'BGRA':
            bytes.set([b, g, r], row + x * 4);
            break;
          case 'RGBA':
            bytes.set([r, g, b], row + x * 4);
            break;
          case 'BGR_32':
            bytes.set([b, g, r], row + x * 3);
            break;
          case 'RGB_24':
            bytes.set([r, g, b], row + x * 3);
            break;
          case 'RGBA10':
            view.setUint32(
              row + x * 4,
              r + g * 2 ** 10 + b * 2 ** 20 + ((x + y) % 4) * 2 ** 30,
              true,
            );
            break;
          case 'RGBA16F':
            [r, g, b].forEach((half, i) => {
              view.setUint16(row + x * 8 + i * 2, half, true);
            });
            break;
        }
      }
    return bytes;
  }

  #at(x: number, y: number): readonly [number, number, number] {
    const from = (y * this.widthPx + x) * 3;
    return [this.#codes[from] ?? 0, this.#codes[from + 1] ?? 0, this.#codes[from + 2] ?? 0];
  }

  /**
   * What is seen of it. Rows that were not transported are black.
   *
   * @param rows how many were; the picture has `heightPx` all the same
   */
  seen(rows: number = this.heightPx, heightPx: number = this.heightPx): SeenPicture {
    const rgb = new Float64Array(this.widthPx * heightPx * 3);
    for (let y = 0; y < Math.min(rows, heightPx); y++)
      for (let x = 0; x < this.widthPx; x++)
        this.#at(x, y).forEach((code, channel) => {
          rgb[(y * this.widthPx + x) * 3 + channel] = shown(this.format, code, this.#whiteNits);
        });
    return { widthPx: this.widthPx, heightPx, rgb };
  }
}

function shown(format: ReferenceFormat, code: number, whiteNits: number): number {
  if (format === 'RGBA10') return (code * 255) / 1023;
  if (format !== 'RGBA16F') return code;
  const light = (halfValue(code) * 80) / whiteNits;
  return 255 * (light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055);
}

/** The value of an IEEE half float that is finite and not negative. */
function halfValue(bits: number): number {
  const exponent = Math.floor(bits / 1024);
  const fraction = bits % 1024;
  return exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
}

/** A picture turned by quarters clockwise: where each pixel of the result comes from. */
export function turnedBy(picture: SeenPicture, turns: number): SeenPicture {
  const { widthPx: w, heightPx: h } = picture;
  const widthPx = turns % 2 === 0 ? w : h;
  const heightPx = turns % 2 === 0 ? h : w;
  const rgb = new Float64Array(picture.rgb.length);
  for (let y = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++) {
      const [fromX, fromY] = (
        [
          [x, y],
          [y, h - 1 - x],
          [w - 1 - x, h - 1 - y],
          [w - 1 - y, x],
        ] as const
      )[turns] ?? [x, y];
      for (let channel = 0; channel < 3; channel++)
        rgb[(y * widthPx + x) * 3 + channel] =
          picture.rgb[(fromY * w + fromX) * 3 + channel] ?? Number.NaN;
    }
  return { widthPx, heightPx, rgb };
}

/**
 * By how much pixels differ from what must be seen, at the most, beyond what rounding does.
 *
 * @param pixels R, G, B without padding, or with `step` 4 B, G, R, 255
 */
export function beyondRounding(pixels: Uint8Array, seen: SeenPicture, step: 3 | 4 = 3): number {
  const count = seen.widthPx * seen.heightPx;
  if (pixels.length !== count * step) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let pixel = 0; pixel < count; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const at = pixel * step + (step === 4 ? 2 - channel : channel);
      const off = Math.abs((pixels[at] ?? 0) - (seen.rgb[pixel * 3 + channel] ?? Number.NaN));
      worst = Math.max(worst, off - 0.5);
    }
    if (step === 4 && pixels[pixel * 4 + 3] !== 255) return Number.POSITIVE_INFINITY;
  }
  return worst;
}
