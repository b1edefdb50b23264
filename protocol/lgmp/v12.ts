import { type Layout, layout } from '../memory/layout.ts';
import type { LgmpLayout } from './layout.ts';
import { LGMP_V10 } from './v10.ts';

/** Fields of LGMPHeader, LGMP 12: six queues, and client ids given out by the header. */
export const HEADER_V12_FIELDS = {
  timestamp: ['u64', 0],
  nextClientID: ['u32', 8],
  queues: ['struct', 64, 9600, 64],
  magic: ['u32', 9664],
  version: ['u32', 9668],
  sessionID: ['u32', 9672],
  numQueues: ['u32', 9676],
  udataSize: ['u32', 9680],
  udata: ['u8', 9684, 'tail'],
} as const;

/** Fields of LGMPHeaderMessage, LGMP 12: 64 bits of application value. */
export const MESSAGE_V12_FIELDS = {
  udata: ['u64', 0],
  size: ['u32', 8],
  offset: ['u32', 12],
  pendingSubs: ['u32', 16, 1, 16],
} as const;

/** Fields of LGMPClientMessage, LGMP 12: the sender names itself. */
export const CLIENT_MESSAGE_V12_FIELDS = {
  size: ['u32', 0],
  clientID: ['u32', 4],
  data: ['u8', 16, 64, 16],
} as const;

/** LGMPHeader of LGMP 12: 9728 bytes, the session blob starts at 9684. */
export const HeaderV12: Layout<typeof HEADER_V12_FIELDS> = layout(HEADER_V12_FIELDS, 9728);
/** LGMPHeaderMessage of LGMP 12: 32 bytes. */
export const MessageV12: Layout<typeof MESSAGE_V12_FIELDS> = layout(MESSAGE_V12_FIELDS, 32);
/** LGMPClientMessage of LGMP 12: 80 bytes. */
export const ClientMessageV12: Layout<typeof CLIENT_MESSAGE_V12_FIELDS> = layout(
  CLIENT_MESSAGE_V12_FIELDS,
  80,
);

/** LGMP 12, spoken by development versions from August 2026 on. The queue header is LGMP 10's. */
export const LGMP_V12: LgmpLayout = {
  ...LGMP_V10,
  version: 12,
  maxQueues: 6,
  udataBytes: 8,
  trimsTail: true,
  nextClientIdAt: HeaderV12.nextClientID.offsetBytes,
  senderAt: ClientMessageV12.clientID.offsetBytes,
  header: { ...HeaderV12.$offsets, sizeBytes: HeaderV12.$sizeBytes },
  message: { ...MessageV12.$offsets, sizeBytes: MessageV12.$sizeBytes },
  clientMessage: { ...ClientMessageV12.$offsets, sizeBytes: ClientMessageV12.$sizeBytes },
};
