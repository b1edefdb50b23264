/** Linear light of an sRGB component, both 0 to 1. Source: IEC 61966-2-1. */
export function srgbToLight(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** The sRGB component of linear light, not clipped above 1. Source: IEC 61966-2-1. */
export function lightToSrgb(light: number): number {
  return light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
}

const M1 = 2610 / 16384;
const M2 = (2523 / 4096) * 128;
const C1 = 3424 / 4096;
const C2 = (2413 / 4096) * 32;
const C3 = (2392 / 4096) * 32;

/** Nits of a PQ component of 1. */
export const PQ_NITS = 10_000;

/** Linear light of a PQ component, both 0 to 1, where 1 is {@link PQ_NITS}. Source: SMPTE ST 2084. */
export function pqToLight(value: number): number {
  const power = value ** (1 / M2);
  return (Math.max(power - C1, 0) / (C2 - C3 * power)) ** (1 / M1);
}

/** The PQ component of linear light, both 0 to 1; the inverse of {@link pqToLight}. */
export function lightToPq(light: number): number {
  const power = light ** M1;
  return ((C1 + C2 * power) / (1 + C3 * power)) ** M2;
}
