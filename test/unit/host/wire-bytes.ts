import type { CursorShapeInput } from '../../../host/cursor.ts';
import type { FrameInput } from '../../../host/index.ts';
import type { Region } from '../../../protocol/index.ts';
import { countingPicture } from './fixture.ts';

/** Bytes of a region in hex. */
export function hexAt(region: Region, at: number, bytes: number): string {
  return Buffer.from(region.bytes.subarray(at, at + bytes)).toString('hex');
}

/** Words in hex, as they lie in memory. */
export function u32(...values: readonly number[]): string {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, index * 4);
  return bytes.toString('hex');
}

/** Zeros in hex. */
export const zeros = (bytes: number): string => '00'.repeat(bytes);

/** A queue header of LGMP 10 and 12 in which nothing has happened, in hex. */
export function freshQueue(id: number, slots: number, ringAt: number): string {
  return [
    zeros(128),
    `${u32(0, 16, 0, 0, 0)}${zeros(44)}`,
    zeros(4 + 4 + 32 + 64),
    `${u32(id, slots, ringAt, 1000)}${zeros(8)}`,
    zeros(1280),
  ].join('');
}

/** Bytes of the session's record: 48 of head; VMInfo: 8 + 51 + 'Unit\0'; OSInfo: 8 + 1 + 'Test\0'. */
export const UDATA_BYTES: number = 48 + 8 + 56 + 8 + 6;
/** Rows of two pixels of padding, and something in every field. */
export const frame: FrameInput = {
  pixels: countingPicture(6 * 32),
  format: 'RGBA',
  widthPx: 7,
  heightPx: 6,
  pitchBytes: 32,
  screenWidthPx: 14,
  screenHeightPx: 12,
  rotation: 3,
  flags: 2,
};
/** A pointer of four pixels. */
export const shape: CursorShapeInput = {
  kind: 'color',
  widthPx: 2,
  heightPx: 2,
  hotspotX: 1,
  hotspotY: -1,
  pitchBytes: 8,
  bytes: countingPicture(16, 3),
};
