import { type Layout, layout } from '../memory/layout.ts';

/** Kinds of record. */
export const CLIPBOARD_RECORDS = {
  claim: 1,
  release: 2,
  keepalive: 3,
  offer: 4,
  clear: 5,
  request: 6,
  data: 7,
  cancel: 8,
  fileAcquire: 9,
  fileAcquired: 10,
  fileRelease: 11,
  fileRequest: 12,
  fileData: 13,
  fileCancel: 14,
} as const;
/** Bits of a record with contents. */
export const CLIPBOARD_RECORD_FLAGS = { begin: 1, end: 2 } as const;
/** Why a transfer ends before its time. */
export const CLIPBOARD_CANCEL_REASONS = {
  aborted: 0,
  replaced: 1,
  unavailable: 2,
  invalid: 3,
} as const;
/** What a request for files asks for. */
export const CLIPBOARD_FILE_OPS = { list: 1, read: 2 } as const;
/** Kinds of file in a list. */
export const CLIPBOARD_FILE_TYPES = { regular: 1, directory: 2 } as const;
/** Why files are not given. */
export const CLIPBOARD_FILE_ERRORS = {
  none: 0,
  notFound: 1,
  access: 2,
  notDirectory: 3,
  isDirectory: 4,
  io: 5,
  invalid: 6,
  noMemory: 7,
  noSpace: 8,
  disconnected: 9,
  cancelled: 10,
  notSupported: 11,
  stale: 12,
} as const;
/** Most bytes that one request reads of a file. */
export const CLIPBOARD_FILE_READ_BYTES: number = 1024 * 1024;

/** Fields of KVMFRClipboardMessage. */
export const CLIPBOARD_MESSAGE_FIELDS = {
  version: ['u32', 0],
  type: ['u32', 4],
  generation: ['u32', 8],
  sequence: ['u32', 12],
  clipboardGeneration: ['u64', 16],
  transfer: ['u64', 24],
  offset: ['u64', 32],
  size: ['u64', 40],
  format: ['u32', 48],
  flags: ['u32', 52],
  token: ['u32', 56],
  length: ['u32', 60],
} as const;

/** Fields of KVMFRClipboardFileEntry; the name follows. */
export const CLIPBOARD_FILE_ENTRY_FIELDS = {
  node: ['u64', 0],
  size: ['u64', 8],
  createdNs: ['u64', 16],
  modifiedNs: ['u64', 24],
  type: ['u32', 32],
  nameLength: ['u32', 36],
} as const;

/** KVMFRClipboardMessage: 64 bytes. */
export const ClipboardMessageLayout: Layout<typeof CLIPBOARD_MESSAGE_FIELDS> = layout(
  CLIPBOARD_MESSAGE_FIELDS,
  64,
);
/** KVMFRClipboardFileEntry: 40 bytes. */
export const ClipboardFileEntry: Layout<typeof CLIPBOARD_FILE_ENTRY_FIELDS> = layout(
  CLIPBOARD_FILE_ENTRY_FIELDS,
  40,
);
