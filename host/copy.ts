import { copyRows as copyRowsNatively } from '../native/index.ts';
import { KvmfrError, type Region } from '../protocol/index.ts';

// Publishing needs no native code when the region is a buffer of this process.
let haveNative = true;

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
  if (haveNative && rows > 1 && copiedNatively(region, to, source, from, shape)) return;
  for (let row = 0; row < rows; row++)
    copyBytes(region, to + row * pitchBytes, source, from + row * pitchBytes, rowBytes);
}

function copiedNatively(
  region: Region,
  to: number,
  source: Uint8Array,
  from: number,
  shape: { readonly pitchBytes: number; readonly rowBytes: number; readonly rows: number },
): boolean {
  try {
    copyRowsNatively({
      dst: region.bytes,
      dstOffset: to,
      dstPitchBytes: shape.pitchBytes,
      src: source,
      srcOffset: from,
      srcPitchBytes: shape.pitchBytes,
      rowBytes: shape.rowBytes,
      rows: shape.rows,
    });
    return true;
  } catch (error) {
    if (!KvmfrError.is(error) || error.code !== 'ERR_KVMFR_NATIVE') throw error;
    haveNative = false;
    return false;
  }
}
