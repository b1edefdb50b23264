import {
  CURSOR_LAYOUT_V19,
  CURSOR_LAYOUT_V34,
  type CursorLayout,
  FRAME_LAYOUT_V19,
  FRAME_LAYOUT_V20,
  FRAME_LAYOUT_V34,
  type FrameLayout,
  KvmfrError,
  LGMP_V5,
  LGMP_V6,
  LGMP_V7,
  LGMP_V10,
  LGMP_V12,
  type LgmpLayout,
  PAGE_BYTES,
} from '../protocol/index.ts';

/** The releases and development versions of Looking Glass whose wire a publisher can speak. */
export type WireName = 'B6' | 'B7' | 'dev7' | 'dev10' | 'dev12';

/** A pair of versions, as layouts, and what its publishers do with it. */
export interface Wire {
  readonly name: WireName;
  readonly lgmp: LgmpLayout;
  readonly frame: FrameLayout;
  readonly cursor: CursorLayout;
  /** Messages that the pointer queue holds. */
  readonly pointerLength: number;
  readonly frameSlots: 2 | 3;
  /** Frame slots and their pixels begin on multiples of this. */
  readonly frameAlignBytes: number;
  /** The heartbeat is written when it is this old; 0: with every housekeeping. */
  readonly heartbeatMs: number;
  /** Serial of the first frame; where it is 1, 0 is skipped when the serials wrap. */
  readonly firstSerial: 0 | 1;
  /**
   * Whether a frame goes, one at a time, to those subscribers only that have not had it, and the
   * client that paces the publisher has two queues of its own. Before: every frame to everybody.
   */
  readonly targeted: boolean;
  /** Whether the end of the region is a recovery region unless asked otherwise. */
  readonly recovery: boolean;
}

// The scheme of the stand-alone publishers: two slots in turn, everything to everybody.
const STAND_ALONE = {
  cursor: CURSOR_LAYOUT_V19,
  pointerLength: 20,
  frameSlots: 2,
  frameAlignBytes: PAGE_BYTES,
  heartbeatMs: 0,
  firstSerial: 0,
  targeted: false,
  recovery: false,
} as const;

/**
 * The wires by name: B6 is LGMP 5 with KVMFR 19, B7 is LGMP 6 with KVMFR 20; development versions
 * are called by their LGMP: dev7 and dev10 with KVMFR 20, and dev12 with KVMFR 34, which does what
 * the display driver does.
 */
export const WIRES: { readonly [K in WireName]: Wire } = {
  B6: { ...STAND_ALONE, name: 'B6', lgmp: LGMP_V5, frame: FRAME_LAYOUT_V19 },
  B7: { ...STAND_ALONE, name: 'B7', lgmp: LGMP_V6, frame: FRAME_LAYOUT_V20 },
  dev7: { ...STAND_ALONE, name: 'dev7', lgmp: LGMP_V7, frame: FRAME_LAYOUT_V20 },
  dev10: {
    ...STAND_ALONE,
    name: 'dev10',
    lgmp: LGMP_V10,
    frame: FRAME_LAYOUT_V20,
    pointerLength: 32,
    heartbeatMs: 250,
  },
  dev12: {
    name: 'dev12',
    lgmp: LGMP_V12,
    frame: FRAME_LAYOUT_V34,
    cursor: CURSOR_LAYOUT_V34,
    pointerLength: 32,
    frameSlots: 3,
    // What graphics cards ask of memory that they copy into.
    frameAlignBytes: 65536,
    heartbeatMs: 250,
    firstSerial: 1,
    targeted: true,
    recovery: true,
  },
};

/**
 * The wire with a name.
 *
 * @throws ERR_KVMFR_ARGUMENT when there is none
 */
export function wireOf(name: WireName): Wire {
  const wire = WIRES[name];
  if (wire === undefined)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `a wire must be ${Object.keys(WIRES).join(', ')}, but is ${String(name)}`,
    );
  return wire;
}
