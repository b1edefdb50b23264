import { type Layout, layout } from '../memory/layout.ts';
import type { LgmpLayout } from './layout.ts';
import { MessageV5 } from './v5.ts';

/** Fields of LGMPHeader, LGMP 10: the magic lies behind the queues. */
export const HEADER_V10_FIELDS = {
  timestamp: ['u64', 0],
  queues: ['struct', 64, 8000, 64],
  magic: ['u32', 8064],
  version: ['u32', 8068],
  sessionID: ['u32', 8072],
  numQueues: ['u32', 8076],
  udataSize: ['u32', 8080],
  udata: ['u8', 8084, 'tail'],
} as const;

/** Fields of LGMPHeaderQueue, LGMP 10 and 12: a cache line for each party. */
export const QUEUE_V10_FIELDS = {
  position: ['u32', 0],
  start: ['u32', 4],
  count: ['u32', 8],
  msgTimeout: ['u64', 16],
  lock: ['u32', 64, 1, 64],
  cMsgLock: ['u32', 128, 1, 64],
  cMsgAvail: ['u32', 132],
  cMsgWPos: ['u32', 136],
  cMsgWSerial: ['u32', 140],
  cMsgRSerial: ['u32', 144],
  subs: ['u32', 192, 1, 64],
  newSubCount: ['u32', 196],
  clientID: ['u32', 200, 8],
  timeout: ['u64', 232, 8],
  queueID: ['u32', 296],
  numMessages: ['u32', 300],
  messagesOffset: ['u32', 304],
  maxTime: ['u32', 308],
  cMsgs: ['struct', 320, 1280, 64],
} as const;

/** Fields of LGMPClientMessage, LGMP 10. */
export const CLIENT_MESSAGE_V10_FIELDS = {
  size: ['u32', 0],
  data: ['u8', 16, 64, 16],
} as const;

/** LGMPHeader of LGMP 10: 8128 bytes, the session blob starts at 8084. */
export const HeaderV10: Layout<typeof HEADER_V10_FIELDS> = layout(HEADER_V10_FIELDS, 8128);
/** LGMPHeaderQueue of LGMP 10 and 12: 1600 bytes. */
export const QueueV10: Layout<typeof QUEUE_V10_FIELDS> = layout(QUEUE_V10_FIELDS, 1600);
/** LGMPClientMessage of LGMP 10: 80 bytes. */
export const ClientMessageV10: Layout<typeof CLIENT_MESSAGE_V10_FIELDS> = layout(
  CLIENT_MESSAGE_V10_FIELDS,
  80,
);

/**
 * LGMP 10 in its final layout, spoken by development versions from August 2025 to August 2026.
 *
 * ```
 * 0      timestamp(8) --
 * 64     queue header 0 .. 4, 1600 bytes each, a cache line for each party
 * 8064   magic version sessionID numQueues udataSize
 * 8084   udata, then from 8128 + udataSize on: rings (64 aligned) and payloads
 * ```
 */
export const LGMP_V10: LgmpLayout = {
  version: 10,
  maxQueues: 5,
  maxSubscribers: 8,
  clientMessageSlots: 16,
  ringAlignBytes: 64,
  powerOfTwoRings: true,
  lockBytes: 4,
  udataBytes: 4,
  trimsTail: false,
  nextClientIdAt: undefined,
  senderAt: undefined,
  // One word: ON in its high half, BAD in its low half, eight bits of each in use.
  subs: { on: 192, onShift: 16, bad: 192, badShift: 0 },
  header: { ...HeaderV10.$offsets, sizeBytes: HeaderV10.$sizeBytes },
  queue: { ...QueueV10.$offsets, sizeBytes: QueueV10.$sizeBytes },
  message: { ...MessageV5.$offsets, sizeBytes: MessageV5.$sizeBytes },
  clientMessage: { ...ClientMessageV10.$offsets, sizeBytes: ClientMessageV10.$sizeBytes },
};
