import type { Region } from '../protocol/index.ts';

/** Copies bytes into the region. The caller has checked both places. */
export function copyBytes(
  region: Region,
  to: number,
  source: Uint8Array,
  from: number,
  bytes: number,
): void {
  region.bytes.set(source.subarray(from, from + bytes), to);
}

/** Copies a rect of bytes between two pictures of the same pitch. The caller has checked both. */
export function copyRows(
  region: Region,
  to: number,
  source: Uint8Array,
  from: number,
  shape: { readonly pitchBytes: number; readonly rowBytes: number; readonly rows: number },
): void {
  const { pitchBytes, rowBytes, rows } = shape;
  if (rowBytes === pitchBytes) {
    copyBytes(region, to, source, from, rowBytes * rows);
    return;
  }
  for (let row = 0; row < rows; row++)
    copyBytes(region, to + row * pitchBytes, source, from + row * pitchBytes, rowBytes);
}
