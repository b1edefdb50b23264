import { type Layout, layout } from '../memory/layout.ts';
import type { LgmpLayout } from './layout.ts';
import { LGMP_V5, QUEUE_V5_FIELDS } from './v5.ts';

/** Fields of LGMPHeaderQueue, LGMP 6: the locks are words. */
export const QUEUE_V6_FIELDS: Omit<typeof QUEUE_V5_FIELDS, 'lock' | 'cMsgLock'> & {
  readonly lock: readonly ['u32', 408];
  readonly cMsgLock: readonly ['u32', 444];
} = { ...QUEUE_V5_FIELDS, lock: ['u32', 408], cMsgLock: ['u32', 444] };

/** LGMPHeaderQueue of LGMP 6: 1144 bytes. */
export const QueueV6: Layout<typeof QUEUE_V6_FIELDS> = layout(QUEUE_V6_FIELDS, 1144);

/** LGMP 6, spoken by Looking Glass B7: LGMP 5 with locks of four bytes. */
export const LGMP_V6: LgmpLayout = {
  ...LGMP_V5,
  version: 6,
  lockBytes: 4,
  queue: { ...QueueV6.$offsets, sizeBytes: QueueV6.$sizeBytes },
};
