import { CURSOR_LAYOUT_V19, type CursorLayout } from './cursor.ts';
import type { FrameLayout } from './frame.ts';
import { FRAME_LAYOUT_V19 } from './v19.ts';
import { FRAME_LAYOUT_V20 } from './v20.ts';
import { CURSOR_LAYOUT_V34, FRAME_LAYOUT_V34 } from './v34.ts';

export * from './clipboard.ts';
export * from './clipboard-contents.ts';
export * from './clipboard-files.ts';
export * from './clipboard-message.ts';
export * from './clipboard-record.ts';
export * from './color-transform.ts';
export * from './cursor.ts';
export * from './frame.ts';
export * from './hdr.ts';
export * from './input.ts';
export * from './input-record.ts';
export * from './messages.ts';
export * from './pointer.ts';
export * from './recovery.ts';
export * from './session.ts';
export * from './v19.ts';
export * from './v20.ts';
export * from './v34.ts';

/** Queue ids. A queue is found by its id, never by its place. The last four since 34. */
export const QUEUE_IDS = {
  pointer: 1,
  frame: 2,
  frameOwner0: 3,
  frameOwner1: 4,
  input: 5,
  clipboard: 6,
} as const;
/** Lengths that publishers of KVMFR 19 and 20 configure. */
export const QUEUE_LENGTHS = { pointer: 20, frame: 2 } as const;

/** The KVMFR versions this package speaks, by number. */
export const FRAME_LAYOUTS: ReadonlyMap<number, FrameLayout> = new Map([
  [19, FRAME_LAYOUT_V19],
  [20, FRAME_LAYOUT_V20],
  [34, FRAME_LAYOUT_V34],
]);

/** Pointer messages of the same versions. */
export const CURSOR_LAYOUTS: ReadonlyMap<number, CursorLayout> = new Map([
  [19, CURSOR_LAYOUT_V19],
  [20, { ...CURSOR_LAYOUT_V19, kvmfrVersion: 20 }],
  [34, CURSOR_LAYOUT_V34],
]);
