import type { FrameLayout } from './frame.ts';
import { FRAME_LAYOUT_V19 } from './v19.ts';
import { FRAME_LAYOUT_V20 } from './v20.ts';

export * from './cursor.ts';
export * from './frame.ts';
export * from './messages.ts';
export * from './session.ts';
export * from './v19.ts';
export * from './v20.ts';

/** Queue ids. A queue is found by its id, never by its place. */
export const QUEUE_IDS = { pointer: 1, frame: 2 } as const;
/** Lengths that publishers of KVMFR 19 and 20 configure. */
export const QUEUE_LENGTHS = { pointer: 20, frame: 2 } as const;

/** The KVMFR versions this package speaks, by number. */
export const FRAME_LAYOUTS: ReadonlyMap<number, FrameLayout> = new Map([
  [19, FRAME_LAYOUT_V19],
  [20, FRAME_LAYOUT_V20],
]);
