import {
  COLOR_LUT_ENTRIES,
  COLOR_TRANSFORM_FLAGS,
  ColorTransform,
  KvmfrError,
  type Region,
} from '../protocol/index.ts';
import type { Wire } from './wire.ts';

/** What a guest does to the colours of its display (night light, calibration). Left out: identity. */
export interface ColorTransformInput {
  /** XYZ to XYZ: three rows of four numbers. */
  readonly matrix?: readonly number[] | undefined;
  /** Factor that goes with the matrix; 1 when left out. */
  readonly scalar?: number | undefined;
  /** 4096 entries of R, G, B and 1, applied after encoding. */
  readonly lut?: Float32Array | undefined;
}

const MATRIX_NUMBERS = 12;
const LUT_NUMBERS = COLOR_LUT_ENTRIES * 4;

/**
 * Checks a colour transform, and copies it: it is sent again to every new subscriber.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_UNSUPPORTED (not in this wire)
 */
export function copyTransform(transform: ColorTransformInput, wire: Wire): ColorTransformInput {
  if (!wire.cursor.hasColors)
    throw new KvmfrError(
      'ERR_KVMFR_UNSUPPORTED',
      `a colour transform needs KVMFR 34, but ${wire.name} speaks KVMFR ${wire.frame.kvmfrVersion}`,
    );
  const { matrix, scalar = 1, lut } = transform;
  if (matrix !== undefined && matrix.length !== MATRIX_NUMBERS)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `the matrix of a colour transform must have ${MATRIX_NUMBERS} numbers, but has ${matrix.length}`,
    );
  if (lut !== undefined && lut.length !== LUT_NUMBERS)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `the table of a colour transform must have ${LUT_NUMBERS} numbers, but has ${lut.length}`,
    );
  // What does not fit into 32 bits is infinite there.
  const fits = (value: number): boolean => Number.isFinite(Math.fround(value));
  if (!fits(scalar) || matrix?.every(fits) === false || lut?.every(fits) === false)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      'the numbers of a colour transform must be finite in 32 bits, but one is not',
    );
  return { matrix: matrix?.slice(), scalar, lut: lut?.slice() };
}

/** Writes a KVMFRColorTransform. */
export function writeTransform(region: Region, at: number, transform: ColorTransformInput): void {
  const { matrix, scalar = 1, lut } = transform;
  const flags =
    (matrix === undefined ? 0 : COLOR_TRANSFORM_FLAGS.matrix) |
    (lut === undefined ? 0 : COLOR_TRANSFORM_FLAGS.lut);
  ColorTransform.flags.write(region, at, flags);
  matrix?.forEach((value, i) => {
    region.view.setFloat32(at + ColorTransform.matrix.offsetBytes + i * 4, value, true);
  });
  region.view.setFloat32(at + ColorTransform.scalar.offsetBytes, scalar, true);
  lut?.forEach((value, i) => {
    region.view.setFloat32(at + ColorTransform.lut.offsetBytes + i * 4, value, true);
  });
}
