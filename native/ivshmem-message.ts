/** Bytes of every message of an ivshmem-server: one signed number, little-endian. */
export const IVSHMEM_MESSAGE_BYTES = 8;
/** The version of the protocol that QEMU speaks. Source: QEMU's docs/specs/ivshmem-spec. */
export const IVSHMEM_VERSION = 0;
/** The number that comes with the descriptor of the memory. */
export const IVSHMEM_MEMORY = -1;
/** Numbers of peers are 16 bit. */
export const MAX_IVSHMEM_ID = 65_535;
/** More vectors than anybody gives a peer. */
export const MAX_IVSHMEM_VECTORS = 32;
/** More peers than share a screen; what comes beyond is refused. */
export const MAX_IVSHMEM_PEERS = 64;

/** The bytes of a message. */
export function encodeIvshmem(value: number): Uint8Array {
  const bytes = new Uint8Array(IVSHMEM_MESSAGE_BYTES);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return bytes;
}

/** The number in a message; what no message can say becomes NaN. */
export function decodeIvshmem(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, IVSHMEM_MESSAGE_BYTES);
  const value = view.getBigInt64(0, true);
  return value < -1n || value > BigInt(MAX_IVSHMEM_ID) ? Number.NaN : Number(value);
}
