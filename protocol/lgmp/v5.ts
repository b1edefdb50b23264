import { type Layout, layout } from '../memory/layout.ts';
import type { LgmpLayout } from './layout.ts';

/** Fields of LGMPHeader, LGMP 5 and 6. */
export const HEADER_V5_FIELDS = {
  magic: ['u32', 0],
  version: ['u32', 4],
  sessionID: ['u32', 8],
  timestamp: ['u64', 16],
  numQueues: ['u32', 24],
  queues: ['struct', 32, 5720, 8],
  udataSize: ['u32', 5752],
  udata: ['u8', 5756, 'tail'],
} as const;

/** Fields of LGMPHeaderQueue, LGMP 5: locks of one byte. */
export const QUEUE_V5_FIELDS = {
  queueID: ['u32', 0],
  numMessages: ['u32', 4],
  newSubCount: ['u32', 8],
  maxTime: ['u32', 12],
  position: ['u32', 16],
  messagesOffset: ['u32', 20],
  timeout: ['u64', 24, 32],
  clientID: ['u32', 280, 32],
  lock: ['u8', 408],
  subs: ['u64', 416],
  start: ['u32', 424],
  msgTimeout: ['u64', 432],
  count: ['u32', 440],
  cMsgLock: ['u8', 444],
  cMsgAvail: ['u32', 448],
  cMsgWPos: ['u32', 452],
  cMsgWSerial: ['u32', 456],
  cMsgRSerial: ['u32', 460],
  cMsgs: ['struct', 464, 680, 4],
} as const;

/** Fields of LGMPHeaderMessage, LGMP 5 to 10. */
export const MESSAGE_V5_FIELDS = {
  udata: ['u32', 0],
  size: ['u32', 4],
  offset: ['u32', 8],
  pendingSubs: ['u32', 12],
} as const;

/** Fields of LGMPClientMessage, LGMP 5 to 8. */
export const CLIENT_MESSAGE_V5_FIELDS = {
  size: ['u32', 0],
  data: ['u8', 4, 64],
} as const;

/** LGMPHeader of LGMP 5 and 6: 5760 bytes, the session blob starts at 5756. */
export const HeaderV5: Layout<typeof HEADER_V5_FIELDS> = layout(HEADER_V5_FIELDS, 5760);
/** LGMPHeaderQueue of LGMP 5: 1144 bytes. */
export const QueueV5: Layout<typeof QUEUE_V5_FIELDS> = layout(QUEUE_V5_FIELDS, 1144);
/** LGMPHeaderMessage of LGMP 5 to 10: 16 bytes. */
export const MessageV5: Layout<typeof MESSAGE_V5_FIELDS> = layout(MESSAGE_V5_FIELDS, 16);
/** LGMPClientMessage of LGMP 5 to 8: 68 bytes. */
export const ClientMessageV5: Layout<typeof CLIENT_MESSAGE_V5_FIELDS> = layout(
  CLIENT_MESSAGE_V5_FIELDS,
  68,
);

/**
 * LGMP 5, spoken by Looking Glass B6.
 *
 * ```
 * 0      magic version sessionID -- timestamp(8) numQueues --
 * 32     queue header 0 .. 4, 1144 bytes each
 * 5752   udataSize
 * 5756   udata, then from align4(5760 + udataSize) on: rings and payloads
 * ```
 */
export const LGMP_V5: LgmpLayout = {
  version: 5,
  maxQueues: 5,
  maxSubscribers: 32,
  clientMessageSlots: 10,
  ringAlignBytes: 4,
  powerOfTwoRings: false,
  lockBytes: 1,
  udataBytes: 4,
  trimsTail: false,
  nextClientIdAt: undefined,
  senderAt: undefined,
  // The u64 has BAD in its low and ON in its high half; each half is a word of its own to us.
  subs: { on: 420, onShift: 0, bad: 416, badShift: 0 },
  header: { ...HeaderV5.$offsets, sizeBytes: HeaderV5.$sizeBytes },
  queue: { ...QueueV5.$offsets, sizeBytes: QueueV5.$sizeBytes },
  message: { ...MessageV5.$offsets, sizeBytes: MessageV5.$sizeBytes },
  clientMessage: { ...ClientMessageV5.$offsets, sizeBytes: ClientMessageV5.$sizeBytes },
};
