import { type Layout, layout } from '../memory/layout.ts';
import type { LgmpLayout } from './layout.ts';
import { LGMP_V6 } from './v6.ts';

/** Fields of LGMPHeader, LGMP 7: numQueues before the timestamp, so that nothing needs padding. */
export const HEADER_V7_FIELDS = {
  magic: ['u32', 0],
  version: ['u32', 4],
  sessionID: ['u32', 8],
  numQueues: ['u32', 12],
  timestamp: ['u64', 16],
  queues: ['struct', 24, 5720, 8],
  udataSize: ['u32', 5744],
  udata: ['u8', 5748, 'tail'],
} as const;

/** LGMPHeader of LGMP 7: 5752 bytes, the session blob starts at 5748. */
export const HeaderV7: Layout<typeof HEADER_V7_FIELDS> = layout(HEADER_V7_FIELDS, 5752);

/** LGMP 7, spoken by development versions of 2025 between B7 and August: LGMP 6 with another header. */
export const LGMP_V7: LgmpLayout = {
  ...LGMP_V6,
  version: 7,
  header: { ...HeaderV7.$offsets, sizeBytes: HeaderV7.$sizeBytes },
};
