import {
  FRAME_LAYOUT_V19,
  FRAME_LAYOUT_V20,
  type FrameLayout,
  LGMP_V5,
  LGMP_V6,
  type LgmpLayout,
} from '../protocol/index.ts';

/** The releases of Looking Glass whose wire a publisher can speak. */
export type WireName = 'B6' | 'B7';

/** A pair of versions, as layouts. */
export interface Wire {
  readonly name: WireName;
  readonly lgmp: LgmpLayout;
  readonly frame: FrameLayout;
}

/** The wires by name: B6 is LGMP 5 with KVMFR 19, B7 is LGMP 6 with KVMFR 20. */
export const WIRES: { readonly [K in WireName]: Wire } = {
  B6: { name: 'B6', lgmp: LGMP_V5, frame: FRAME_LAYOUT_V19 },
  B7: { name: 'B7', lgmp: LGMP_V6, frame: FRAME_LAYOUT_V20 },
};
