import { ColorTransform, KvmfrError, type Region } from '../protocol/index.ts';
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
const LUT_NUMBERS = 4096 * 4;
const MATRIX_VALID = 1;
const LUT_VALID = 2;

/** Checks a colour transform. @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_UNSUPPORTED (not in this wire) */
export function checkTransform(transform: ColorTransformInput, wire: Wire): void {
  if (wire.cursor.kvmfrVersion < 34)
    throw new KvmfrError(
      'ERR_KVMFR_UNSUPPORTED',
      `a colour transform needs KVMFR 34, but ${wire.name} speaks KVMFR ${wire.frame.kvmfrVersion}`,
    );
  const { matrix, lut } = transform;
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
}

/** Writes a KVMFRColorTransform. */
export function writeTransform(region: Region, at: number, transform: ColorTransformInput): void {
  const { matrix, scalar = 1, lut } = transform;
  const flags = (matrix === undefined ? 0 : MATRIX_VALID) | (lut === undefined ? 0 : LUT_VALID);
  ColorTransform.flags.write(region, at, flags);
  matrix?.forEach((value, i) => {
    region.view.setFloat32(at + ColorTransform.matrix.offsetBytes + i * 4, value, true);
  });
  region.view.setFloat32(at + ColorTransform.scalar.offsetBytes, scalar, true);
  lut?.forEach((value, i) => {
    region.view.setFloat32(at + ColorTransform.lut.offsetBytes + i * 4, value, true);
  });
}
